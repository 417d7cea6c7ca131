"""Actions without a counterpart in the other revision are a finding, which holds when they are a large part."""

from datetime import timedelta

import numpy as np
import pytest

from pratique.config import Policy
from pratique.judge import Judge
from support.simulate import START, Behaviour, events, rollups

GOOD = Behaviour()
FIVE = ("GET /", "GET /a", "GET /b", "GET /c", "POST /cart")


def found(baseline, canary, *, policy=None, per_window=(540, 60)):
    rng = np.random.default_rng(3)
    parts = [events("r1", GOOD, rng, windows=range(-30, 0), per_window=600, actions=baseline)]
    for revision, actions, n in (("r1", baseline, per_window[0]), ("r2", canary, per_window[1])):
        parts.append(events(revision, GOOD, rng, windows=range(60), per_window=n, actions=actions))
    judge = Judge(policy or Policy(deadline_min=30), "shop", "r1", "r2", 60, start=START)
    judge.update(rollups(*parts))
    verdict = judge.verdict(START + timedelta(hours=2))
    return verdict, [finding for finding in verdict.findings if finding.kind == "actions"]


def test_logs_under_different_action_rules_hold_and_nothing_advises_to_wait():
    verdict, findings = found(FIVE, tuple(f"{name} v2" for name in FIVE))
    assert [finding.effect for finding in findings] == ["hold"]
    assert "r2 has no request of 5 actions with 100 % of r1's requests" in findings[0].message
    assert "r1 has no request of 5 actions with 100 % of r2's requests" in findings[0].message
    assert verdict.verdict == "inconclusive"
    assert findings[0].message in verdict.summary
    assert verdict.remaining.requests is None


@pytest.mark.parametrize(("canary", "effect"), [(FIVE[:4], "note"), (FIVE[:3], "hold")])
def test_vanished_actions_are_named_and_hold_by_their_part_of_the_requests(canary, effect):
    _, (finding,) = found(FIVE, canary)
    assert finding.effect == effect
    assert "POST /cart" in finding.message


@pytest.mark.slow
def test_rare_actions_that_one_revision_lacks_by_chance_are_no_finding():
    names = tuple(f"GET /{number}" for number in range(2000))
    assert not found(names, names, per_window=(20, 2))[1]


def test_reaction_is_that_to_missing_data():
    assert found(FIVE, FIVE[:2], policy=Policy(on_no_data="note"))[1][0].effect == "note"
    assert not found(FIVE, FIVE[:2], policy=Policy(on_no_data="ignore"))[1]
