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
