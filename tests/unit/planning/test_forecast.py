"""Forecasts agree with canaries that the judge decides window by window."""

import numpy as np
import pytest

from pratique.config import Policy, RolloutSettings
from pratique.config.judge import default_guards
from pratique.planning.forecast import forecast
from pratique.planning.history import traffic_of
from pratique.planning.traffic import assume
from support.canaries import WINDOW_S, history, minutes_to_decision

ONLY_5XX = {"5xx": default_guards()["5xx"]}


def policy_of(guards=None):
    return Policy(deadline_min=1e6, dispersion=1.0, **({"guards": guards} if guards else {}))


def forecast_of(policy, per_minute, failing, stages, factors=()):
    traffic = traffic_of(history(per_minute, failing), policy)
    rates = assume(policy, per_minute, rates={"5xx": failing}, window_s=WINDOW_S)
    # the true rate, because an hour of history has too few rare errors to know it
    outcomes = dict(traffic.outcomes) | {"5xx": rates.outcomes["5xx"]}
    known = type(traffic)(traffic.actions, outcomes, WINDOW_S, traffic.history, traffic.source)
    return forecast(known, policy, RolloutSettings(stages=stages), factors=factors)


def simulated(policy, per_minute, failing, stages, runs, factor=1.0):
    """The ends of the 95 % confidence interval of the median, from the order of the runs."""
    found = [minutes_to_decision(policy, per_minute, failing, stages, factor=factor, seed=seed) for seed in range(runs)]
    known = np.sort(np.array(found)[~np.isnan(found)])
    below = int(np.floor(len(known) / 2 - np.sqrt(len(known))))
    return float(known[max(below, 0)]), float(known[min(len(known) - 1 - below, len(known) - 1)])


def agree(predicted, simulated):
    low, high = simulated
    return 0.85 * low - WINDOW_S / 60 <= predicted <= 1.15 * high + WINDOW_S / 60


SETTINGS = {
    "little traffic, frequent errors": (300.0, 0.02, (50.0,), ONLY_5XX),
    "little traffic, a small share": (1200.0, 0.01, (10.0,), ONLY_5XX),
    "much traffic, rare errors, several stages": (6000.0, 0.0005, (5.0, 25.0, 50.0), ONLY_5XX),
    "all guards, several stages": (2000.0, 0.01, (5.0, 25.0, 50.0), None),
}


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_a_good_release_is_promoted_when_the_forecast_says(setting):
    per_minute, failing, stages, guards = setting
    policy = policy_of(guards)
    predicted = forecast_of(policy, per_minute, failing, stages).release.promoted.median
    assert agree(predicted, simulated(policy, per_minute, failing, stages, 24 if guards else 16))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "factor"),
    [
        ("little traffic, frequent errors", 5.0),
        ("little traffic, a small share", 5.0),
        ("little traffic, a small share", 2.5),
        ("much traffic, rare errors, several stages", 5.0),
    ],
)
def test_a_worse_release_is_found_when_the_forecast_says(setting, factor):
    per_minute, failing, stages, guards = SETTINGS[setting]
    policy = policy_of(guards)
    predicted = forecast_of(policy, per_minute, failing, stages, (factor,)).guards[0].found[factor].median
    assert agree(predicted, simulated(policy, per_minute, failing, stages, 24, factor))


@pytest.fixture(scope="module")
def small_service():
    """20 requests a second, 10 % for the canary, today's defaults."""
    policy = Policy()
    return forecast(
        assume(policy, 1200.0, rates={"5xx": 0.005}), policy, RolloutSettings(stages=(10.0,)), factors=(1.5, 5.0)
    )


@pytest.mark.slow
def test_a_service_of_20_requests_a_second_at_10_percent_is_not_promoted_in_time(small_service):
    assert small_service.release.promoted.median > small_service.deadline_min
    assert small_service.within_deadline < 0.5
    assert not small_service.fits
    assert small_service.slowest.name in ("5xx", "no answer")  # both watch for rare failures


@pytest.mark.slow
def test_what_is_tolerated_is_never_found(small_service):
    errors = small_service.guards[0]
    assert errors.tolerated == (1.5,)
    assert errors.found[1.5].median is None
    assert errors.found[5.0].median < errors.found[5.0].p90


@pytest.mark.slow
def test_the_release_takes_at_least_as_long_as_its_slowest_guard(small_service):
    longest = max(guard.promoted.median for guard in small_service.guards)
    assert small_service.release.promoted.median >= 0.95 * longest


@pytest.mark.slow
def test_the_stages_take_their_minimum():
    policy = policy_of(ONLY_5XX)
    traffic = assume(policy, 1e6, rates={"5xx": 0.01}, window_s=10)
    found = forecast(traffic, policy, RolloutSettings(stages=(5.0, 50.0), stage_min_windows=30), factors=())
    assert found.release.promoted.median == pytest.approx(10.0, abs=0.5)


@pytest.mark.slow
def test_the_same_question_has_the_same_answer():
    policy = policy_of(ONLY_5XX)
    traffic = assume(policy, 6000.0)
    first, again = (forecast(traffic, policy, RolloutSettings(), factors=(5.0,)) for _ in range(2))
    assert first == again
