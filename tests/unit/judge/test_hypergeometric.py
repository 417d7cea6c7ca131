"""The log mgf of the hypergeometric distribution against SciPy's, exact and approximated."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logsumexp

from pratique.judge import hypergeometric as h


def exact(total, marked, canary, theta):
    k = np.arange(max(0, marked + canary - total), min(marked, canary) + 1)
    return logsumexp(stats.hypergeom.logpmf(k, total, marked, canary)[:, None] + np.outer(k, theta), axis=0)


def psi(total, marked, canary):
    return h.psi_at_nodes(np.array([total]), np.array([marked]), np.array([canary]))[0]


@st.composite
def strata(draw, largest=3000):
    total = draw(st.integers(1, largest))
    return total, draw(st.integers(0, total)), draw(st.integers(0, total))


@given(strata())
@example((3000, 1500, 1500))
@example((161, 48, 77))
def test_psi_equals_scipy(stratum):
    wanted = exact(*stratum, h.NODES)
    assert psi(*stratum) == pytest.approx(wanted, rel=1e-6, abs=1e-9)


@given(strata(), st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_interpolation_between_nodes_is_accurate(stratum, thetas):
    found = psi(*stratum) @ h.interpolation(thetas)
    wanted = exact(*stratum, np.array(thetas))
    assert found == pytest.approx(wanted, rel=1e-6, abs=2e-9 * stratum[1] + 1e-9)


def test_stratum_with_one_arm_or_no_marks_gives_zero():
    for stratum in [(10, 0, 5), (10, 10, 0), (0, 0, 0)]:
        assert not psi(*stratum).any()


@given(strata(300))
def test_variance_equals_scipy(stratum):
    found = h.variance_of(*(np.array([value]) for value in stratum))[0]
    total, marked, canary = stratum
    support = np.arange(max(0, marked + canary - total), min(marked, canary) + 1)
    chance = stats.hypergeom.pmf(support, total, marked, canary)
    assert found == pytest.approx((chance * support**2).sum() - (chance * support).sum() ** 2, abs=1e-6)
