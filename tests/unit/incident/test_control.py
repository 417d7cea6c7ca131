import math

import numpy as np
import pytest

from pratique.incident.control import compare_arms


def arms(odds, seed=1, windows=60, n=(540, 60), share=0.02):
    rng = np.random.default_rng(seed)
    requests = np.repeat(np.array(n)[:, None], windows, axis=1)
    return rng.binomial(requests, np.array([share, share * odds])[:, None]), requests


def compared(bad, n):
    return compare_arms(bad[..., None], n[..., None], tolerated=1.5, phi=2.0, block=10)


@pytest.mark.parametrize("seed", range(5))
def test_a_worse_revision_is_shown(seed):
    found = compared(*arms(8.0, seed))
    assert found.log_e > math.log(100)
    assert found.low < 8.0 < found.high * 1.3


@pytest.mark.parametrize("seed", range(10))
def test_a_revision_like_the_others_is_never_shown(seed):
    found = compared(*arms(1.0, seed, share=0.1))
    assert found.log_e < math.log(100)
    assert found.alike_below <= 1.5


@pytest.mark.parametrize("seed", range(10))
def test_an_outage_of_both_is_no_evidence_against_one(seed):
    bad, n = arms(1.0, seed)
    hit = np.random.default_rng(seed).binomial(n - bad, 0.4)
    hit[:, :30] = 0
    assert compared(bad + hit, n).log_e < math.log(100)


def test_a_few_windows_of_both_are_no_control():
    bad, n = arms(8.0)
    n[1, 2:] = bad[1, 2:] = 0
    assert compared(bad, n) is None


def test_without_bad_requests_nothing_is_known():
    _, n = arms(1.0)
    found = compared(np.zeros_like(n), n)
    assert (found.log_e, found.marked) == (pytest.approx(0.0), 0)
    assert found.high == math.inf


def mixed(seed, per_window, windows=60):
    """The revision gets mostly the part of the traffic that always fails ten times as often; both are alike in each part."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(np.array(per_window)[:, None, :], (2, windows, 2))
    return rng.binomial(n, np.array([0.01, 0.1])), n


@pytest.mark.parametrize("per_window", [((500, 50), (10, 90)), ((60, 8), (4, 12))])
@pytest.mark.parametrize("seed", range(10))
def test_more_of_the_requests_that_always_fail_is_no_evidence(seed, per_window):
    bad, n = mixed(seed, per_window)
    found = compare_arms(bad, n, tolerated=1.5, phi=1.0, block=10)
    assert found.log_e < math.log(100)
    pooled = compare_arms(
        bad.sum(axis=2, keepdims=True), n.sum(axis=2, keepdims=True), tolerated=1.5, phi=1.0, block=10
    )
    assert found.ratio < 1.6 < 2.0 < pooled.ratio


def test_the_last_requests_of_small_parts_are_compared_too():
    n = np.ones((2, 5, 3), int)
    bad = np.stack([np.zeros((5, 3), int), np.ones((5, 3), int)])
    found = compare_arms(bad, n, tolerated=1.5, phi=1.0, block=10)
    assert found.marked == 15
    assert found.arms.log_e.shape == (5,)
    assert found.log_e > 1


def test_arms_without_a_common_part_have_no_comparison():
    n = np.zeros((2, 60, 2), int)
    n[0, :, 0] = n[1, :, 1] = 500
    assert compare_arms(n // 50, n, tolerated=1.5, phi=1.0, block=10) is None
