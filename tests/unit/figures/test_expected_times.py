"""The figure of expected times: it draws the forecast as it is."""

import math

from pratique.config import Policy, RolloutSettings
from pratique.figures import expected_times
from pratique.planning.forecast import Duration, Forecast, GuardForecast
from pratique.planning.plan import Plan
from pratique.planning.traffic import assume


def plan_of(promoted):
    guard = GuardForecast("5xx", 0.01, promoted, {5.0: Duration(8.0, 12.0)})
    release = GuardForecast("release", None, promoted, {5.0: Duration(8.0, 12.0)})
    forecast = Forecast((guard,), release, 60.0, 0.4, 1200.0, (10.0,), 3, 10, "assumed")
    policy = Policy()
    return Plan("shop", assume(policy, 1200.0), policy, RolloutSettings(), forecast, 60.0, ())


def test_medians_are_markers_and_lines_reach_the_90_percent_quantile():
    good, bad = expected_times(plan_of(Duration(72.0, 160.0))).data
    assert list(good.x) == [72.0, 72.0]
    assert list(good.error_x.array) == [88.0, 88.0]
    assert list(bad.x) == [8.0, 8.0]
    assert good.name == "good: promoted"
    assert bad.name == "5x worse: found"


def test_the_deadline_and_all_times_are_within_the_axis():
    drawn = expected_times(plan_of(Duration(72.0, 160.0)))
    low, high = drawn.layout.xaxis.range
    assert low < math.log10(8.0)
    assert high > math.log10(160.0)
    assert drawn.layout.shapes[0].x0 == 60.0
    assert drawn.layout.annotations[0].text == "deadline 60 min"


def test_a_guard_that_is_never_promoted_has_no_marker():
    good, _ = expected_times(plan_of(Duration(None, None))).data
    assert list(good.x) == []


def test_without_a_plan_the_figure_says_so():
    assert "no forecast" in expected_times(None).layout.annotations[0].text
