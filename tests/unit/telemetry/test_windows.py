"""Windows of several lengths in one table: which lie in a range, and what they can be joined to."""

from datetime import UTC, datetime, timedelta
from math import gcd, lcm

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.rollups import Rollups
from pratique.telemetry.windows import ending_after, ends_ms, joined_s, lengths_s, starts_ms, whole_range, within

START = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
lengths = st.lists(st.integers(1, 3600), min_size=1, max_size=4)
moments = st.integers(0, 7_200_000).map(lambda ms: START + timedelta(milliseconds=ms))


def rollups(*windows):
    """One request in each window, given as (second after START, length)."""
    tables = [
        Rollups.from_events(
            pa.table(
                {
                    "time_ms": [int(START.timestamp() * 1000) + second * 1000],
                    **{name: pa.array(["x"]) for name in ("service", "revision", "action", "host", "source")},
                    "code": pa.array([200], pa.int16()),
                    "duration_ms": [1.0],
                }
            ),
            window_s=length,
        ).table
        for second, length in windows
    ]
    return Rollups(pa.concat_tables(tables))


def test_a_row_covers_what_its_own_length_says():
    found = rollups((0, 10), (12, 2))
    bounds = zip(starts_ms(found.table).to_pylist(), ends_ms(found.table).to_pylist(), strict=True)
    assert [(end - start) // 1000 for start, end in bounds] == [10, 2]
    assert lengths_s(within(found, START, START + timedelta(seconds=12))) == [10]
    assert lengths_s(within(found, START + timedelta(seconds=1), START + timedelta(seconds=14))) == [2]
    assert lengths_s(ending_after(found, START + timedelta(seconds=9))) == [2, 10]
    assert lengths_s(ending_after(found, START + timedelta(seconds=10))) == [2]


@given(lengths, moments, moments)
def test_no_window_lies_between_a_range_and_the_part_of_it_that_windows_can_fill(spans, start, end):
    first, last = whole_range(start, end, spans)
    step = timedelta(seconds=gcd(*spans))
    assert timedelta(0) <= first - start < step
    assert timedelta(0) <= end - last < step
    assert first.timestamp() % gcd(*spans) == last.timestamp() % gcd(*spans) == 0


@given(lengths, st.integers(0, 10**9))
def test_each_window_lies_in_one_joined_window(spans, at):
    joined = joined_s(*spans)
    assert joined == lcm(*spans)
    for span in spans:
        start = at // span * span
        assert start // joined == (start + span - 1) // joined
