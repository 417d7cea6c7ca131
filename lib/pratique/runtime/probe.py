"""A readiness probe: one request, and what it got."""

from __future__ import annotations

import http.client

PROBE_S = 1.0


def waited(deadline_s: float) -> str:
    """How long an answer was waited for, as a part of a sentence; "" where it was asked for at once."""
    return f" within {deadline_s:g} s" if deadline_s > 0 else ""


def probe(address: str, path: str) -> str:
    """The status that a readiness probe got, or why there was none."""
    connection = http.client.HTTPConnection(address, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()
