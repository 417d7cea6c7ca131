"""Histograms, classic and native: cumulative counters, and the bounds that all of them have."""

import numpy as np

from pratique.store.prometheus.client import RawSeries
from pratique.store.prometheus.histograms import common_bounds, histograms_of

TARGET = ("job", "instance")
NAME = "http_request_duration_seconds"


def classic(counts, *, at=60, total=1.0, **labels):
    """The series of a classic histogram with one scrape. counts: upper bound as text → cumulative count."""
    labels = {"job": "shop", "instance": "r1", **labels}
    buckets = [
        RawSeries({**labels, "__name__": f"{NAME}_bucket", "le": bound}, [[at, str(n)]], [])
        for bound, n in counts.items()
    ]
    return [*buckets, RawSeries({**labels, "__name__": f"{NAME}_sum"}, [[at, str(total)]], [])]


def native(*scrapes, **labels):
    """The series of a native histogram. scrapes: (seconds, {(lower, upper): count})."""
    values = [
        [
            at,
            {
                "count": str(sum(found.values())),
                "sum": "1",
                "buckets": [[0, str(a), str(b), str(n)] for (a, b), n in found.items()],
            },
        ]
        for at, found in scrapes
    ]
    return [RawSeries({"__name__": NAME, "job": "shop", "instance": "r1", **labels}, [], values)]


def test_buckets_are_sorted_by_their_bound_whatever_its_text():
    (found,) = histograms_of(classic({"+Inf": 9, "1e-03": 1, "0.5": 7, "0.05": 3}), TARGET)
    assert found.bounds.tolist() == [0.001, 0.05, 0.5, float("inf")]
    assert [counter.value.tolist() for counter in found.counters] == [[1], [3], [7], [9]]
    assert found.total.value.tolist() == [1.0]


def test_series_with_other_labels_are_other_histograms():
    raw = classic({"0.1": 1, "+Inf": 2}, code="200") + classic({"0.1": 0, "+Inf": 1}, code="500")
    assert sorted(found.labels["code"] for found in histograms_of(raw, TARGET)) == ["200", "500"]


def test_a_histogram_without_its_last_bucket_is_left_out():
    assert histograms_of(classic({"0.1": 1}), TARGET) == []


def test_only_bounds_that_all_have_are_compared():
    raw = classic({"0.1": 1, "0.25": 2, "+Inf": 2}, version="r1")
    raw += classic({"0.05": 1, "0.1": 1, "0.2": 2, "+Inf": 2}, version="r2")
    assert common_bounds(histograms_of(raw, TARGET)).tolist() == [0.1]


def test_a_native_histogram_becomes_counters_at_its_bounds():
    (found,) = histograms_of(native((0, {(0.5, 1): 2}), (15, {(0.5, 1): 3, (2, 4): 5})), TARGET)
    assert found.bounds.tolist() == [1, 4, float("inf")]
    assert [counter.value.tolist() for counter in found.counters] == [[2, 3], [2, 8], [2, 8]]


def test_an_empty_bucket_of_a_native_histogram_is_a_bound_too():
    raw = native((0, {(0.5, 1): 2}), version="r1") + native((0, {(2, 4): 1}), version="r2")
    found = histograms_of(raw, TARGET)
    assert common_bounds(found).tolist() == [1, 4]
    assert found[0].at(4.0).value.tolist() == [2]
    assert found[1].at(1.0) is None


def test_a_native_histogram_that_becomes_coarser_keeps_the_bounds_of_both():
    (found,) = histograms_of(native((0, {(1, 1.4): 1, (1.4, 2): 1}), (15, {(1, 2): 3})), TARGET)
    assert found.bounds.tolist() == [2, float("inf")]
    assert found.counters[0].value.tolist() == [2, 3]
    assert np.isinf(found.bounds[-1])
