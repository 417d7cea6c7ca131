"""HTTP requests to one instance, for readiness and acceptance tests, each with a hard time limit."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator

PROBE_TIMEOUT_S = 1.0
FIRST_ERROR_STATUS = 400


def probe(address: str, path: str) -> str:
    """Return the status of a readiness probe, or the name of the error that prevented one."""
    status, error = ask(address, path, PROBE_TIMEOUT_S, most=0)
    return str(status or error)


def ask(address: str, path: str, seconds: float, *, most: int) -> tuple[int, str]:
    """Send one GET request; return its status and, from status 400 on, the first `most` bytes of the body.

    Without an answer the status is 0 and the text names the error. The call ends after `seconds`, even if the server
    sends its answer byte by byte.
    """
    ends = time.monotonic() + seconds
    connection = http.client.HTTPConnection(address, timeout=seconds)
    body = b""
    try:
        connection.connect()
        with _shut_down_at(ends, connection.sock):
            connection.request("GET", path)
            answer = connection.getresponse()
            while (
                answer.status >= FIRST_ERROR_STATUS and len(body) < most and (piece := answer.read1(most - len(body)))
            ):
                body += piece
        return answer.status, body.decode("utf-8", "replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        return 0, "TimeoutError" if time.monotonic() >= ends else type(error).__name__
    finally:
        connection.close()


@contextlib.contextmanager
def _shut_down_at(end: float, connection: socket.socket) -> Iterator[None]:
    """Shut a connection down at a time: a socket's own timeout starts again with every byte."""

    def shut_down() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, end - time.monotonic()), shut_down)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
