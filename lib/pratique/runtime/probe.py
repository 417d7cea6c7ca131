"""Requests of our own at an instance: readiness probe and acceptance test, each with an end that holds."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

PROBE_S = 1.0
BAD = 400


def waited(deadline_s: float) -> str:
    """How long an answer was waited for, as a part of a sentence; "" where it was asked for at once."""
    return f" within {deadline_s:g} s" if deadline_s > 0 else ""


def probe(address: str, path: str) -> str:
    """The status that a readiness probe got, or why there was none."""
    status, said = ask(address, path, PROBE_S, most=0)
    return str(status or said)


def ask(address: str, path: str, seconds: float, *, most: int) -> tuple[int, str]:
    """Ask once: the status and, from 400 on, the first `most` bytes of the answer's body; 0 and why without a status.

    It is over after `seconds`, however slowly an answer drips in.
    """
    ends = time.monotonic() + seconds
    connection = http.client.HTTPConnection(address, timeout=seconds)
    said = b""
    try:
        connection.connect()
        with _shut_at(ends, connection.sock):
            connection.request("GET", path)
            answer = connection.getresponse()
            while answer.status >= BAD and len(said) < most and (piece := answer.read1(most - len(said))):
                said += piece
        return answer.status, said.decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return 0, "TimeoutError" if time.monotonic() >= ends else type(error).__name__
    finally:
        connection.close()


@contextlib.contextmanager
def _shut_at(end: float, connection: socket.socket) -> Iterator[None]:
    """Shut a connection at that time: its own timeout is only one of silence."""

    def shut() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, end - time.monotonic()), shut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
