import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.incident.when import describe, find_onset, log_evidence, windows_to_show

WINDOWS = 120


def rise(factor, seed=1, expected=30.0):
    return np.random.default_rng(seed).poisson(expected * np.asarray(factor)), np.full(len(factor), expected)


def step(at, ratio, windows=WINDOWS):
    return np.where(np.arange(windows) < at, 1.0, ratio)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_dated_to_its_window(seed):
    found = find_onset(*rise(step(70, 3.0), seed), 1.0)
    assert found.best == 70
    assert found.first <= 70 <= found.last
    assert found.last - found.first <= 4
    assert (found.shape, found.ended) == ("step", None)
    assert found.ratio == pytest.approx(3.0, rel=0.1)


def test_a_blip_is_over_and_its_end_is_known():
    factor = step(70, 5.0)
    factor[82:] = 1.0
    found = find_onset(*rise(factor), 1.0)
    assert found.shape == "blip"
    assert found.ended[0] <= 82 <= found.ended[1]
    assert found.affected == slice(70, 82)


def test_a_ramp_is_named_and_its_first_window_is_in_the_set():
    factor = 1.0 + 4.0 * np.clip((np.arange(WINDOWS) - 59) / 20, 0.0, 1.0)
    found = find_onset(*rise(factor, expected=100.0), 1.0)
    assert found.shape == "ramp"
    assert found.first <= 60 <= found.last
    assert found.ratio > 4.0


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_claimed_where_nothing_changes(seed):
    assert find_onset(*rise(np.ones(WINDOWS), seed), 1.0) is None


def test_a_rise_within_the_tolerated_ratio_is_not_shown():
    assert find_onset(*rise(step(60, 1.3), expected=1000.0), 1.0, tolerated=1.5) is None
    assert find_onset(*rise(step(60, 1.3), expected=1000.0), 1.0, tolerated=1.0) is not None


@pytest.mark.slow
def test_the_true_start_is_missed_in_at_most_five_percent():
    missed = 0
    rng = np.random.default_rng(7)
    for _ in range(200):
        start = int(rng.integers(5, 55))
        bad = rng.poisson(2.0 * step(start, 4.0, 60))
        missed += not describe(bad, np.full(60, 2.0), 1.0).in_starts[start]
    assert missed <= 10


@pytest.mark.slow
def test_the_mean_of_the_evidence_is_at_most_one():
    rng = np.random.default_rng(5)
    values = [math.exp(log_evidence(rng.poisson(3.0, 12), np.full(12, 3.0), 1.0, tolerated=1.0)) for _ in range(2000)]
    assert np.mean(values) < 1.3


counts = st.lists(st.integers(0, 10_000), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(bad=counts, mean=st.floats(0.0, 1e6), phi=st.floats(1.0, 1e4))
def test_any_counts_give_a_finite_answer(bad, mean, phi):
    values = np.array(bad)
    log_e = log_evidence(values, np.full(len(values), mean), phi, tolerated=1.5)
    assert math.isfinite(log_e)
    found = describe(values, np.full(len(values), mean), phi)
    assert found.in_starts.any()
    assert 0 <= found.best < found.best_end <= len(values)
    assert found.ratio >= 0


def test_no_window_is_no_evidence():
    assert log_evidence(np.zeros(0), np.zeros(0), 1.0, tolerated=1.5) == 0.0
    assert find_onset(np.zeros(0), np.zeros(0), 1.0) is None


def test_how_long_a_rise_takes_to_be_shown_falls_with_traffic():
    many, few = (windows_to_show(mean, 1.0, ratio=2.0, alpha=0.01, tolerated=1.5, windows=120) for mean in (100.0, 1.0))
    assert few == pytest.approx(100.0 * many)
    assert windows_to_show(0.0, 1.0, ratio=2.0, alpha=0.01, tolerated=1.5, windows=120) == math.inf


@pytest.mark.parametrize(("ratio", "expected"), [(100.0, 0.06), (3000.0, 0.01)])
def test_a_rise_of_something_that_hardly_ever_happens_is_dated(ratio, expected):
    """The mixture's sizes reach as far as the maximum that it is compared with; otherwise every start stays possible."""
    bad, mean = rise(step(70, ratio), 3, expected)
    found = find_onset(bad, mean, 1.0)
    assert found.first <= 70 <= found.last
    assert found.last - found.first <= 12
