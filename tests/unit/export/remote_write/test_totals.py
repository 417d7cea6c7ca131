"""Counters made of windows that are taken again: nothing twice, nothing lost, never less."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.store_contract import T0, rollups, row
from pratique.export.remote_write.totals import SILENT_MS, Totals

KEEP_MS = 120_000
START_MS = int(T0.timestamp() * 1000)
KEY = ("shop", "r1", "GET /cart", "200", "h1")


def end_of(window):
    return START_MS + 10_000 * (window + 1)


def taken(totals, *rows, keep_ms=KEEP_MS):
    return list(totals.take(rollups(*rows), keep_ms=keep_ms))


def requests(step):
    """The counter of requests of each key, with the times of its samples."""
    return {key: [(time, values[0]) for time, values in samples] for key, samples in step.samples}


class Reader:
    """What a reader of the counters counts: differences between samples, and the value after a restart."""

    def __init__(self):
        self.last, self.times, self.counted = {}, {}, defaultdict(lambda: np.zeros(16))

    def read(self, steps):
        for step in steps:
            for key, samples in step.samples:
                for time, values in samples:
                    assert time > self.times.get(key, 0)
                    before = self.last.get(key)
                    if before is not None:
                        self.counted[key] += np.where(values < before, values, values - before)
                    else:
                        assert not values.any(), "a reader does not know since when a first value grew"
                    self.last[key], self.times[key] = values, time


def test_a_new_series_begins_with_zero_at_the_start_of_its_window():
    (step,) = taken(Totals(), row(n=3))
    assert requests(step) == {KEY: [(START_MS, 0.0), (end_of(0), 3.0)]}


def test_the_next_window_adds_to_it():
    totals = Totals()
    taken(totals, row(n=3))
    (step,) = taken(totals, row(1, n=2))
    assert requests(step) == {KEY: [(end_of(1), 5.0)]}


def test_a_window_that_is_taken_again_changes_nothing():
    totals = Totals()
    taken(totals, row(n=3))
    assert taken(totals, row(n=3)) == []
    (step,) = taken(totals, row(1, n=2))
    assert requests(step)[KEY][-1] == (end_of(1), 5.0)


def test_late_requests_are_in_the_sample_of_the_next_window():
    totals = Totals()
    taken(totals, row(n=3))
    assert taken(totals, row(n=4)) == []
    (step,) = taken(totals, row(1, n=2))
    assert requests(step) == {KEY: [(end_of(1), 6.0)]}


def test_several_windows_at_once_give_a_sample_each():
    steps = taken(Totals(), row(2, n=1), row(0, n=3), row(1, n=2))
    assert [requests(step)[KEY][-1] for step in steps] == [(end_of(0), 3.0), (end_of(1), 5.0), (end_of(2), 6.0)]


def test_a_series_without_requests_goes_on_for_minutes():
    totals = Totals()
    taken(totals, row(n=3))
    (step,) = taken(totals, row(1, "r2"))
    assert requests(step)[KEY] == [(end_of(1), 3.0)]
    for window in range(2, 70):
        (step,) = taken(totals, row(window, "r2"))
    assert KEY not in requests(step)
    (step,) = taken(totals, row(70, n=1))
    assert requests(step)[KEY] == [(end_of(69), 0.0), (end_of(70), 1.0)]


def test_after_minutes_of_silence_everything_starts_from_zero():
    totals = Totals()
    taken(totals, row(n=3))
    later = SILENT_MS // 10_000 + 2
    (step,) = taken(totals, row(later, n=2))
    assert requests(step) == {KEY: [(end_of(later - 1), 0.0), (end_of(later), 2.0)]}


def test_late_requests_before_a_silence_are_sent_after_it():
    totals = Totals()
    taken(totals, row(n=3))
    # one late request, and no window follows for minutes
    assert taken(totals, row(n=4), keep_ms=10**9) == []
    later = SILENT_MS // 10_000 + 2
    (step,) = taken(totals, row(later, n=2), keep_ms=10**9)
    assert requests(step) == {KEY: [(end_of(later - 1), 0.0), (end_of(later), 3.0)]}


def test_late_requests_before_a_long_silence_of_their_series_are_sent_once():
    totals = Totals()
    taken(totals, row(n=3))
    taken(totals, row(n=4), keep_ms=10**9)
    (step,) = taken(totals, row(100, "r2"), keep_ms=10**9)
    assert requests(step)[KEY] == [(end_of(99), 3.0), (end_of(100), 4.0)]
    (step,) = taken(totals, row(101, "r2"), keep_ms=10**9)
    assert KEY not in requests(step)


def test_long_windows_that_follow_each_other_are_one_series():
    totals = Totals()
    for window in range(3):
        (step,) = taken(totals, row(window * 60, n=2) | {"window_s": 600})
    end_ms = START_MS + 3 * 600_000
    assert requests(step) == {KEY: [(end_ms, 6.0)]}


def test_a_shorter_silence_goes_on_from_the_value_before():
    totals = Totals()
    taken(totals, row(n=3))
    (step,) = taken(totals, row(5, n=2))
    assert requests(step) == {KEY: [(end_of(4), 3.0), (end_of(5), 5.0)]}


def test_a_counter_never_shrinks():
    totals = Totals()
    taken(totals, row(n=3))
    taken(totals, row(n=2))
    (step,) = taken(totals, row(1, n=1))
    assert requests(step) == {KEY: [(end_of(1), 4.0)]}


def test_a_forgotten_window_takes_no_more_rows():
    totals = Totals()
    taken(totals, row(n=3))
    for window in range(1, 20):
        taken(totals, row(window, n=0))
    assert min(start for _, start in totals.windows) > START_MS
    taken(totals, row(n=3))
    (step,) = taken(totals, row(20, n=1))
    assert requests(step)[KEY][-1] == (end_of(20), 4.0)


def test_rows_of_another_source_add_up():
    totals = Totals()
    taken(totals, row(n=3), row(n=4, source="collector:1"))
    (step,) = taken(totals, row(1, n=1))
    assert requests(step)[KEY][-1] == (end_of(1), 8.0)


def test_a_clock_that_was_set_back_is_noticed_by_the_new_source():
    totals = Totals()
    taken(totals, row(1000, n=3))
    assert not totals.is_set_back(rollups(row(999)), keep_ms=KEEP_MS)
    assert not totals.is_set_back(rollups(row(0)), keep_ms=KEEP_MS)
    assert not totals.is_set_back(rollups(row(999, source="collector:1")), keep_ms=KEEP_MS)
    assert totals.is_set_back(rollups(row(0, source="collector:1")), keep_ms=KEEP_MS)


GROWING = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["r1", "r2"]),
        st.sampled_from([200, 500]),
        st.lists(st.integers(-20, 250), min_size=1, max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)
"""Requests: how many windows after the last one (or as many before, late), revision, code, buckets, and whether they are late."""


@given(GROWING, st.integers(1, 4))
@pytest.mark.slow
def test_what_a_reader_counts_is_what_the_windows_have(events, repeats):
    totals, reader, windows, now = Totals(), Reader(), {}, 0
    for step, revision, code, buckets, late in events:
        now += step
        window = max(now - 2, 0) if late else now
        cells = windows.setdefault(window, {})
        cells.setdefault((revision, code), []).extend(buckets)
        rows = [
            row(
                each,
                name,
                len(found),
                code=status,
                sum_ms=float(len(found)),
                histogram=[(one, found.count(one)) for one in sorted(set(found))],
            )
            for each in {window, now} & windows.keys()
            for (name, status), found in windows[each].items()
        ]
        for _ in range(repeats):
            reader.read(taken(totals, *rows))
    reader.read(taken(totals, row(now + 1, "end")))
    expected = defaultdict(list)
    for cells in windows.values():
        for (revision, code), buckets in cells.items():
            expected[revision, str(code)] += buckets
    for (revision, code), buckets in expected.items():
        counted = reader.counted["shop", revision, "GET /cart", code, "h1"]
        assert counted[0] == counted[1] == counted[-1] == len(buckets)
        assert counted[2] == sum(bucket < 32 for bucket in buckets)
