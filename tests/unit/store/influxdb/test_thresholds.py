"""Counts under fixed durations: exact, rising, and there for every row."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.store.influxdb.thresholds import FIELDS, THRESHOLDS_MS, under
from pratique.telemetry.buckets import bucket_of, buckets_of


def counted(*histograms):
    """The counts of rows whose histograms are given as durations in ms."""
    rows = []
    for durations in histograms:
        found, counts = np.unique(buckets_of(np.array(durations, float)), return_counts=True)
        rows.append((found.tolist(), counts.tolist()))
    lists = [pa.array([row[side] for row in rows], pa.list_(kind)) for side, kind in ((0, pa.int16()), (1, pa.int64()))]
    return under(*lists).tolist()


@given(st.lists(st.lists(st.floats(0, 1e5), max_size=20), min_size=1, max_size=4))
def test_the_counts_are_those_of_the_durations(histograms):
    expected = [
        [*(sum(duration < threshold for duration in row) for threshold in THRESHOLDS_MS), len(row)]
        for row in histograms
    ]
    assert counted(*histograms) == expected


@pytest.mark.parametrize("threshold", THRESHOLDS_MS)
def test_a_threshold_is_a_bound_of_the_buckets(threshold):
    assert bucket_of(threshold) == bucket_of(threshold * 0.9999) + 1


def test_a_row_without_durations_has_zeros():
    assert counted([], [1.0]) == [[0] * len(FIELDS), [1] * len(FIELDS)]


def test_a_slice_of_rows_is_counted_alone():
    lists = pa.array([[0], [], [160]], pa.list_(pa.int16())), pa.array([[1], [], [5]], pa.list_(pa.int64()))
    assert under(*(one.slice(1) for one in lists))[:, -1].tolist() == [0, 5]
