"""A revision that has no request while the other serves is a finding, with and without weights."""

from datetime import timedelta

import numpy as np
import pytest

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from support.simulate import START, Behaviour, events, rollups

GOOD = Behaviour()
ONE_GUARD = Policy(guards={"5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5)})
"""Silence depends on numbers of requests alone."""


def verdict(*, r1, r2, per_window=(540, 60), weights=(), policy=None, seed=4):
    """The verdict; r1, r2: ranges of windows with requests."""
    rng = np.random.default_rng(seed)
    parts = [events("r1", GOOD, rng, windows=range(-30, 0), per_window=sum(per_window))]
    for revision, ranges, n in (("r1", r1, per_window[0]), ("r2", r2, per_window[1])):
        parts += [events(revision, GOOD, rng, windows=w, per_window=n) for w in ranges]
    judge = Judge(policy or Policy(deadline_min=240), "shop", "r1", "r2", 60, start=START)
    judge.update(rollups(*parts))
    return judge.verdict(START, weights=weights)


def gaps(found):
    return [finding for finding in found.findings if finding.kind == "gap"]


@pytest.mark.parametrize("weights", [(), [(START - timedelta(hours=1), {"r1": 0.9, "r2": 0.1})]], ids=["none", "known"])
def test_canary_that_falls_silent_holds_and_says_since_when(weights):
    found = verdict(r1=[range(50)], r2=[range(20)], weights=weights)
    (gap,) = gaps(found)
    assert gap.effect == "hold"
    assert "no canary requests in 30 of 50 windows (since 12:20:00)" in gap.message
    assert found.remaining.requests is None
    assert "no comparison can come while all requests go to r1" in found.reason


def test_baseline_without_requests_holds_and_nothing_advises_to_wait():
    found = verdict(r1=[range(20)], r2=[range(20), range(20, 50)], per_window=(540, 300))
    (gap,) = gaps(found)
    assert "no baseline requests in 30 of 50 windows (since 12:20:00)" in gap.message
    assert found.verdict == "continue"
    assert "no comparison can come while all requests go to r2" in found.remaining.message


def test_clock_ahead_on_the_canarys_host_is_named():
    found = verdict(r1=[range(50)], r2=[range(4, 54)])
    assert any("the canary's windows end 4 min after the baseline's" in gap.message for gap in gaps(found))


def test_silence_that_has_ended_has_its_times():
    found = verdict(r1=[range(60)], r2=[range(20), range(30, 60)])
    assert "no canary requests in 10 of 60 windows (12:20:00 to 12:30:00)" in gaps(found)[0].message


def test_silence_of_both_is_an_outage_or_lost_lines():
    found = verdict(r1=[range(20), range(30, 60)], r2=[range(20), range(30, 60)])
    assert "no request of either revision in 10 windows (12:20:00 to 12:30:00)" in gaps(found)[0].message


@pytest.mark.slow
def test_low_irregular_traffic_raises_no_false_alarm():
    """300 canaries: a request of the canary every few minutes, and bursts."""
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        busy = rng.gamma(0.5, 2.0, 60)
        parts = [events("r1", GOOD, rng, windows=range(-10, 0), per_window=3)]
        parts += [events(r, GOOD, rng, windows=range(60), per_window=n * busy) for r, n in (("r1", 3.0), ("r2", 0.6))]
        judge = Judge(ONE_GUARD, "shop", "r1", "r2", 60, start=START)
        judge.update(rollups(*parts))
        alarms += bool(gaps(judge.verdict(START)))
    assert alarms <= 6
