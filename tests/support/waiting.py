"""Waiting for a condition, with a limit that only something broken reaches, however slow the machine is."""

import time

LIMIT_S = 120.0


def eventually(condition, *, limit_s=LIMIT_S, pause=time.sleep):
    """Return the condition's first true value. pause: what passes the seconds between two looks."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"the condition did not become true within {limit_s:g} s"
        pause(0.02)
    return found
