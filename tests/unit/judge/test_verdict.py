"""Verdicts on simulated requests: cases that a judge of averages gets wrong."""

import json
import re
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from pratique.config import Policy, StoreSettings
from pratique.errors import MissingError, UsageError
from pratique.judge import Judge
from pratique.judge.compare import compare
from pratique.judge.model import SERVICE
from pratique.judge.text import guard_line, table
from pratique.store import open_store
from pratique.telemetry.rollups import Rollups
from support.simulate import START, Behaviour, canary, events, rollups

GOOD = Behaviour()
SOON = START + timedelta(minutes=1)
ACTIONS = tuple(f"GET /{name:02d}" for name in range(50))


def judged(found, *, policy=None, now=SOON, start=START, **kwargs):
    judge = Judge(policy or Policy(deadline_min=240), "shop", "r1", "r2", 60, start=start)
    judge.update(found)
    return judge.verdict(now, **kwargs)


def states(verdict):
    return {guard.guard: guard.state for guard in verdict.guards if guard.action == SERVICE}


@pytest.mark.slow
def test_good_canary_with_enough_traffic_is_promoted():
    verdict = judged(canary(GOOD, GOOD, per_window=20_000))
    assert verdict.verdict == "promote"
    assert verdict.exit_status == 0
    assert set(states(verdict).values()) == {"met"}


@pytest.mark.slow
def test_more_errors_are_rolled_back_and_stay_rolled_back():
    verdict = judged(canary(GOOD, Behaviour(failing=0.02)))
    assert (verdict.verdict, verdict.exit_status) == ("rollback", 1)
    assert verdict.fired is not None
    assert "5xx" in verdict.reason
    rng = np.random.default_rng(3)
    judge = Judge(Policy(), "shop", "r1", "r2", 60, start=START)
    judge.update(canary(GOOD, Behaviour(failing=0.02)))
    later = [events(r, GOOD, rng, windows=range(60, 300), per_window=n) for r, n in (("r1", 5400), ("r2", 5400))]
    judge.update(rollups(*later))
    assert judge.verdict(SOON).verdict == "rollback"


def test_few_errors_against_none_are_rolled_back():
    """Kayenta issues 426, 377 and 799: a baseline without errors made the comparison pass."""
    verdict = judged(canary(Behaviour(failing=0.0), Behaviour(failing=0.012), windows=20))
    assert verdict.verdict == "rollback"
    worst = next(guard for guard in verdict.guards if guard.guard == "5xx" and guard.action == SERVICE)
    assert worst.bad["r1"] == 0
    assert worst.bad["r2"] < 30


def test_canary_slow_in_seventy_percent_of_windows_is_rolled_back():
    """Spinnaker issue 6278."""
    rng = np.random.default_rng(1)
    slow = [w for w in range(10) if w % 10 < 7]
    parts = [events("r1", GOOD, rng, windows=range(-60, 10), per_window=540)]
    parts += [
        events("r2", Behaviour(median_ms=10_000.0 if w in slow else 100.0), rng, windows=range(w, w + 1), per_window=60)
        for w in range(10)
    ]
    assert judged(rollups(*parts)).verdict == "rollback"


def test_slower_tail_with_the_same_median_is_rolled_back():
    """Kayenta issue 780."""
    verdict = judged(canary(GOOD, Behaviour(spread=1.2), per_window=1200))
    assert verdict.verdict == "rollback"
    assert states(verdict)["p50"] != "worse"
    assert {states(verdict)["p95"], states(verdict)["p99"]} & {"worse"}


def test_slower_tail_with_a_faster_median_is_rolled_back():
    verdict = judged(canary(GOOD, Behaviour(median_ms=80.0, spread=1.2), per_window=1200))
    assert verdict.verdict == "rollback"
    assert states(verdict)["p50"] == "met"


@pytest.mark.slow
def test_outage_in_both_arms_does_not_roll_back():
    rng = np.random.default_rng(4)
    outage = Behaviour(failing=0.4, median_ms=900.0)
    parts = [events("r1", GOOD, rng, windows=range(-60, 0), per_window=6000)]
    for revision, rate in (("r1", 5400), ("r2", 600)):
        for windows, behaviour in ((range(20), GOOD), (range(20, 30), outage), (range(30, 60), GOOD)):
            parts.append(events(revision, behaviour, rng, windows=windows, per_window=rate))
    verdict = judged(rollups(*parts))
    assert verdict.verdict != "rollback"
    assert verdict.e_value < 5


def test_changing_share_under_drift_does_not_roll_back():
    rng = np.random.default_rng(5)
    parts = [events("r1", GOOD, rng, windows=range(-60, 0), per_window=3000)]
    weights = []
    for stage, share in enumerate([0.01, 0.1, 0.5]):
        now = Behaviour(failing=0.005 * (1 + 3 * stage), median_ms=100.0 * (1 + 0.3 * stage))
        windows = range(stage * 20, stage * 20 + 20)
        weights.append((START + timedelta(minutes=20 * stage), {"r1": 1 - share, "r2": share}))
        for revision, part in (("r1", 1 - share), ("r2", share)):
            parts.append(events(revision, now, rng, windows=windows, per_window=3000 * part))
    verdict = judged(rollups(*parts), weights=weights)
    assert verdict.verdict != "rollback"
    assert not [finding for finding in verdict.findings if finding.kind == "share mismatch"]


@pytest.mark.slow
def test_one_bad_action_among_fifty_is_rolled_back_and_flagged():
    bad = Behaviour(actions={ACTIONS[7]: Behaviour(failing=0.12)})
    verdict = judged(canary(GOOD, bad, per_window=6000, actions=ACTIONS))
    assert verdict.verdict == "rollback"
    assert {guard.action for guard in verdict.guards if guard.flagged} == {ACTIONS[7]}
    assert ACTIONS[7] in verdict.reason


def test_few_requests_continue_with_an_estimate_of_the_remaining():
    verdict = judged(canary(GOOD, GOOD, windows=5, per_window=40))
    assert verdict.requests["r2"] < 40
    assert verdict.verdict == "continue"
    assert verdict.remaining.requests > 280
    assert re.search(r"about [\d,]+ more canary requests.* at \d+ %", verdict.reason)


@pytest.mark.slow
def test_rise_from_one_to_three_in_a_million_is_promoted():
    verdict = judged(canary(Behaviour(failing=1e-6), Behaviour(failing=3e-6), per_window=60_000, history=5, windows=30))
    assert verdict.verdict == "promote"


@pytest.mark.slow
def test_difference_within_the_tolerances_is_promoted():
    verdict = judged(
        canary(GOOD, Behaviour(failing=0.0055, median_ms=101.5), per_window=60_000, history=10, windows=40)
    )
    assert verdict.verdict == "promote"


def test_one_bad_window_of_both_arms_does_not_hide_later_errors():
    rng = np.random.default_rng(6)
    garbage = [
        events(r, Behaviour(failing=0.9), rng, windows=range(1), per_window=n) for r, n in (("r1", 540), ("r2", 60))
    ]
    found = canary(GOOD, Behaviour(failing=0.03), seed=6)
    verdict = judged(found.merge(rollups(*garbage)))
    assert verdict.verdict == "rollback"


def test_arm_without_requests_holds_with_a_finding():
    rng = np.random.default_rng(7)
    only = rollups(
        events("r1", GOOD, rng, windows=range(-10, 0), per_window=600),
        events("r2", GOOD, rng, windows=range(60), per_window=600),
    )
    verdict = judged(only)
    assert verdict.verdict == "continue"
    assert set(states(verdict).values()) == {"not evaluated"}
    assert verdict.findings[0].kind == "no data"


@pytest.mark.slow
def test_guard_that_is_not_evaluated_never_passes():
    found = canary(GOOD, GOOD, per_window=20_000).table
    empty = pa.array([[]] * len(found), pa.list_(pa.int16())), pa.array([[]] * len(found), pa.list_(pa.int64()))
    untimed = found.set_column(10, found.schema.field(10), empty[0]).set_column(11, found.schema.field(11), empty[1])
    verdict = judged(Rollups(untimed))
    assert states(verdict)["p95"] == "not evaluated"
    assert verdict.verdict == "continue"


def test_deadline_is_inconclusive_or_a_rollback_and_never_a_pass():
    found = canary(GOOD, GOOD, windows=5, per_window=40)
    late = START + timedelta(minutes=61)
    assert judged(found, now=late, policy=Policy()).verdict == "inconclusive"
    assert judged(found, now=late, policy=Policy()).exit_status == 2
    assert judged(found, now=late, policy=Policy(at_deadline="rollback")).verdict == "rollback"


@pytest.mark.slow
def test_share_that_the_weight_does_not_explain_holds():
    weights = [(START - timedelta(minutes=1), {"r1": 0.5, "r2": 0.5})]
    verdict = judged(canary(GOOD, GOOD, per_window=20_000), weights=weights)
    assert verdict.verdict == "continue"
    assert "10.0% of the requests, but its weight accounts for 50.0%" in verdict.reason
    noted = judged(
        canary(GOOD, GOOD, per_window=20_000),
        weights=weights,
        policy=Policy(on_share_mismatch="note", deadline_min=240),
    )
    assert noted.verdict == "promote"


def test_windows_without_canary_requests_despite_its_weight_are_a_finding():
    rng = np.random.default_rng(8)
    parts = [events("r1", GOOD, rng, windows=range(-60, 30), per_window=540)]
    parts += [events("r2", GOOD, rng, windows=w, per_window=60) for w in (range(10), range(20, 30))]
    verdict = judged(rollups(*parts), weights=[(START, {"r1": 0.9, "r2": 0.1})])
    assert any(f.kind == "gap" and "10 of 30 windows" in f.message for f in verdict.findings)


@pytest.mark.slow
def test_verdict_is_the_same_window_by_window_and_all_at_once():
    found = canary(GOOD, Behaviour(failing=0.012, median_ms=104), actions=ACTIONS[:3])
    whole = judged(found)
    judge = Judge(Policy(), "shop", "r1", "r2", 60, start=START)
    first = pa.compute.less(found.table["window"], pa.scalar(START, found.table.schema.field("window").type))
    judge.update(Rollups(found.table.filter(first)))
    for minute in range(60):
        at = pa.scalar(START + timedelta(minutes=minute), found.table.schema.field("window").type)
        judge.update(Rollups(found.table.filter(pa.compute.equal(found.table["window"], at))))
    step = judge.verdict(SOON)
    assert step.e_value == pytest.approx(whole.e_value, rel=1e-6)
    assert step.trace.combined == pytest.approx(whole.trace.combined, rel=1e-6)
    key = lambda guard: (guard.guard, guard.action)  # noqa: E731
    for one, other in zip(sorted(step.guards, key=key), sorted(whole.guards, key=key), strict=True):
        assert (one.bad, one.requests, one.state) == (other.bad, other.requests, other.state)
        assert (one.ratio_low, one.ratio_high) == pytest.approx((other.ratio_low, other.ratio_high))


def test_split_by_host_and_source_does_not_change_the_evidence():
    found = canary(GOOD, Behaviour(failing=0.012))
    rows = found.table.to_pylist()
    for row in rows:
        row["host"] = "one"
    merged = Rollups.empty().merge(Rollups(pa.Table.from_pylist(rows[::2], schema=found.table.schema)))
    merged = merged.merge(Rollups(pa.Table.from_pylist(rows[1::2], schema=found.table.schema)))
    policy = Policy(dispersion=1.0)
    assert judged(merged, policy=policy).e_value == pytest.approx(judged(found, policy=policy).e_value, rel=1e-9)


def test_rows_for_a_judged_window_count_as_late():
    judge = Judge(Policy(), "shop", "r1", "r2", 60, start=START)
    judge.update(canary(GOOD, GOOD))
    before = judge.verdict(SOON)
    judge.update(
        rollups(events("r2", Behaviour(failing=1.0), np.random.default_rng(1), windows=range(3), per_window=500))
    )
    after = judge.verdict(SOON)
    assert after.e_value == before.e_value
    assert any("came after their window had been judged" in finding.message for finding in after.findings)


def test_json_is_plain_and_complete():
    content = json.loads(json.dumps(judged(canary(GOOD, Behaviour(failing=0.02))).to_json(), allow_nan=False))
    assert content["verdict"] == "rollback"
    assert content["start"] == "2026-11-20T12:00:00Z"
    assert {"guard", "action", "bad", "requests", "ratio", "ratio_low", "ratio_high", "excess", "excess_high"} <= set(
        content["guards"][0]
    )
    assert "trace" not in content


def test_guard_line_has_the_judged_numbers():
    verdict = judged(canary(GOOD, Behaviour(failing=0.02)))
    line = guard_line(verdict.guards[0], verdict)
    pattern = r"5xx: [\d.]+x \[[\d.]+, (?:[\d.]+|∞)\], [\d,]+/[\d,]+ canary against [\d,]+/[\d,]+ baseline, evidence \S+ of 100 needed at \d\d:\d\d:\d\d, \S+ at the end"
    assert re.fullmatch(pattern, line)
    assert line in table(verdict).replace("  ", " ") or line.partition(": ")[2] in table(verdict)


def test_compare_reads_the_store_and_refuses_missing_data(tmp_path):
    store = open_store(str(tmp_path / "store"))
    store.write(canary(GOOD, Behaviour(failing=0.02)))
    assert compare(store, "shop", "r1", "r2").verdict == "rollback"
    assert compare(store, "shop", "r1", "r2", start=START, end=START + timedelta(minutes=2)).requests["r2"] < 200
    with pytest.raises(MissingError, match=r"'r9'.*r1, r2"):
        compare(store, "shop", "r1", "r9")
    with pytest.raises(MissingError, match=r"service 'cart'.*shop"):
        compare(store, "cart", "r1", "r2")
    with pytest.raises(UsageError, match="is empty"):
        compare(store, "shop", "r1", "r2", start=START, end=START)
    with pytest.raises(MissingError, match="no request of 'r1' from"):
        compare(store, "shop", "r1", "r2", start=START + timedelta(days=9))
    with pytest.raises(UsageError, match="two revisions"):
        compare(store, "shop", "r1", "r1")


@pytest.mark.slow
def test_thresholds_come_from_history_or_from_the_warm_up():
    with_history = judged(canary(GOOD, GOOD, per_window=6000))
    p95 = next(g for g in with_history.guards if g.guard == "p95")
    assert p95.threshold_ms == pytest.approx(100 * np.exp(0.6 * 1.645), rel=0.06)
    without = judged(canary(GOOD, GOOD, per_window=6000, history=0))
    assert any(finding.kind == "no history" for finding in without.findings)
    assert next(g for g in without.guards if g.guard == "p95").threshold_ms == pytest.approx(p95.threshold_ms, rel=0.06)


@pytest.mark.slow
def test_compare_opens_a_store_by_its_address_and_by_its_settings(tmp_path):
    address = str(tmp_path / "store")
    store = open_store(address)
    store.write(canary(GOOD, Behaviour(failing=0.02)))
    now = START + timedelta(minutes=30)
    expected = compare(store, "shop", "r1", "r2", now=now).to_json()
    assert compare(address, "shop", "r1", "r2", now=now).to_json() == expected
    assert compare(StoreSettings(url=address), "shop", "r1", "r2", now=now).to_json() == expected
