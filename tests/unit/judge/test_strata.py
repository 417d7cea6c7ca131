"""Windows with few requests are joined; no request is lost or counted twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import GuardPolicy, Policy
from pratique.judge.dispersion import Dispersion
from pratique.judge.guard import Guard
from pratique.judge.strata import ENOUGH, LONGEST, Strata

COUNTS = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=2), min_size=1, max_size=30
)


def arrays(counts):
    n = np.moveaxis(np.array(counts, np.int64), 2, 0)
    return n // 2, n


@given(COUNTS)
def test_joined_windows_keep_every_request(counts):
    bad, n = arrays(counts)
    windows, late = np.arange(len(counts)), np.arange(len(counts), len(counts) + LONGEST)
    strata = Strata()
    parts = [strata.join(windows, bad, n), strata.join(late, *np.zeros((2, 2, LONGEST, 2), np.int64))]
    for index, given_counts in enumerate((bad, n)):
        joined = np.concatenate([part[index] for part in parts], axis=1)
        assert (joined.sum(axis=1) == given_counts.sum(axis=1)).all()


@given(COUNTS)
def test_joining_is_the_same_window_by_window_and_all_at_once(counts):
    bad, n = arrays(counts)
    whole = Strata().join(np.arange(len(counts)), bad, n)
    strata = Strata()
    steps = [strata.join(np.array([w]), bad[:, w : w + 1], n[:, w : w + 1]) for w in range(len(counts))]
    for index in (0, 1):
        assert (np.concatenate([step[index] for step in steps], axis=1) == whole[index]).all()


def test_windows_with_enough_requests_stay_as_they_are():
    n = np.full((2, 5, 3), ENOUGH)
    bad, same = Strata().join(np.arange(5), n // 3, n)
    assert bad is not n
    assert (same == n).all()


@pytest.mark.slow
def test_false_alarms_at_low_traffic_stay_below_alpha():
    """2,000 streams of 40 requests a minute in windows of 10 s, odds ratio at the tolerance, alpha 5 %."""
    rng = np.random.default_rng(12)
    settings = GuardPolicy(outcome="5xx", tolerated_ratio=1.5)
    tested = Guard("5xx", settings, Policy(alpha=0.05, dispersion=1.0))
    n = rng.poisson(np.array([4.7, 2.0])[:, None, None], (2, 180, 2000))
    tested.update(np.arange(180), rng.binomial(n, np.array([0.02, 0.0297])[:, None, None]), n)
    assert (tested.fired.actions >= 0).mean() <= 0.05


def test_dispersion_of_rare_outcomes_stays_near_its_value_without_data():
    rare, frequent = (Dispersion(1.75, 10) for _ in range(2))
    window = np.arange(200)
    for dispersion, variance in ((rare, 0.001), (frequent, 1.0)):
        dispersion.update(window, np.zeros((200, 1)), np.full((200, 1), variance))
    assert rare.phi > 1.7
    assert frequent.phi == 1.0


@pytest.mark.slow
def test_false_alarms_stay_below_alpha_when_failures_are_repeated_by_retries():
    """400 streams whose rare failures come in clusters of 3, without history; alpha 5 %."""
    rng = np.random.default_rng(3)
    streams, shape = 400, (2, 180, 1)
    fired = 0
    for _ in range(streams):
        n = rng.poisson(np.array([90.0, 10.0])[:, None, None], shape)
        first = rng.binomial(n, 0.001 / 3)
        bad = first + rng.negative_binomial(np.maximum(first, 1), 1 / 3) * (first > 0)
        tested = Guard("5xx", GuardPolicy(outcome="5xx", tolerated_ratio=1.5), Policy(alpha=0.05))
        tested.update(np.arange(180), bad, n + bad - first)
        fired += int(tested.fired.actions[0] >= 0)
    assert fired / streams <= 0.05 + 2.0 * (0.05 * 0.95 / streams) ** 0.5
