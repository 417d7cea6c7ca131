"""Time: now, its text forms, and the start of a window. Every time is UTC and timezone-aware."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
"""The end of the times that people and programs can give: with a year left to count from there."""
CLOCK_JUMP_S = 1.0
"""Change of the wall clock at once that counts as a jump; a clock that is kept in step changes by milliseconds."""
_READING_S = 0.1
"""How far apart two readings of one moment may be: between them the process can stand still."""


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


def utc_of(text: str) -> datetime:
    """Return the UTC time of ISO 8601 text, which means UTC without a zone.

    Raises: ValueError, also outside the years 1970 to 9998: a zone, or the day after, could leave the calendar.
    """
    try:
        parsed = datetime.fromisoformat(text)
        moment = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is in no year that is known") from error
    if not EPOCH <= moment < LATEST:
        raise ValueError(f"{moment:%Y} is not a year from {EPOCH:%Y} to {LATEST.year - 1}")
    return moment


class ClockWatch:
    """Notice that the wall clock was set: it no longer agrees with the clock of durations."""

    def __init__(self) -> None:
        """Begin to watch."""
        self._first = self._last = _difference_s()

    def jump_s(self) -> float:
        """Return by how many seconds the wall clock jumped since the last call, 0 if it did not; negative: set back."""
        before, self._last = self._last, _difference_s()
        jump = self._last - before
        return jump if abs(jump) > CLOCK_JUMP_S else 0.0

    def shift_s(self) -> float:
        """Return by how many seconds the wall clock differs from what it would be without any change."""
        return _difference_s() - self._first


def _difference_s() -> float:
    """Return the wall clock minus the clock of durations, both read at one moment."""
    while True:
        before = elapsed_s()
        wall = utc_now().timestamp()
        after = elapsed_s()
        if after - before < _READING_S:
            return wall - after


def stamp(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 with microseconds and Z: text that sorts as time does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso(moment: datetime) -> str:
    """Return a UTC time as ISO 8601 with seconds and Z, for people."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def floor(moment: datetime, span: timedelta) -> datetime:
    """Return the start of the window of length `span` that holds `moment`; windows are counted from the epoch."""
    return EPOCH + (moment - EPOCH) // span * span
