"""The time range of an analysis and the history that it is compared with, divided into windows and blocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pratique.clock import EPOCH
from pratique.errors import MissingError, UsageError
from pratique.store.base import Store

RANGE = timedelta(hours=2)
HISTORY = timedelta(days=1)
AHEAD = timedelta(minutes=10)
"""How far in the future lines may be before a clock, or the zone of a log, must be wrong: further than clocks that are kept in step."""
WINDOWS = 240
"""Most windows that the range is divided into."""
BLOCKS = 48
"""Blocks that a day of history is divided into."""
STEPS_S = (10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)


EARLIEST, LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimeRange:
    """The range that is looked at, [start, end), and the history, [before, start), UTC; the lengths of a window and of a block in seconds.

    silent_since: end of the last lines, where the range ends with them although they are old; None otherwise.
    ahead_until: end of the last lines, where it lies in the future; None otherwise.
    """

    start: datetime
    end: datetime
    before: datetime
    window_s: int
    block_s: int
    silent_since: datetime | None = None
    ahead_until: datetime | None = None


def range_of(
    store: Store,
    service: str,
    start: datetime | None,
    end: datetime | None,
    before: datetime | None,
    *,
    complete: datetime,
    now: datetime | None = None,
) -> TimeRange:
    """Return the range of a question, and what it is divided into. complete: windows from here on may still get lines, UTC.

    now: default the same.

    Raises: MissingError (service without requests), UsageError (empty range), the errors of the store.
    """
    seen = store.revisions(service)
    if not seen:
        known = sorted({revision.service for revision in store.revisions()})
        raise MissingError.unknown("service", service, known, where="in the store", hint="import a log first")
    for moment in (start, end, before):
        if moment is not None and not EARLIEST <= moment < LATEST:
            raise UsageError(f"{moment:%Y-%m-%d} is not a time of requests: give one from {EARLIEST:%Y} to {LATEST:%Y}")
    silent_since = None
    last = max(revision.last for revision in seen) + timedelta(minutes=1)
    if end is not None:
        end = min(end, complete)
    else:
        # data that stopped a short time ago: the silence belongs to the range
        end = complete if last <= complete < last + RANGE else min(last, complete)
        end = _floor(end, 60)
        silent_since = end if end <= complete - RANGE else None
    start = _floor(start, 1) if start else end - RANGE
    if start >= end:
        raise UsageError(
            f"the range from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is empty: give a start before the end"
        )
    if before is not None and before >= start:
        raise UsageError(
            f"the history would begin at {before:%Y-%m-%d %H:%M}, and the range at {start:%Y-%m-%d %H:%M}: give an earlier time to compare with"
        )
    before = before or start - HISTORY
    before = max(before, _floor(min(revision.first for revision in seen), 60))
    window_s = _step((end - start).total_seconds() / WINDOWS)
    block_s = max(_step(HISTORY.total_seconds() / BLOCKS), _step((start - before).total_seconds() / (2 * BLOCKS)))
    short = max((start - before).total_seconds(), 60.0) / BLOCKS
    ahead_until = last if last > (now or complete) + AHEAD else None
    return TimeRange(start, end, before, window_s, min(block_s, max(_step(short), window_s)), silent_since, ahead_until)


def _floor(moment: datetime, seconds: int) -> datetime:
    span = timedelta(seconds=seconds)
    return EPOCH + (moment - EPOCH) // span * span


def _step(least_s: float) -> int:
    return next((step for step in STEPS_S if step >= least_s), STEPS_S[-1] * max(1, -(-int(least_s) // STEPS_S[-1])))
