"""Read while others write: wait for writes into the range, and read again what changed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import from_ms
from pratique.errors import UnavailableError
from pratique.store.influxdb.marks import Mark

POLL_S = 0.02
CONSTANT_S = 60.0
"""How long a read goes on while one write after another changes its range."""
Marks = Callable[[], Iterable[Mark]]


def read(
    marks: Marks, rows: Callable[[int, int], pa.Table], first_ms: int, stop_ms: int, *, wait_s: float, name: str
) -> pa.Table:
    """Return rows of windows in [first_ms, stop_ms), without a part of a write.

    marks: reads the marks of the service. rows: reads rows of a range. wait_s: longest time to wait for a write to end.
    Raises: UnavailableError when a write does not end, or the range is written again and again.
    """
    before = finished(marks, first_ms, stop_ms, wait_s=wait_s, name=name)
    found = rows(first_ms, stop_ms)
    deadline = time.monotonic() + CONSTANT_S
    while changed := (after := finished(marks, first_ms, stop_ms, wait_s=wait_s, name=name)) - before:
        if time.monotonic() > deadline:
            raise _constantly_written(name)
        low = max(first_ms, min(mark.first_ms for mark in changed))
        high = min(stop_ms, max(mark.last_ms for mark in changed) + 1)
        found = pa.concat_tables([_outside(found, low, high), rows(low, high)]).unify_dictionaries()
        before = after
    return found


def finished(marks: Marks, first_ms: int, stop_ms: int, *, wait_s: float, name: str) -> set[Mark]:
    """Return the marks of windows in the range, once none of them is of a write in progress. Raises: UnavailableError."""
    began = time.monotonic()
    seen: dict[str, float] = {}
    while True:
        found = {mark for mark in marks() if mark.overlaps(first_ms, stop_ms)}
        unfinished = [mark for mark in found if not mark.done]
        if not unfinished:
            return found
        now = time.monotonic()
        seen = {mark.id: seen.get(mark.id, now) for mark in unfinished}
        stuck = [mark for mark in unfinished if now - seen[mark.id] >= wait_s]
        if stuck:
            raise _in_progress(name, min(stuck, key=lambda mark: mark.began_ms))
        if now - began > CONSTANT_S:
            raise _constantly_written(name)
        time.sleep(POLL_S)


def _outside(rows: pa.Table, low_ms: int, high_ms: int) -> pa.Table:
    window = rows["window"].cast(pa.int64())
    return rows.filter(pc.or_(pc.less(window, low_ms), pc.greater_equal(window, high_ms)))


def _constantly_written(name: str) -> UnavailableError:
    return UnavailableError(f"store {name!r} is constantly written in this range: try again later")


def _in_progress(name: str, mark: Mark) -> UnavailableError:
    return UnavailableError(
        f"store {name!r}: the windows {from_ms(mark.first_ms):%Y-%m-%d %H:%M:%SZ} to {from_ms(mark.last_ms):%H:%M:%SZ} of "
        f"source {mark.source[:80]!r} are not complete: a write began at {from_ms(mark.began_ms):%H:%M:%SZ} and has not ended: "
        "start the collector or repeat the import, or accept them with pratique store maintain after an hour"
    )
