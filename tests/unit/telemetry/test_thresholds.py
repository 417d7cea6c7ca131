"""Counts under fixed durations: exact, rising, and there for every row."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.buckets import bucket_of, buckets_of
from pratique.telemetry.thresholds import counts_under

DOUBLINGS = (0, 4, 5, 11)


def counted(*histograms):
    """The counts of rows whose histograms are given as durations in ms."""
    rows = []
    for durations in histograms:
        found, counts = np.unique(buckets_of(np.array(durations, float)), return_counts=True)
        rows.append((found.tolist(), counts.tolist()))
    lists = [pa.array([row[side] for row in rows], pa.list_(kind)) for side, kind in ((0, pa.int16()), (1, pa.int64()))]
    return counts_under(*lists, DOUBLINGS).tolist()


@given(st.lists(st.lists(st.floats(0, 1e5), max_size=20), min_size=1, max_size=4))
def test_the_counts_are_those_of_the_durations(histograms):
    expected = [[*(sum(duration < 2**d for duration in row) for d in DOUBLINGS), len(row)] for row in histograms]
    assert counted(*histograms) == expected


@pytest.mark.parametrize("doubling", range(20))
def test_a_power_of_two_is_a_bound_of_the_buckets(doubling):
    assert bucket_of(2.0**doubling) == bucket_of(2.0**doubling * 0.9999) + 1


def test_a_row_without_durations_has_zeros():
    assert counted([], [0.5]) == [[0] * 5, [1] * 5]


def test_a_slice_of_rows_is_counted_alone():
    lists = pa.array([[0], [], [160]], pa.list_(pa.int16())), pa.array([[1], [], [5]], pa.list_(pa.int64()))
    assert counts_under(*(one.slice(1) for one in lists), DOUBLINGS)[:, -1].tolist() == [0, 5]
