"""The embedded balancer's access lines, decoded: what a request was, and where it stands in its sender's count."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pratique.config import NAME
from pratique.telemetry.syslog import message_of

MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class AccessLine:
    """One request. duration_ms: None where the line has none. boot, sequence: the sender's own count."""

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


def decode(datagram: bytes) -> AccessLine | None:
    """The access line in a datagram; None when there is none in it. Never raises: what comes in is hostile."""
    message = message_of(datagram)
    if message is None:
        return None
    try:
        body = json.loads(message)
        duration = float(body["d"])
        line = AccessLine(
            time_ms=int(body["t"]),
            service=str(body["s"]),
            revision=str(body["r"]),
            method=str(body["m"]),
            path=str(body["p"]),
            code=int(body["c"]),
            duration_ms=duration if 0.0 <= duration < 1e12 else None,
            host=str(body["h"]),
            boot=str(body["b"]),
            sequence=int(body["q"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    return line if _plausible(line) else None


def _plausible(line: AccessLine) -> bool:
    texts = (line.revision, line.host, line.boot)
    return (
        re.fullmatch(NAME, line.service) is not None
        and 0 <= line.code < 1000
        and 0 < line.time_ms < 1 << 53
        and 0 <= line.sequence < 1 << 62
        and all(0 < len(text) <= MAX_TEXT and text.isprintable() for text in texts)
    )
