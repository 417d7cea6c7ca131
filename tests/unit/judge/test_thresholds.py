"""Thresholds of durations that are known at the bounds of another program's histogram only."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from pratique.telemetry.buckets import bucket_below, upper_ms
from pratique.telemetry.rollups import SCHEMA, Limits, Rollups

BOUNDS = (5.0, 10.0, 25.0, 100.0)
T0 = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = Policy(
    guards={name: GuardPolicy(outcome=name, tolerated_slower=1.1) for name in ("p50", "p95", "p99")}, warmup_windows=0
)


def rollups(revision, first, windows, counts):
    """Windows of a minute in each of which `counts` requests took at most each bound, the last one longer."""
    buckets = [*map(bucket_below, BOUNDS), bucket_below(float("inf"))]
    rows = [
        {
            "window": T0 + timedelta(minutes=first + at),
            "window_s": 60,
            "service": "shop",
            "revision": revision,
            "action": "GET",
            "code": 200,
            "host": "h",
            "source": "prometheus",
            "n": sum(counts),
            "sum_ms": 1.0,
            "bucket": buckets,
            "count": list(counts),
        }
        for at in range(windows)
    ]
    return Rollups(pa.Table.from_pylist(rows, schema=SCHEMA), Limits(BOUNDS, ("a note on the scrapes",)))


def judged(history, baseline, canary):
    judge = Judge(POLICY, "shop", "r1", "r2", 60, start=T0 + timedelta(minutes=10))
    judge.update(rollups("r1", 0, 10, history))
    both = [rollups("r1", 10, 10, baseline).table, rollups("r2", 10, 10, canary).table]
    judge.update(Rollups(pa.concat_tables(both), Limits(BOUNDS)))
    return judge.verdict()


def guards(verdict):
    return {guard.guard: guard for guard in verdict.guards if guard.action == "*"}


def test_a_threshold_is_the_bound_at_or_above_the_quantile_and_what_is_beyond_it_is_slow():
    found = guards(judged((60, 30, 8, 1, 1), (60, 30, 8, 1, 1), (50, 30, 10, 6, 4)))
    assert {name: found[name].threshold_ms for name in ("p50", "p95", "p99")} == {"p50": 5.0, "p95": 25.0, "p99": 100.0}
    assert found["p95"].bad == {"r1": 20, "r2": 100}
    assert found["p50"].bad == {"r1": 400, "r2": 500}
    assert all(found[name].at_bound for name in ("p50", "p95", "p99"))


def test_a_quantile_beyond_the_highest_bound_is_judged_at_that_bound():
    found = guards(judged((10, 10, 10, 10, 60), (10, 10, 10, 10, 60), (10, 10, 10, 10, 60)))
    assert {found[name].threshold_ms for name in ("p50", "p95", "p99")} == {100.0}
    assert found["p99"].bad["r1"] == 600


def test_the_tolerance_takes_a_bucket_as_spread_evenly_and_not_as_crossing_as_a_whole():
    found = guards(judged((0, 0, 90, 10, 0), (0, 0, 90, 10, 0), (0, 0, 90, 10, 0)))
    # 1.1 times slower: of 90 in (10, 25] ms those above 22.7 ms cross the bound, 13.6 of 90
    assert found["p50"].tolerated_ratio == pytest.approx((23.64 / 76.36) / (10 / 90), rel=0.01)


def test_the_verdict_names_the_bounds_and_passes_on_what_the_store_said():
    messages = [finding.message for finding in judged((60, 38, 1, 1, 0), *[(60, 38, 1, 1, 0)] * 2).findings]
    assert "a note on the scrapes" in messages
    assert any("(5 ms, 10 ms, 25 ms, 100 ms): p50 at 5 ms, p95 at 10 ms, p99 at 25 ms" in found for found in messages)


def test_a_slow_canary_is_worse_in_words_that_name_the_bound():
    verdict = judged((60, 38, 1, 1, 0), (60, 38, 1, 1, 0), (10, 20, 50, 20, 0))
    assert verdict.verdict == "rollback"
    assert "the histogram's bound for the baseline's" in verdict.summary


@pytest.mark.parametrize("bound", [0.1, 1, 5, 7.5, 10, 25, 75, 100, 250, 1000, 60_000])
def test_the_bucket_of_a_bound_ends_near_it(bound):
    assert upper_ms(bucket_below(bound)) == pytest.approx(bound, rel=0.022)


def test_status_codes_that_cannot_be_seen_hold_a_promotion_and_waiting_does_not_help():
    both = [rollups(revision, 10, 60, (600, 300, 80, 10, 10)).table for revision in ("r1", "r2")]
    seen, unseen = Limits(BOUNDS), Limits(BOUNDS, unseen=("some counts have no label 'status'",))
    verdicts = {}
    for limits in (seen, unseen):
        policy = Policy(guards={"p50": GuardPolicy(outcome="p50", tolerated_slower=1.5)}, warmup_windows=0)
        each = Judge(policy, "shop", "r1", "r2", 60, start=T0 + timedelta(minutes=10))
        each.update(rollups("r1", 0, 10, (60, 30, 8, 1, 1)))
        each.update(Rollups(pa.concat_tables(both), limits))
        verdicts[limits] = each.verdict()
    assert verdicts[seen].verdict == "promote"
    assert verdicts[unseen].verdict != "promote"
    (finding,) = [found for found in verdicts[unseen].findings if found.effect == "hold"]
    assert (finding.kind, finding.lasts) == ("metrics", True)
