"""Time: now, its text forms, and the start of a window. Every time is UTC and timezone-aware."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the current time, UTC."""
    return datetime.now(UTC)


def elapsed_s() -> float:
    """Return seconds on a clock for durations and deadlines: nobody can set it, and it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def from_ms(epoch_ms: float) -> datetime:
    """Return milliseconds since the epoch as a UTC time."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def stamp(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 with microseconds and Z: text that sorts as time does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 with seconds and Z, for people."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def floor(moment: datetime, span: timedelta) -> datetime:
    """Return the start of the window of length `span` that holds `moment`; windows are counted from the epoch."""
    return EPOCH + (moment - EPOCH) // span * span
