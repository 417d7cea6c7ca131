"""Exact intervals and tests, against values calculated by hand or printed in textbooks."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.delivery.intervals import (
    median,
    median_interval,
    poisson_interval,
    quantile,
    rates_differ,
    share_interval,
    shares_differ,
    survival,
)


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_poisson_limits_are_garwoods(count, low, high):
    found = poisson_interval(count)
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@pytest.mark.parametrize(
    ("count", "of", "low", "high"), [(4, 23, 0.0495, 0.3878), (0, 5, 0.0, 0.5218), (5, 5, 0.4782, 1.0)]
)
def test_share_limits_are_those_of_clopper_and_pearson(count, of, low, high):
    found = share_interval(count, of)
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


def test_none_of_none_has_no_share():
    assert share_interval(0, 0) is None


def test_the_median_of_six_values_lies_between_the_lowest_and_the_highest():
    hours = [24, 28, 28, 48, 71, 72]
    assert median(hours) == 38
    interval = median_interval(hours)
    assert (interval.low, interval.high) == (24, 72)
    assert median_interval(hours[:5]) is None
    assert median([]) is None


def test_the_interval_of_the_median_narrows_to_ranks_6_and_15_of_20():
    interval = median_interval(list(range(1, 21)))
    assert (interval.low, interval.high) == (6, 15)


@given(st.lists(st.integers(0, 1000), min_size=6, max_size=200))
def test_the_interval_of_the_median_has_at_least_95_percent(values):
    interval = median_interval(values)
    ordered = sorted(values)
    rank = ordered.index(interval.low)
    below = sum(math.comb(len(values), k) for k in range(rank + 1)) / 2 ** len(values)
    assert interval.low <= median(values) <= interval.high
    # ties move the rank down, which only widens the interval
    assert 1 - 2 * below >= 0.95 or ordered.count(interval.low) > 1


def test_quantiles_are_linear_between_values():
    assert quantile([1, 2, 3, 4], 0.9) == pytest.approx(3.7)
    assert quantile([5], 0.9) == 5


def test_waiting_times_move_the_median_up():
    alone, together = survival([24, 28, 28, 48, 71, 72], []), survival([24, 28, 28, 48, 71, 72], [48, 111])
    assert (alone.median, together.median) == (28, 48)
    assert together.surviving[:3] == pytest.approx((7 / 8, 5 / 8, 1 / 2))
    assert (together.ended, together.waiting) == (6, 2)


def test_a_median_may_have_no_upper_limit():
    found = survival([30, 75], [120])
    assert found.surviving == pytest.approx((2 / 3, 1 / 3))
    assert (found.median, found.interval.low, found.interval.high) == (75, 30, None)


def test_without_an_end_nothing_is_known_of_the_median():
    found = survival([], [10, 20])
    assert (found.median, found.interval.low, found.interval.high, found.waiting) == (None, None, None, 2)


@given(st.lists(st.floats(0, 1e4), max_size=40), st.lists(st.floats(0, 1e4), max_size=40))
def test_the_surviving_share_never_rises(ended, waiting):
    shares = (1.0, *survival(ended, waiting).surviving)
    assert all(0 <= later <= earlier <= 1 for earlier, later in itertools.pairwise(shares))


def test_periods_differ_only_beyond_chance():
    assert not rates_differ(4, 30, 9, 30)
    assert rates_differ(4, 30, 19, 30)
    assert not rates_differ(0, 30, 0, 30)
    assert not shares_differ(1, 5, 4, 5)
    assert shares_differ(0, 10, 6, 10)
    assert not shares_differ(0, 0, 3, 10)
