import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.incident.history import WITHOUT_HISTORY, learn, log_ratio_evidence, phi_of_blocks


def blocks(seed=1, mean=40.0, count=48, wandering=0.0):
    rng = np.random.default_rng(seed)
    return rng.poisson(mean * np.exp(wandering * rng.standard_normal(count))), np.full(count, 10_000)


def test_independent_requests_have_no_overdispersion():
    history = learn(*blocks(), alpha=0.01, tolerated=1.5)
    assert history.share == pytest.approx(0.004, rel=0.1)
    assert history.phi < 1.5
    assert history.used.all()


def test_a_wandering_share_is_measured():
    assert learn(*blocks(wandering=0.3), alpha=0.01, tolerated=1.5).phi > 2.5


def test_an_incident_in_the_history_is_left_out():
    bad, n = blocks()
    bad[20:26] *= 10
    history = learn(bad, n, alpha=0.01, tolerated=1.5)
    assert np.flatnonzero(~history.used).tolist() == [20, 21, 22, 23, 24, 25]
    assert history.share == pytest.approx(0.004, rel=0.1)


def test_blocks_without_requests_are_no_history():
    history = learn(np.zeros(5, int), np.zeros(5, int), alpha=0.01, tolerated=1.5)
    assert (history.n, history.share) == (0, 0.0)
    assert not history.used.any()


def test_few_blocks_do_not_tell_how_much_counts_vary():
    bad, n = blocks(count=9)
    assert learn(bad, n, alpha=0.01, tolerated=1.5).phi == WITHOUT_HISTORY


def test_rare_bad_requests_give_no_overdispersion():
    bad = np.zeros(48, int)
    bad[[3, 17, 30]] = 1
    assert phi_of_blocks(bad, np.full(48, 3 / 48)) < 1.5


@given(bad=st.integers(0, 10**6), mean=st.floats(0.0, 1e6), phi=st.floats(1.0, 1e4))
def test_evidence_is_finite_and_small_below_the_mean(bad, mean, phi):
    value = float(log_ratio_evidence(np.array([bad]), np.array([mean]), phi)[0])
    assert np.isfinite(value)
    if bad <= mean:
        assert value <= 1e-9


def test_the_mean_of_the_evidence_is_at_most_one():
    counts = np.random.default_rng(3).poisson(5.0, 20_000)
    assert np.exp(log_ratio_evidence(counts, np.full(20_000, 5.0), 1.0)).mean() < 1.1
