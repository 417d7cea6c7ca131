"""Traffic that is given, not measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import Policy
from pratique.errors import UsageError
from pratique.planning.traffic import assume, odds, worse


@given(share=st.floats(1e-6, 0.999), ratio=st.floats(1.0, 10.0))
def test_a_share_is_worse_by_its_odds(share, ratio):
    found = worse(share, ratio)
    assert share <= found * (1 + 1e-12) < 1 + 1e-9
    if found < 0.9999:
        assert odds(found) == pytest.approx(ratio * odds(share), rel=1e-6)


def test_a_latency_guard_tolerates_the_odds_ratio_of_its_tolerated_slowness():
    outcomes = assume(Policy(), 600.0).outcomes
    # lognormal with a spread of 0.6: 9 % slower moves the median by 0.144 standard deviations
    assert outcomes["p50"].rate == 0.5
    assert outcomes["p50"].ratio == pytest.approx(odds(0.5574), rel=0.01)
    assert outcomes["5xx"].ratio == 1.5


def test_many_actions_of_little_traffic_tell_less():
    few, many = (assume(Policy(), 600.0, actions=actions).stratified for actions in (1, 50))
    assert few == pytest.approx(0.99, abs=0.001)
    # two requests in a window and action: 1 - (1 - e^-2) / 2
    assert many == pytest.approx(0.568, abs=0.001)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"requests_per_minute": 0.0}, "requests per minute"),
        ({"requests_per_minute": float("nan")}, "requests per minute"),
        ({"requests_per_minute": 600.0, "rates": {"5xx": 1.5}}, "error rate of 5xx"),
        ({"requests_per_minute": 600.0, "rates": {"p95": 0.1}}, "'p95'"),
        ({"requests_per_minute": 600.0, "dispersion": 0.5}, "dispersion"),
    ],
)
def test_numbers_out_of_range_are_named(given, named):
    with pytest.raises(UsageError, match=named):
        assume(Policy(), **given)
