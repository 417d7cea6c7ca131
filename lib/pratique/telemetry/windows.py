"""Where the windows of rollups begin and end. Each row covers `window_s` seconds from its `window`, its own length.

A store can hold windows of several lengths: `[telemetry] window_s` was changed, or logs were imported with another
setting. Windows begin at multiples of their length since the epoch, so every row lies in exactly one window of a common
multiple of all lengths, and no window begins between two multiples of their greatest common divisor.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import floor
from pratique.telemetry.rollups import Rollups


def starts_ms(table: pa.Table) -> pa.ChunkedArray:
    """Return the start of each row's window, epoch ms."""
    return table["window"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())


def ends_ms(table: pa.Table) -> pa.ChunkedArray:
    """Return the end of each row's window, epoch ms."""
    return pc.add(starts_ms(table), pc.multiply(table["window_s"].cast(pa.int64()), 1000))


def ending_after(rollups: Rollups, moment: datetime) -> Rollups:
    """Return the rows whose windows end after a time: the windows in, across and after the start of a range."""
    return rollups.only(pc.greater(ends_ms(rollups.table), _ms(moment)))


def within(rollups: Rollups, start: datetime, end: datetime | None = None) -> Rollups:
    """Return the rows whose windows lie wholly in [start, end); a window across a bound has requests of both sides."""
    inside = pc.greater_equal(starts_ms(rollups.table), _ms(start))
    if end is not None:
        inside = pc.and_(inside, pc.less_equal(ends_ms(rollups.table), _ms(end)))
    return rollups.only(inside)


def lengths_s(rollups: Rollups) -> list[int]:
    """Return the lengths of the windows, in seconds, shortest first."""
    return sorted(pc.unique(rollups.table["window_s"]).to_pylist())


def joined_s(*lengths: int) -> int:
    """Return the length in seconds of the shortest windows that windows of these lengths can be joined to.

    >>> joined_s(2, 10), joined_s(4, 10)
    (10, 20)
    """
    return math.lcm(*lengths)


def whole_range(start: datetime, end: datetime | None, lengths: list[int]) -> tuple[datetime, datetime | None]:
    """Return the part of [start, end) that windows of these lengths can fill: no bound lies within a window of all."""
    step = timedelta(seconds=math.gcd(*lengths))
    first = floor(start, step)
    return first if first == start else first + step, None if end is None else floor(end, step)


def _ms(moment: datetime) -> float:
    return moment.timestamp() * 1000
