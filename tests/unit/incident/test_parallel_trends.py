import numpy as np
import pytest

from pratique.incident.parallel_trends import placebos

TIMES = np.datetime64("2026-11-20T00:00", "ms") + np.arange(20) * np.timedelta64(30, "m")


def blocks(seed=1):
    rng = np.random.default_rng(seed)
    return rng.poisson(50, 20), np.full(20, 5000), rng.poisson(500, 20), np.full(20, 50_000)


def test_a_rise_of_the_place_alone_stands_out():
    found = placebos(*blocks(), TIMES, (np.array([500, 520]), np.array([5000, 50_000])))
    assert found.rank == 0
    assert found.log_ratio == pytest.approx(np.log(10), abs=0.5)
    assert len(found.at) == len(found.log_ratios) == 19


def test_a_rise_of_place_and_rest_alike_does_not():
    found = placebos(*blocks(), TIMES, (np.array([500, 5000]), np.array([5000, 50_000])))
    assert found.rank > 0


def test_without_a_rest_or_a_past_there_is_no_comparison():
    place_bad, place_n, rest_bad, rest_n = blocks()
    after = (np.array([500, 520]), np.array([5000, 50_000]))
    assert placebos(place_bad, place_n, rest_bad, np.zeros(20, int), TIMES, after) is None
    assert placebos(place_bad[:3], place_n[:3], rest_bad[:3], rest_n[:3], TIMES[:3], after) is None
    assert placebos(place_bad, place_n, rest_bad, rest_n, TIMES, (after[0], np.array([5000, 0]))) is None
