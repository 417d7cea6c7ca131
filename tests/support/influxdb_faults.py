"""The ways in which an InfluxDB server fails a store, each with its message for the user, and the way back."""

import re
from collections.abc import Callable
from dataclasses import dataclass

AHEAD = b"Date: Tue, 19 Jan 2038 03:14:07 GMT"


@dataclass(frozen=True)
class Fault:
    """A fault of a `DisturbedBucket`.

    written, read: what writing and reading say while it lasts; "" when they work. status: exit status of a command that reads.
    mend: its own way back, before that of the bucket.
    """

    name: str
    strike: Callable
    written: str = ""
    read: str = ""
    status: int = 0
    mend: Callable = lambda bucket: None

    def __str__(self):
        return self.name.replace(" ", "-")


def _end_at(kind, number, *, start):
    """Return a strike that kills the server when the piece of a write passes the proxy; start: and starts it at once."""

    def strike(bucket):
        passed = []

        def count(piece):
            if kind == "request" and not piece.startswith(b"POST /api/v2/write"):
                return
            passed.append(piece)
            if len(passed) == number:
                (bucket.restart if start else bucket.kill)()

        setattr(bucket.proxy, f"before_{kind}", count)

    return strike


def _shift_clock(bucket):
    bucket.proxy.change_answers = lambda piece: re.sub(rb"Date: [^\r]*", AHEAD, piece)


AWAY = "does not answer: |connection broke"
FAULTS = (
    Fault("killed", lambda bucket: bucket.kill(), AWAY, AWAY, 69),
    Fault("restarted", lambda bucket: bucket.restart()),
    Fault("hangs", lambda bucket: bucket.server.pause(), "answer in time", "answer in time", 69),
    Fault("slow", lambda bucket: setattr(bucket.proxy, "delay_s", 0.1)),
    Fault("full", lambda bucket: bucket.fill_disk(), "disk is full .*restart the server"),
    Fault("tokens revoked", lambda bucket: bucket.revoke("write", "read"), "token is inactive", "token is inactive", 77),
    Fault("tokens replaced", lambda bucket: bucket.delete_tokens(), "token is refused", "token is refused", 77,
          lambda bucket: bucket.new_tokens()),
    Fault("answers cut", lambda bucket: setattr(bucket.proxy, "cut_after", 10), "connection broke", "connection broke", 69),
    Fault("answers lost", lambda bucket: setattr(bucket.proxy, "lose_answers", True), "connection broke", "connection broke", 69),
    Fault("wrong bucket", lambda bucket: bucket.rename("elsewhere"), "not found", "create the bucket", 66),
    Fault("clock ahead", _shift_clock),
)  # fmt: skip
"""Those that begin at any moment."""

IN_A_WRITE = tuple(
    Fault(f"{what} at {kind} {number}", _end_at(kind, number, start=what == "restarted"))
    for what in ("killed", "restarted")
    for kind, last in (("request", 4), ("answer", 5))
    for number in range(1, last + 1)
)
"""The end of a server within a write. It asks for the last marks, then its four requests say that it begins, hold the points of windows
and those of rows, and say that it is done.

At a request: before the server has it. At an answer: the server has acknowledged it, and the client may not know.
"""
