"""One request, as a line of an access log tells it."""

from __future__ import annotations

from dataclasses import dataclass

NONE = "none"
"""The revision of a request for which no server was chosen."""


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One request.

    time_ms: when it began, epoch ms. duration_ms: None where the line has none. boot, sequence: identify the sender
    and number its lines; boot is "" for a sender that does not number its lines. failed_attempts: at other servers, before the answer.
    instance: address of the server that answered, "host:port"; "" where the line does not tell it.
    """

    time_ms: int
    service: str
    revision: str
    method: str
    path: str
    code: int
    duration_ms: float | None
    host: str
    boot: str
    sequence: int
    failed_attempts: int = 0
    instance: str = ""
