"""A service is read range by range: each row once, in order of time, and no range with more than the memory holds."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.store import ranges
from pratique.store.base import Seen
from pratique.store.ranges import LONGEST, Part, parts_of
from pratique.telemetry.rollups import Rollups

T0 = datetime(2026, 3, 1, tzinfo=UTC)


class FakeStore:
    """A store whose rows are only their windows. reads: the range and the rows of each read."""

    def __init__(self, windows):
        self.windows = windows
        self.reads = []

    def read(self, service, revisions, start, end):
        found = [window for window in self.windows if start <= window < end]
        self.reads.append((start, end, len(found)))
        return Rollups(pa.table({"window": pa.array(found, pa.timestamp("ms", tz="UTC"))}))

    def revisions(self, service, start, end):
        found = [window for window in self.windows if start <= window < end]
        return [Seen("shop", "r1", min(found), max(found), len(found))] if found else []


def part(windows):
    return Part("shop", ["r1"], min(windows), max(windows) + timedelta(milliseconds=1))


def seconds(*numbers):
    return [T0 + timedelta(seconds=number) for number in numbers]


@settings(deadline=None)
@given(st.lists(st.integers(0, 200_000_000), min_size=1, max_size=60), st.integers(1, 5))
def test_each_row_is_read_once_and_in_order(offsets, target_rows):
    windows = sorted(T0 + timedelta(milliseconds=offset) for offset in offsets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "TARGET_ROWS", target_rows)
        found = list(part(windows).read(FakeStore(windows)))
    assert [window for _, rows in found for window in rows.table["window"].to_pylist()] == windows
    assert all(max(rows.table["window"].to_pylist()) < end for end, rows in found)


def test_a_range_is_never_longer_than_an_hour():
    store = FakeStore(seconds(*range(0, 86_400, 600)))
    list(part(store.windows).read(store))
    assert max(end - start for start, end, _ in store.reads) == LONGEST


def test_ranges_shrink_where_the_traffic_is(monkeypatch):
    monkeypatch.setattr(ranges, "TARGET_ROWS", 100)
    store = FakeStore(seconds(*range(0, 3600, 60), *range(3600, 7200)))
    list(part(store.windows).read(store))
    busy = [rows for start, _, rows in store.reads if start >= T0 + timedelta(hours=1)]
    assert max(busy[1:]) <= 200


def test_a_gap_of_months_takes_two_reads():
    store = FakeStore(seconds(0, 100 * 86_400))
    list(part(store.windows).read(store))
    assert len(store.reads) == 3


def test_a_part_covers_all_windows_of_its_service():
    day = timedelta(days=1)
    seen = [
        Seen("shop", "r1", T0, T0 + day, 1),
        Seen("till", "a", T0, T0, 1),
        Seen("shop", "r2", T0 + day, T0 + 2 * day, 1),
    ]
    shop, till = parts_of(seen)
    assert (shop.service, shop.revisions, shop.start) == ("shop", ["r1", "r2"], T0)
    assert shop.end == T0 + 2 * day + timedelta(milliseconds=1)
    assert till.revisions == ["a"]
    assert shop.before(T0 + day).end == T0 + day
    assert shop.after(T0 + day).start == T0 + day
