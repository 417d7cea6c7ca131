"""Read while others write: wait for writes into the range, and read again what changed meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable

import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import from_ms
from pratique.errors import UnavailableError
from pratique.store.influxdb.marks import Mark

POLL_S = 0.02
CONSTANT_S = 60.0
"""How long a read goes on while one write after another changes its range."""
Marks = Callable[[], Iterable[Mark]]
Latest = dict[tuple[str, str], Mark]
"""The last mark of each service and source."""
Rows = Callable[[int, int, Collection[Mark]], pa.Table]


def read(marks: Marks, rows: Rows, first_ms: int, stop_ms: int, *, wait_s: float, name: str) -> pa.Table:
    """Return rows of windows in [first_ms, stop_ms), without a part of a write.

    marks: reads the marks of the service. rows: reads rows of a range, which the marks tell about. wait_s: longest time to wait for a write to end.
    Raises: UnavailableError when a write does not end, or the range is written again and again.
    """
    before = finished(marks, first_ms, stop_ms, wait_s=wait_s, name=name)
    found = rows(first_ms, stop_ms, before.values())
    deadline = time.monotonic() + CONSTANT_S
    while changed := _changed(
        before, after := finished(marks, first_ms, stop_ms, wait_s=wait_s, name=name), first_ms, stop_ms
    ):
        if time.monotonic() > deadline:
            raise _constantly_written(name)
        found = pa.concat_tables([_outside(found, *changed), rows(*changed, after.values())]).unify_dictionaries()
        before = after
    return found


def unchanged(before: Latest, after: Latest, first_ms: int, stop_ms: int) -> bool:
    """Whether rows of [first_ms, stop_ms) that were read between two looks at the marks are whole: no write went on meanwhile."""
    marks = (*before.values(), *after.values())
    if before.keys() - after.keys() or any(not mark.done and mark.overlaps(first_ms, stop_ms) for mark in marks):
        return False
    return _changed(before, after, first_ms, stop_ms) is None


def finished(marks: Marks, first_ms: int, stop_ms: int, *, wait_s: float, name: str) -> Latest:
    """Return the mark of each source, once none of them is of a write into the range in progress. Raises: UnavailableError."""
    began = time.monotonic()
    seen: dict[str, float] = {}
    while True:
        found = {(mark.service, mark.source): mark for mark in marks()}
        unfinished = [mark for mark in found.values() if not mark.done and mark.overlaps(first_ms, stop_ms)]
        if not unfinished:
            return found
        now = time.monotonic()
        seen = {mark.newest.id: seen.get(mark.newest.id, now) for mark in unfinished}
        stuck = [mark for mark in unfinished if now - seen[mark.newest.id] >= wait_s]
        if stuck:
            raise _in_progress(name, min(stuck, key=lambda mark: mark.began_ms))
        if now - began > CONSTANT_S:
            raise _constantly_written(name)
        time.sleep(POLL_S)


def _changed(before: Latest, after: Latest, first_ms: int, stop_ms: int) -> tuple[int, int] | None:
    """The part of [first_ms, stop_ms) with all windows that were written between two looks at the marks; None without one."""
    low, high = stop_ms, first_ms
    for source, mark in after.items():
        writes = mark.since(before.get(source))
        if writes is None:
            return first_ms, stop_ms
        for write in writes:
            if write.first_ms < stop_ms and write.last_ms >= first_ms:
                low, high = min(low, write.first_ms), max(high, write.last_ms + 1)
    low, high = max(low, first_ms), min(high, stop_ms)
    return (low, high) if low < high else None


def _outside(rows: pa.Table, low_ms: int, high_ms: int) -> pa.Table:
    window = rows["window"].cast(pa.int64())
    return rows.filter(pc.or_(pc.less(window, low_ms), pc.greater_equal(window, high_ms)))


def _constantly_written(name: str) -> UnavailableError:
    return UnavailableError(f"store {name!r} is constantly written in this range: try again later")


def _in_progress(name: str, mark: Mark) -> UnavailableError:
    return UnavailableError(
        f"store {name!r}: the windows {from_ms(mark.newest.first_ms):%Y-%m-%d %H:%M:%SZ} to {from_ms(mark.newest.last_ms):%H:%M:%SZ} of "
        f"source {mark.source[:80]!r} are not complete: a write began at {from_ms(mark.began_ms):%H:%M:%SZ} and has not ended: "
        "start the collector or repeat the import, or accept them with pratique store maintain after an hour"
    )
