"""Wait until an instance is ready: the loop that all runtimes share, and the errors it ends with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pratique.errors import UnavailableError
from pratique.runtime.base import Instance

POLL_S = 0.1
EXCERPT_LINES = 8
EXCERPT_MAX_CHARS = 600


@dataclass(frozen=True)
class Check:
    """The result of one look at an instance.

    ready: it passed. answer: the last answer of its check, and expected: the answer that would pass.
    exited: it no longer runs; exit_code where the engine knows it. details: more for the error, such as a health log.
    """

    ready: bool = False
    answer: str = ""
    expected: str = ""
    exited: bool = False
    exit_code: int | None = None
    details: str = ""


def wait_ready(
    instance: Instance,
    check: Callable[[], Check],
    read_logs: Callable[[], Sequence[str]],
    *,
    deadline_s: float,
    on_exit: Callable[[], None] = lambda: None,
    poll_s: float = POLL_S,
) -> None:
    """Call `check` until the instance is ready. A deadline of 0 s checks once.

    read_logs: its last log lines, read only for an error. on_exit: cleans up after an instance that exited.
    Raises: UnavailableError with the last log lines, when the instance exits or the deadline passes.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        found = check()
        if found.exited:
            error = _exited(instance, found, read_logs())
            on_exit()
            raise error
        if found.ready:
            return
        if time.monotonic() > deadline:
            raise _not_ready(instance, found, read_logs(), deadline_s)
        time.sleep(poll_s)


def log_excerpt(lines: Sequence[str]) -> str:
    """Return the end of a log as a part of an error message."""
    text = " | ".join(line.strip() for line in lines if line.strip())[-EXCERPT_MAX_CHARS:]
    return f"last log lines: {text}" if text else "no output"


def _exited(instance: Instance, found: Check, lines: Sequence[str]) -> UnavailableError:
    status = "" if found.exit_code is None else f" with status {found.exit_code}"
    return UnavailableError(f"{instance} exited{status} before it was ready: {_evidence(found, lines)}")


def _not_ready(instance: Instance, found: Check, lines: Sequence[str], deadline_s: float) -> UnavailableError:
    within = f" within {deadline_s:g} s" if deadline_s > 0 else ""
    return UnavailableError(
        f"{instance} did not answer {found.expected}{within} (last answer: {found.answer}): {_evidence(found, lines)}"
    )


def _evidence(found: Check, lines: Sequence[str]) -> str:
    details = found.details[-EXCERPT_MAX_CHARS:]
    return f"{log_excerpt(lines)}; {details}" if details else log_excerpt(lines)
