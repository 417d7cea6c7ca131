import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.incident.shapes import RATIOS, SIZES, likelihoods, log_mixture, log_sum_exp


def test_the_weights_of_the_sizes_sum_to_one_and_favour_small_rises():
    assert SIZES.sum() == pytest.approx(1.0)
    density = SIZES / np.gradient(np.log(RATIOS))
    assert (np.diff(density) < 0).all()
    assert density[-1] > density[0] / 200.0


@settings(max_examples=50, deadline=None)
@given(value=st.floats(-500.0, 500.0))
def test_the_mixture_of_equal_values_is_that_value(value):
    assert float(log_mixture(np.full(len(RATIOS), value))) == pytest.approx(value, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    bad=st.lists(st.integers(0, 500), min_size=1, max_size=30), mean=st.floats(0.01, 100.0), phi=st.floats(1.0, 50.0)
)
def test_the_maximum_over_sizes_is_at_least_the_mixture(bad, mean, phi):
    """Otherwise a start could be left out by itself."""
    found = likelihoods(np.array(bad), np.full(len(bad), mean), phi)
    assert (found.best_by_start >= found.by_start - 1e-6).all()
    assert math.isfinite(found.total)
    assert found.total <= float(log_sum_exp(found.by_start))
