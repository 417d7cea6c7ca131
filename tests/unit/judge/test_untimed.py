"""Requests without a duration that are uneven between the revisions are a finding: no latency guard counts them."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from support.simulate import START, Behaviour, events, rollups

GOOD = Behaviour()


def part(revision, rng, windows, per_window, without):
    """Requests, of which a share has the duration -5 ms. without: function of (window, uniform numbers)."""
    table = events(revision, GOOD, rng, windows=windows, per_window=per_window)
    minute = (table["time_ms"].to_numpy() - int(START.timestamp() * 1000)) // 60_000
    lacks = rng.random(len(table)) < without(minute)
    took = np.where(lacks, -5.0, table["duration_ms"].to_numpy())
    return table.set_column(table.schema.get_field_index("duration_ms"), "duration_ms", pa.array(took))


def judged(baseline, canary, *, policy=None, per_window=(1800, 200)):
    rng = np.random.default_rng(7)
    share = {name: of if callable(of) else (lambda _, of=of: of) for name, of in (("r1", baseline), ("r2", canary))}
    parts = [part("r1", rng, range(-30, 0), 2000, share["r1"])]
    parts += [part(name, rng, range(60), n, share[name]) for name, n in zip(("r1", "r2"), per_window, strict=True)]
    judge = Judge(policy or Policy(deadline_min=30), "shop", "r1", "r2", 60, start=START)
    judge.update(rollups(*parts))
    verdict = judge.verdict(START + timedelta(hours=2))
    return verdict, [finding for finding in verdict.findings if finding.kind == "untimed"]


@pytest.mark.parametrize(("baseline", "canary"), [(0.0, 0.3), (0.3, 0.0), (0.02, 0.04), (0.0, 0.01)])
@pytest.mark.slow
def test_uneven_shares_hold_and_name_both_numbers(baseline, canary):
    verdict, (finding,) = judged(baseline, canary)
    assert finding.effect == "hold"
    assert verdict.verdict != "promote"
    worse, other = ("r2", "r1") if canary > baseline else ("r1", "r2")
    assert finding.message.index(f"of {worse}'s") < finding.message.index(f"of {other}'s")
    assert verdict.remaining is None or verdict.remaining.requests is None


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, lambda minute: (minute > 20) * 0.8])
@pytest.mark.slow
def test_the_same_share_in_both_is_no_finding(share):
    assert not judged(share, share)[1]


@pytest.mark.slow
def test_small_difference_is_a_note():
    _, (finding,) = judged(0.0, 0.004, per_window=(9000, 1000))
    assert finding.effect == "note"


def test_revision_without_any_duration_is_said_once():
    verdict, findings = judged(0.0, 1.0)
    assert not findings
    (finding,) = [finding for finding in verdict.findings if finding.kind == "no data"]
    assert finding.message.startswith("p50, p95 and p99 could not be evaluated")


def test_reaction_is_that_to_missing_data():
    assert judged(0.0, 0.3, policy=Policy(on_no_data="note"))[1][0].effect == "note"
    assert not judged(0.0, 0.3, policy=Policy(on_no_data="ignore"))[1]


def test_a_revision_without_any_duration_holds_where_no_latency_guard_must_be_shown():
    guards = {"p95": GuardPolicy(outcome="p95", must_be_shown=False), "5xx": GuardPolicy(outcome="5xx")}
    verdict, (finding,) = judged(0.0, 1.0, policy=Policy(guards=guards))
    assert finding.effect == "hold"
    assert verdict.verdict != "promote"
