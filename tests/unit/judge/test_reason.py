"""The reason names what fired, as it was at that moment, or the suspect first; one event has one time."""

import re
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from pratique.judge.model import SERVICE
from pratique.judge.text import guard_line, table
from support.simulate import START, Behaviour, canary, events, rollups

GOOD = Behaviour()
ERRORS_ONLY = {"5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5)}


def judged(*parts, now=None, **policy):
    judge = Judge(Policy(**{"deadline_min": 240, **policy}), "shop", "r1", "r2", 60, start=START)
    judge.update(rollups(*parts))
    return judge.verdict(now)


def both(rng, windows, baseline, canary, *, rates=(540, 60), **options):
    return [
        events("r1", baseline, rng, windows=windows, per_window=rates[0], **options),
        events("r2", canary, rng, windows=windows, per_window=rates[1], **options),
    ]


def failing_canary_then_failing_baseline():
    """The canary fails from the start; later the baseline fails far more, so that at the end the canary looks better."""
    rng = np.random.default_rng(1)
    return [
        events("r1", GOOD, rng, windows=range(-30, 0), per_window=540),
        *both(rng, range(20), GOOD, Behaviour(failing=0.05)),
        *both(rng, range(20, 60), Behaviour(failing=0.6), Behaviour(failing=0.05)),
    ]


def test_a_rollback_names_what_fired_with_its_numbers_of_that_moment():
    verdict = judged(*failing_canary_then_failing_baseline())
    assert verdict.verdict == "rollback"
    cause = verdict.cause
    assert (cause.guard, cause.action, cause.state) == ("5xx", SERVICE, "worse") or cause.action == "GET /"
    assert cause.e_value >= verdict.needed
    assert cause.bad["r1"] / cause.requests["r1"] < 0.02
    assert re.match(
        r"(r2|GET /) fails more often: \S+ % of its requests are 5xx, 0\.\d+ % in the baseline", verdict.summary
    )
    assert f"of 100 needed at {verdict.fired:%H:%M:%S}" in verdict.reason


@pytest.mark.slow
def test_the_numbers_at_the_firing_do_not_depend_on_how_many_windows_come_at_once():
    parts = failing_canary_then_failing_baseline()
    whole = judged(*parts)
    judge = Judge(Policy(deadline_min=240), "shop", "r1", "r2", 60, start=START)
    table_ = rollups(*parts).table
    for minute in range(-30, 60):
        at = START + timedelta(minutes=minute)
        judge.update(type(rollups(*parts[:1]))(table_.filter([value == at for value in table_["window"].to_pylist()])))
    step = judge.verdict()
    assert step.fired == whole.fired
    assert (step.cause.bad, step.cause.requests) == (whole.cause.bad, whole.cause.requests)
    assert step.cause.e_value == pytest.approx(whole.cause.e_value)
    assert step.summary == whole.summary


def test_a_reason_holds_one_time_only():
    verdict = judged(*failing_canary_then_failing_baseline())
    times = set(re.findall(r"\d\d:\d\d:\d\d", verdict.reason))
    assert times == {f"{verdict.fired:%H:%M:%S}"}
    for guard in verdict.guards:
        assert set(re.findall(r"\d\d:\d\d:\d\d", guard.reason)) <= times


def test_a_guard_that_fired_stays_worse_although_its_evidence_fell():
    verdict = judged(*failing_canary_then_failing_baseline())
    found = next(guard for guard in verdict.guards if guard.guard == "5xx" and guard.action == SERVICE)
    assert found.e_value < 1
    assert found.state == "worse"
    assert found.e_value_fired > 100
    assert re.search(r"evidence \S+ of 100 needed at \d\d:\d\d:\d\d, \S+ at the end", found.reason)


def test_the_bad_action_is_the_cause():
    actions = tuple(f"GET /{number}" for number in range(10))
    bad = Behaviour(actions={"GET /7": Behaviour(failing=0.2)})
    verdict = judged(*_with_history(GOOD, bad, per_window=3000, actions=actions))
    assert verdict.verdict == "rollback"
    assert verdict.cause.action == "GET /7"
    assert verdict.summary.startswith("GET /7 fails more often: ")


def _with_history(good, bad, *, per_window, **options):
    rng = np.random.default_rng(2)
    yield events("r1", good, rng, windows=range(-30, 0), per_window=per_window, **options)
    yield from both(rng, range(30), good, bad, rates=(0.9 * per_window, 0.1 * per_window), **options)


def test_a_canary_that_was_slow_only_at_first_gets_a_hint_at_the_warm_up():
    rng = np.random.default_rng(3)
    slow = Behaviour(median_ms=300.0)
    verdict = judged(
        events("r1", GOOD, rng, windows=range(-30, 0), per_window=540),
        *both(rng, range(5), GOOD, slow),
        *both(rng, range(5, 120), GOOD, GOOD),
        warmup_windows=0,
    )
    assert verdict.verdict == "rollback"
    assert "is slower: " in verdict.summary
    assert "if the canary was only cold at first, raise warmup_windows (0)" in verdict.summary


def suspected(**policy):
    """Errors whose guard has so little weight that its evidence is not enough for the whole."""
    rng = np.random.default_rng(6)
    guards = {
        "5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5, tolerated_excess=0.001, weight=1e-100),
        "4xx": GuardPolicy(outcome="4xx", tolerated_ratio=2.0, weight=1.0),
    }
    good = Behaviour(failing=0.002)
    return judged(
        events("r1", good, rng, windows=range(-30, 0), per_window=540),
        *both(rng, range(10), good, Behaviour(failing=0.1)),
        guards=guards,
        **policy,
    )


def test_a_suspect_that_is_not_yet_enough_is_named_first_with_its_evidence():
    verdict = suspected()
    assert verdict.verdict == "continue"
    assert verdict.fired is None
    assert verdict.cause.guard == "5xx"
    assert verdict.reason.startswith("suspected, but not yet certain: ")
    assert "fails more often" in verdict.summary
    assert re.search(r"evidence \S+ alone, \S+ of 100 needed with all guards together", verdict.reason)
    assert "not yet shown to be within tolerance" in verdict.lacking
    assert table(verdict).splitlines()[0] == f"continue: {verdict.summary}"


def test_the_deadline_does_not_hide_the_suspect():
    verdict = suspected(deadline_min=3)
    assert verdict.verdict == "inconclusive"
    assert verdict.reason.startswith("suspected, but not yet certain: ")
    assert "the deadline of 3 min has passed: " in verdict.reason


def test_a_suspect_is_not_called_worse_before_the_rollback():
    verdict = suspected()
    assert "suspect" in {guard.state for guard in verdict.guards}
    assert "worse" not in {guard.state for guard in verdict.guards}
    assert "fired" not in table(verdict)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 0.08), st.integers(20, 200))
@pytest.mark.slow
def test_worse_and_rolled_back_by_evidence_are_one(seed, failing, per_window):
    rng = np.random.default_rng(seed)
    verdict = judged(
        events("r1", GOOD, rng, windows=range(-5, 0), per_window=9 * per_window),
        *both(rng, range(8), GOOD, Behaviour(failing=failing), rates=(9 * per_window, per_window)),
        guards=ERRORS_ONLY,
        now=START,
    )
    worse = [guard for guard in verdict.guards if guard.state == "worse"]
    assert bool(worse) == (verdict.fired is not None)
    if verdict.fired is not None:
        assert verdict.verdict == "rollback"
        assert verdict.cause.state == "worse"


def test_without_a_suspect_the_reason_says_what_is_lacking():
    verdict = judged(*both(np.random.default_rng(1), range(3), GOOD, GOOD), guards=ERRORS_ONLY)
    assert verdict.cause is None
    assert verdict.summary == verdict.reason == verdict.lacking
    assert verdict.reason.startswith("not yet shown to be within tolerance")


@pytest.mark.parametrize(
    ("guards", "said"), [(1, "5xx is within its tolerance"), (2, "5xx and 4xx are within their tolerances")]
)
def test_a_promotion_names_its_guards(guards, said):
    rng = np.random.default_rng(1)
    chosen = {
        name: GuardPolicy(outcome=name, tolerated_ratio=2.0, tolerated_excess=0.01) for name in ("5xx", "4xx")[:guards]
    }
    verdict = judged(*both(rng, range(20), GOOD, GOOD, rates=(5000, 5000)), guards=chosen)
    assert verdict.verdict == "promote"
    assert verdict.reason.startswith(said)


def test_stored_data_does_not_age_so_the_deadline_is_measured_by_its_own_end():
    parts = both(np.random.default_rng(1), range(10), GOOD, GOOD)
    assert judged(*parts, deadline_min=60).verdict == "continue"
    assert judged(*parts, deadline_min=5).verdict == "inconclusive"
    assert judged(*parts, deadline_min=60, now=START + timedelta(days=7)).verdict == "inconclusive"


def test_errors_of_the_canary_alone_are_an_infinite_ratio():
    rng = np.random.default_rng(5)
    verdict = judged(*both(rng, range(10), Behaviour(failing=0.0), Behaviour(failing=0.1)), guards=ERRORS_ONLY)
    assert "∞ [" in guard_line(verdict.guards[0], verdict)
    assert "none in the baseline" in verdict.summary
    assert "?" not in table(verdict)


def test_errors_in_windows_without_the_baseline_give_no_ratio():
    rng = np.random.default_rng(5)
    verdict = judged(
        *both(rng, range(10), Behaviour(failing=0.0), Behaviour(failing=0.0)),
        events("r2", Behaviour(failing=0.2), rng, windows=range(10, 20), per_window=600),
        guards=ERRORS_ONLY,
    )
    assert verdict.guards[0].ratio is None
    assert "5xx: unknown, " in guard_line(verdict.guards[0], verdict)


@pytest.mark.parametrize(
    ("timed", "said"), [(0, "no timed baseline request"), (5, "only 5 baseline requests were timed"), (400, "")]
)
def test_thresholds_from_the_warm_up_are_a_finding_whenever_the_history_is_too_thin(timed, said):
    found = canary(GOOD, GOOD, windows=10, per_window=600, history=0).table
    history = events("r1", GOOD, np.random.default_rng(9), windows=range(-1, 0), per_window=5000).slice(0, timed)
    judge = Judge(Policy(), "shop", "r1", "r2", 60, start=START)
    if timed:
        judge.update(rollups(history))
    judge.update(type(rollups(history))(found))
    messages = [finding.message for finding in judge.verdict().findings if finding.kind == "no history"]
    assert bool(messages) == bool(said)
    assert all(said in message and "thresholds come from the warm-up" in message for message in messages)
