"""E-values have a mean of at most 1, confidence sequences cover the truth, and the excess is bounded."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.peers import mann_whitney_alarm, z_alarm
from pratique.config import GuardPolicy, Policy
from pratique.judge import evidence as ev
from pratique.judge.dispersion import Dispersion
from pratique.judge.excess import Excess, log_ratios, log_simple
from pratique.judge.guard import Guard
from pratique.judge.hypergeometric import psi_at_nodes


def guard(alpha=0.05, outcome="5xx", **settings):
    settings = {"tolerated_ratio": 1.0, **settings}
    return Guard(outcome, GuardPolicy(outcome=outcome, **settings), Policy(alpha=alpha, dispersion=1.0))


def stream(rng, n_b, n_c, p_b, p_c, windows, runs):
    n = np.stack([rng.poisson(n_b, (windows, runs)), rng.poisson(n_c, (windows, runs))])
    return np.stack([rng.binomial(n[0], p_b), rng.binomial(n[1], p_c)]), n


@given(st.integers(2, 60), st.data())
def test_rollback_e_value_has_mean_of_at_most_one_up_to_the_tolerance(total, data):
    """Summed over the whole distribution (Fisher's non-central hypergeometric, SciPy), not simulated."""
    marked, canary = data.draw(st.integers(1, total)), data.draw(st.integers(1, total - 1))
    tolerance = data.draw(st.sampled_from([1.0, 1.5, 3.0]))
    odds = data.draw(st.sampled_from([0.3, 1.0, 1.5, 3.0]))
    if odds > tolerance:
        return
    test = ev.Test(tolerance, ev.ERRORS)
    support = np.arange(max(0, marked + canary - total), min(marked, canary) + 1)
    psi = psi_at_nodes(np.array([total]), np.array([marked]), np.array([canary]))
    values = np.exp(
        test.martingale((len(support),)).update(np.array([0]), test.steps(support[:, None] * ev.NODES - psi)[None])[0]
    )
    weights = stats.nchypergeom_fisher.pmf(support, total, marked, canary, odds)
    assert (weights * values).sum() <= 1 + 1e-6


@given(
    st.integers(1, 25),
    st.integers(1, 25),
    st.floats(0.0, 0.3),
    st.floats(0, 1),
    st.floats(0.01, 0.9),
    st.floats(0.001, 0.5),
)
@example(1, 1, 0.25, 1.0, 0.015625, 0.5)
def test_excess_e_value_has_mean_of_at_most_one_for_any_shares(n_b, n_c, delta, where, guess, beyond):
    """Turner, Ly & Grünwald's theorem 1, over the whole product of binomials, at the null's edge."""
    p_b = where * (1 - delta) if where > 1e-300 else 0.0  # SciPy's binomial overflows below
    other = min(guess + delta + beyond, 0.999)
    if other - guess <= delta:
        return
    x_b, x_c = np.meshgrid(np.arange(n_b + 1), np.arange(n_c + 1))
    bad = np.stack([x_b.ravel(), x_c.ravel()])
    n = np.stack([np.full(x_b.size, n_b), np.full(x_b.size, n_c)])
    log_e = log_ratios(bad, n, np.full((x_b.size, 1), guess), np.full((x_b.size, 1), other), np.array([delta]))[:, 0]
    chance = stats.binom.pmf(x_b, n_b, p_b) * stats.binom.pmf(x_c, n_c, min(p_b + delta, 1.0))
    assert (chance.ravel() * np.exp(log_e)).sum() <= 1 + 1e-6
    simple = np.exp(log_simple(np.stack([x_b, x_c]), np.stack([np.full_like(x_b, n_b), np.full_like(x_c, n_c)]), delta))
    assert ((chance[..., None] * simple).sum(axis=(0, 1)) <= 1 + 1e-6).all()


@given(st.integers(0, 30), st.integers(0, 30), st.integers(31, 80), st.integers(31, 80))
def test_swapping_the_arms_mirrors_the_curve(bad_b, bad_c, n_b, n_c):
    one, other = guard(), guard()
    one.update(np.array([0]), np.array([[[bad_b]], [[bad_c]]]), np.array([[[n_b]], [[n_c]]]))
    other.update(np.array([0]), np.array([[[bad_c]], [[bad_b]]]), np.array([[[n_c]], [[n_b]]]))
    assert one.curve == pytest.approx(other.curve[::-1], abs=1e-9)


@pytest.mark.slow
def test_false_alarms_under_peeking_stay_below_alpha():
    """3,000 canaries without a difference, a look after each of 60 windows, alpha 5 %."""
    rng = np.random.default_rng(5)
    tested = guard()
    bad, n = stream(rng, 540, 60, 0.01, 0.01, 60, 3000)
    tested.update(np.arange(60), bad, n)
    assert (tested.fired.actions >= 0).mean() <= 0.05


@pytest.mark.slow
def test_drift_and_ramp_in_both_arms_give_no_evidence():
    rng = np.random.default_rng(6)
    tested = guard()
    share = np.repeat([0.01, 0.05, 0.25, 0.5], 15)[:, None]
    rate = np.linspace(0.002, 0.05, 60)[:, None]
    n = np.stack([rng.poisson(6000 * (1 - share), (60, 500)), rng.poisson(6000 * share, (60, 500))])
    tested.update(np.arange(60), rng.binomial(n, rate), n)
    assert (tested.fired.actions >= 0).mean() <= 0.05


@pytest.mark.parametrize("odds", [1.0, 3.0])
@pytest.mark.slow
def test_confidence_sequence_covers_the_truth_at_every_look(odds):
    """Misses at any of 40 looks stay below alpha + alpha_promote; 400 runs."""
    rng = np.random.default_rng(7)
    p = 0.02
    q = odds * p / (1 - p + odds * p)
    missed = np.zeros(400, bool)
    tested = guard()
    bad, n = stream(rng, 900, 100, p, q, 40, 400)
    for window in range(40):
        part = slice(window, window + 1)
        tested.update(np.array([window]), bad[:, part], n[:, part])
        low, high = ev.confidence(tested.curves, tested.mixture, 0.05, 0.05)
        missed |= (low > odds) | (high < odds)
    assert missed.mean() <= 0.1


@pytest.mark.slow
def test_excess_bound_covers_the_truth_and_approaches_it():
    rng = np.random.default_rng(8)
    missed = 0
    for _ in range(60):
        excess = Excess(0.01)
        bad, n = stream(rng, 900, 100, 0.02, 0.03, 60, 1)
        excess.update(np.arange(60), bad[:, :, 0], n[:, :, 0], np.ones(60))
        high = excess.high(0.05)
        missed += high is not None and high < 0.01
    assert missed <= 6
    excess.update(
        np.arange(60, 120), *(values[:, :, 0] for values in stream(rng, 90000, 10000, 0.02, 0.03, 60, 1)), np.ones(60)
    )
    assert 0.01 < excess.high(0.05) < 0.015


def test_estimate_is_the_conditional_maximum_likelihood():
    tested = guard()
    tested.update(np.array([0]), np.array([[[98]], [[31]]]), np.array([[[9310]], [[1020]]]))
    table = [[31, 1020 - 31], [98, 9310 - 98]]
    wanted = stats.contingency.odds_ratio(table, kind="conditional").statistic
    assert ev.estimate(tested.curve[None, :])[0] == pytest.approx(wanted, rel=2e-3)


def test_e_bh_rejects_as_defined():
    assert ev.e_bh([300.0, 1.0, 0.5, 2.0], 0.01).tolist() == [False] * 4
    assert ev.e_bh([400.0, 1.0, 0.5, 2.0], 0.01).tolist() == [True, False, False, False]
    assert ev.e_bh([210.0, 205.0, 0.5, 2.0], 0.01).tolist() == [True, True, False, False]
    assert ev.e_bh([], 0.01).tolist() == []


def test_dispersion_is_measured_and_ignores_a_real_effect():
    rng = np.random.default_rng(9)
    window = np.arange(2000)
    variance = np.full((2000, 1), 4.0)
    calm, noisy, shifted = (Dispersion(1.5, 10) for _ in range(3))
    draws = rng.standard_normal((2000, 1)) * 2.0
    assert calm.update(window, draws, variance)[0] == 1.5
    noisy.update(window, draws * 2.0, variance)
    shifted.update(window, draws + 6.0, variance)
    assert calm.phi == pytest.approx(1.0, abs=0.15)
    assert noisy.phi == pytest.approx(4.0, rel=0.2)
    assert shifted.phi == pytest.approx(calm.phi, abs=0.15)


def test_dispersion_of_a_window_depends_only_on_earlier_blocks():
    one, other = Dispersion(1.5, 10), Dispersion(1.5, 10)
    excess = np.random.default_rng(1).standard_normal((40, 1)) * 9
    changed = excess.copy()
    changed[30:] = 1000.0
    variance = np.ones((40, 1))
    assert (
        one.update(np.arange(40), excess, variance)[:40].tolist()[:31]
        == other.update(np.arange(40), changed, variance).tolist()[:31]
    )


def test_peers_match_the_textbook_tests():
    bad, n = np.array([[98], [31]]), np.array([[9310], [1020]])
    assert z_alarm(bad, n, alpha=0.05) == 1
    assert math.isinf(z_alarm(np.array([[98], [11]]), n, alpha=0.05))
    rng = np.random.default_rng(3)
    same = rng.standard_normal((2, 30)) + 10
    assert math.isinf(mann_whitney_alarm(same[0], same[1]))
    assert mann_whitney_alarm(same[0], same[1] + 5) == 10
