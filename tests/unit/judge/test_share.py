"""The weight in force, requests that contradict it, and the time in which nothing could be observed."""

import re
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from pratique.judge.share import in_force, share_dispersion, share_findings, time_without_share
from pratique.weight_changes import WeightChange
from support.simulate import START, Behaviour, canary, events, rollups

GOOD, BAD = Behaviour(), Behaviour(failing=0.2)
WINDOW_MS = 60_000
ONE_GUARD = Policy(deadline_min=240, guards={"5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5)})
"""A mismatch depends on numbers of requests alone, unless the canary looks worse."""


def at(minutes):
    return START + timedelta(minutes=minutes)


def split(share):
    return {"r1": 1.0 - share, "r2": share}


def judge_of(counts, *, behaviour=GOOD, seed=1, policy=None):
    """A judge that has seen windows of a minute with these numbers of requests of r1 and r2."""
    rng = np.random.default_rng(seed)
    parts = [events("r1", GOOD, rng, windows=range(-20, 0), per_window=600)]
    baseline, canary_n = zip(*counts, strict=True)
    parts.append(events("r1", GOOD, rng, windows=range(len(counts)), per_window=baseline))
    parts.append(events("r2", behaviour, rng, windows=range(len(counts)), per_window=canary_n))
    judge = Judge(policy or Policy(deadline_min=240), "shop", "r1", "r2", 60, start=START)
    judge.update(rollups(*parts))
    return judge


def mismatches(judge, weights):
    return [f for f in judge.verdict(at(60), weights=weights).findings if f.kind == "share mismatch"]


ODD = [(181, 19), (198, 3), (182, 17), (180, 20), (176, 24), (183, 18), (179, 21)]
"""A busy machine: a window of 1.5 % among windows of 10 %."""


@pytest.mark.parametrize("until", range(1, len(ODD) + 1))
@pytest.mark.parametrize("first", [ODD[1:2], []])
def test_one_odd_window_is_no_mismatch_at_any_look(first, until):
    assert mismatches(judge_of([*first, *ODD[:until]]), [(START, split(0.1))]) == []


@pytest.mark.parametrize(("canary_n", "measured"), [(80, 28.6), (0, 0.0)])
def test_a_mismatch_that_lasts_is_a_finding_with_its_windows(canary_n, measured):
    [found] = mismatches(judge_of([(180, 20)] * 6 + [(200, canary_n)] * 8, seed=2), [(START, split(0.1))])
    assert found.effect == "hold"
    told = re.fullmatch(
        r"the canary got ([\d.]+)% of the requests, but its weight accounts for 10.0%, "
        r"in ([89]) windows from 12:0([56]):00 to 12:14:00",
        found.message,
    )
    assert told, found.message
    assert float(told[1]) == pytest.approx(measured, abs=1.5)
    assert int(told[2]) == 14 - int(told[3])


def test_a_mismatch_that_is_over_goes_away():
    judge = judge_of([(180, 20)] * 6 + [(200, 80)] * 8 + [(1800, 200)] * 30)
    assert mismatches(judge, [(START, split(0.1))]) == []


def test_windows_between_asked_and_confirmed_are_not_compared():
    counts = [(200, 0)] * 6 + [(100, 100)] * 1
    judge = judge_of(counts)
    assert mismatches(judge, [WeightChange(START, split(0.5))])
    assert not mismatches(judge, [WeightChange(START, split(0.5), at(6))])
    assert not mismatches(judge, [(START - timedelta(minutes=9), split(0.0)), WeightChange(START, split(0.5), at(5.5))])


def test_a_window_counts_only_if_one_weight_was_in_force_throughout():
    time_ms = np.array([int(at(minute).timestamp() * 1000) for minute in range(8)])
    weights = [
        (START, split(0.1)),
        WeightChange(at(2.5), split(0.5), at(4.2)),
        WeightChange(at(6), split(0.0), at(6), "lapse", "the lease expired"),
    ]
    found = in_force(time_ms, WINDOW_MS, weights, "r2", "r1")
    assert found == pytest.approx([0.1, 0.1, 0, 0, 0, 0.5, 0, 0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 3), st.floats(0, 1)), max_size=6))
def test_no_window_in_force_touches_a_change(changes):
    weights = [WeightChange(at(begin), split(share), at(begin + took)) for begin, took, share in changes]
    time_ms = np.array([int(at(minute).timestamp() * 1000) for minute in range(25)])
    share = in_force(time_ms, WINDOW_MS, weights, "r2", "r1")
    ordered = sorted(weights, key=lambda change: change.time)
    for start_ms, found in zip(time_ms, share, strict=True):
        if found == 0:
            continue
        end_ms = start_ms + WINDOW_MS
        [last] = [change for change in ordered if change.time.timestamp() * 1000 < end_ms][-1:]
        assert last.confirmed.timestamp() * 1000 <= start_ms
        assert found == pytest.approx(last.shares["r2"])


@pytest.mark.slow
def test_traffic_in_bursts_is_no_mismatch():
    """Users stay with their revision, and few users send most requests: the share varies ten times as much as chance."""
    rng, alarms = np.random.default_rng(4), 0
    for seed in range(60):
        share = np.clip(rng.beta(0.1 * 20, 0.9 * 20, size=60), 0.001, 0.9)
        counts = [(int(200 - n), int(n)) for n in rng.binomial(200, share)]
        alarms += bool(mismatches(judge_of(counts, seed=seed, policy=ONE_GUARD), [(START, split(0.1))]))
    assert alarms <= 2


def test_the_dispersion_of_the_share_leaves_a_constant_mismatch_out():
    rng = np.random.default_rng(2)
    total, share = np.full(200, 1000), np.full(200, 0.1)
    chance = share_dispersion(rng.binomial(1000, 0.1, 200), total, share, 1.0, 10)
    shifted = share_dispersion(rng.binomial(1000, 0.3, 200), total, share, 1.0, 10)
    bursts = share_dispersion(rng.binomial(1000, rng.beta(2, 18, 200)), total, share, 1.0, 10)
    assert chance < 2.5
    assert shifted < 5
    assert bursts > 20


def test_a_mismatch_does_not_hide_a_canary_that_is_worse():
    weights = [(START, split(0.05))]
    judge = judge_of([(140, 60)] * 12, behaviour=BAD)
    verdict = judge.verdict(at(13), weights=weights)
    [found] = [f for f in verdict.findings if f.kind == "share mismatch"]
    assert (verdict.verdict, found.effect) == ("rollback", "note")
    suspect = judge.verdict(at(13), weights=weights).guards
    about_to = [type(guard)(**{**vars(guard), "state": "open", "flagged": guard.action != "*"}) for guard in suspect]
    [found] = [f for f in share_findings(judge.state, about_to, weights) if f.kind == "share mismatch"]
    assert found.effect == "note"


def test_a_lapse_is_a_finding_with_both_times():
    weights = [(START, split(0.1)), WeightChange(at(3), split(0.0), at(3), "lapse", "the lease expired at 12:03:00"), WeightChange(at(5), split(0.1), at(5))]  # fmt: skip
    judge = judge_of([(180, 20)] * 3 + [(200, 0)] * 2 + [(180, 20)] * 5)
    verdict = judge.verdict(at(10), weights=weights)
    assert [(f.kind, f.effect) for f in verdict.findings] == [("lapse", "note")]
    assert "the lease expired at 12:03:00" in verdict.findings[0].message


def test_the_deadline_does_not_run_while_nothing_can_be_observed():
    found = canary(GOOD, GOOD, windows=5, per_window=40)
    judge = Judge(Policy(deadline_min=60), "shop", "r1", "r2", 60, start=START)
    judge.update(found)
    held = [(START, split(0.1))]
    lapse = [
        *held,
        WeightChange(at(5), split(0.0), at(5), "lapse", "the lease expired"),
        WeightChange(at(45), split(0.1), at(47)),
    ]
    assert judge.verdict(at(61), weights=held).verdict == "inconclusive"
    assert judge.verdict(at(61), weights=lapse).verdict == "continue"
    assert judge.verdict(at(103), weights=lapse).verdict == "inconclusive"


def test_time_without_a_share_is_that_of_lapses_and_of_changes_on_their_way():
    weights = [WeightChange(at(0), split(0.1), at(1)), WeightChange(at(5), split(0.0)), WeightChange(at(8), split(0.1), at(9))]  # fmt: skip
    assert time_without_share(weights, "r2", at(0), at(20)) == timedelta(minutes=1 + 3 + 1)
    assert time_without_share(weights, "r2", at(6), at(8.5)) == timedelta(minutes=2.5)
    assert time_without_share([], "r2", at(0), at(20)) == timedelta(0)
