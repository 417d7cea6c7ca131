"""A baseline far from its own history holds a promotion, with both numbers."""

import numpy as np
import pytest

from pratique.config import Policy
from pratique.judge import Judge
from support.simulate import START, Behaviour, events, rollups

GOOD = Behaviour(failing=0.003)
OUTAGE = Behaviour(failing=0.3)


def verdict(baseline, canary, *, policy=None, history=60, past=GOOD):
    """The verdict; baseline, canary: a behaviour for each part of an hour."""
    rng = np.random.default_rng(2)
    parts = [events("r1", past, rng, windows=range(-history, 0), per_window=2000)] if history else []
    for revision, behaviours, n in (("r1", baseline, 1800), ("r2", canary, 200)):
        length = 60 // len(behaviours)
        for index, behaviour in enumerate(behaviours):
            windows = range(index * length, (index + 1) * length)
            parts.append(events(revision, behaviour, rng, windows=windows, per_window=n))
    judge = Judge(policy or Policy(deadline_min=240), "shop", "r1", "r2", 60, start=START)
    judge.update(rollups(*parts))
    return judge.verdict(START)


def outages(found):
    return [finding for finding in found.findings if finding.kind == "outage"]


@pytest.mark.parametrize(
    ("baseline", "canary"),
    [([OUTAGE], [OUTAGE]), ([OUTAGE], [GOOD]), ([GOOD, OUTAGE], [GOOD, OUTAGE])],
    ids=["both", "baseline", "both later"],
)
@pytest.mark.slow
def test_outage_of_the_baseline_holds_a_promotion_with_both_numbers(baseline, canary):
    found = verdict(baseline, canary)
    assert found.verdict == "continue"
    (outage,) = outages(found)
    assert outage.effect == "hold"
    assert "5xx" in outage.message
    assert "0.3" in outage.message.split("before the canary")[0]
    assert "%" in outage.message


@pytest.mark.slow
def test_outage_that_is_over_is_a_note():
    assert [outage.effect for outage in outages(verdict([OUTAGE, GOOD], [OUTAGE, GOOD]))] == ["note"]


@pytest.mark.slow
def test_slow_baseline_is_an_outage():
    slow = Behaviour(failing=0.003, median_ms=900.0)
    (outage,) = outages(verdict([slow], [slow]))
    assert "slow requests (beyond p50, and beyond p95 and p99)" in outage.message


@pytest.mark.slow
def test_reaction_to_an_outage_can_be_configured():
    assert outages(verdict([OUTAGE], [OUTAGE], policy=Policy(on_outage="note", deadline_min=240)))[0].effect == "note"
    assert not outages(verdict([OUTAGE], [OUTAGE], policy=Policy(on_outage="ignore", deadline_min=240)))


@pytest.mark.slow
def test_busy_hour_is_no_outage():
    busy = Behaviour(failing=0.006, median_ms=130.0)
    assert not outages(verdict([busy], [busy]))


@pytest.mark.slow
def test_without_history_nothing_can_be_far_from_it():
    assert not outages(verdict([OUTAGE], [OUTAGE], history=0))


@pytest.mark.slow
def test_low_traffic_varies_without_being_an_outage():
    rng = np.random.default_rng(3)
    for _ in range(20):
        judge = Judge(Policy(), "shop", "r1", "r2", 10, start=START)
        parts = [
            events(r, Behaviour(failing=0.01), rng, windows=w, per_window=n, window_s=10)
            for r, w, n in (("r1", range(-180, 360), 4), ("r2", range(360), 2))
        ]
        judge.update(rollups(*parts, window_s=10))
        assert not outages(judge.verdict(START))
