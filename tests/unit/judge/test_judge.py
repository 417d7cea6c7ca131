"""Edge cases: new actions, windows without durations, saturated baselines, changing mixes, windows of other lengths."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from pratique.judge import evidence as ev
from pratique.judge.counts import Names
from pratique.judge.dispersion import Dispersion
from pratique.judge.excess import BOUNDS, projection
from pratique.judge.guard import Guard
from pratique.judge.martingale import Plan, TestMartingale
from pratique.judge.model import SERVICE
from pratique.judge.text import label
from pratique.telemetry.rollups import Rollups
from support.simulate import START, Behaviour, canary, events, rollups

GOOD = Behaviour()
PATIENT = Policy(deadline_min=240)
ACTIONS = tuple(f"GET /{name:02d}" for name in range(30))


def judge_of(*parts, policy=PATIENT, window_s=60):
    judge = Judge(policy, "shop", "r1", "r2", window_s, start=START)
    for part in parts:
        judge.update(part)
    return judge


def at(minute, found):
    return pa.scalar(START + timedelta(minutes=minute), found.table.schema.field("window").type)


def by_window(found, windows):
    """The history, then one window after another."""
    yield Rollups(found.table.filter(pc.less(found.table["window"], at(0, found))))
    for minute in range(windows):
        yield Rollups(found.table.filter(pc.equal(found.table["window"], at(minute, found))))


def service(verdict, guard):
    return next(found for found in verdict.guards if found.guard == guard and found.action == SERVICE)


def without_durations(found, minutes):
    """The same requests, those of the canary's first minutes without a duration."""
    table = found.table
    early = pc.less(table["window"], at(minutes, found)).to_pylist()
    for column, kind in (("bucket", pa.int16()), ("count", pa.int64())):
        lists = [[] if is_early else values for is_early, values in zip(early, table[column].to_pylist(), strict=True)]
        table = table.set_column(
            table.schema.get_field_index(column), table.schema.field(column), pa.array(lists, pa.list_(kind))
        )
    return Rollups(table)


@pytest.fixture(scope="module")
def with_new_actions():
    """Thirty good actions, and two that appear later, one of which fails in the canary."""
    rng = np.random.default_rng(3)
    parts = [events("r1", GOOD, rng, windows=range(-30, 0), per_window=6000, actions=ACTIONS)]
    for revision, n in (("r1", 5400), ("r2", 600)):
        parts.append(events(revision, GOOD, rng, windows=range(40), per_window=n, actions=ACTIONS))
        bad = Behaviour(failing=0.1) if revision == "r2" else GOOD
        parts.append(events(revision, bad, rng, windows=range(5, 40), per_window=n / 10, actions=("POST /new",)))
        parts.append(events(revision, GOOD, rng, windows=range(8, 40), per_window=n / 10, actions=("POST /other",)))
    return rollups(*parts)


@pytest.mark.slow
def test_bad_action_that_appears_later_is_rolled_back_and_flagged(with_new_actions):
    verdict = judge_of(with_new_actions).verdict(START)
    assert verdict.verdict == "rollback"
    assert {guard.action for guard in verdict.guards if guard.flagged} == {"POST /new"}


@pytest.mark.slow
def test_new_actions_weigh_the_same_window_by_window_and_all_at_once(with_new_actions):
    whole, step = judge_of(with_new_actions), judge_of(*by_window(with_new_actions, 40))
    assert step.state.combined() == pytest.approx(whole.state.combined(), rel=1e-9)
    assert step.state.fired_ms == whole.state.fired_ms


@pytest.mark.slow
def test_thresholds_come_from_later_windows_when_the_warm_up_has_no_durations():
    slower = canary(GOOD, Behaviour(median_ms=200.0), per_window=6000, windows=40, history=0)
    verdict = judge_of(without_durations(slower, 5)).verdict(START)
    assert verdict.verdict == "rollback"
    assert service(verdict, "p50").threshold_ms == pytest.approx(104, rel=0.1)


@pytest.mark.slow
def test_latency_without_a_threshold_is_not_evaluated_and_not_passed():
    found = canary(GOOD, GOOD, per_window=20_000, windows=20, history=0)
    verdict = judge_of(without_durations(found, 19)).verdict(START)
    assert {service(verdict, guard).state for guard in ("p50", "p95", "p99")} == {"not evaluated"}
    assert verdict.verdict == "continue"


@pytest.mark.slow
def test_latency_is_not_passed_when_the_whole_baseline_is_slower_than_its_history():
    """All requests of both arms are beyond the thresholds, so a canary slower by half cannot be distinguished."""
    rng = np.random.default_rng(3)
    parts = [events("r1", GOOD, rng, windows=range(-30, 0), per_window=6000)]
    parts += [
        events(r, Behaviour(median_ms=ms), rng, windows=range(40), per_window=n)
        for r, ms, n in (("r1", 3000, 5400), ("r2", 4500, 600))
    ]
    verdict = judge_of(rollups(*parts)).verdict(START)
    assert verdict.verdict == "continue"
    assert service(verdict, "p50").state == "not evaluated"
    assert "the baseline is far from its own history" in verdict.reason
    assert any("leaves no room to be worse" in finding.message for finding in verdict.findings)


@pytest.mark.slow
def test_different_mix_of_actions_in_the_arms_does_not_roll_back():
    """Simpson: the canary gets far more of an action that fails more often in both."""
    rng = np.random.default_rng(4)
    both = Behaviour(failing=0.002, actions={"POST /pay": Behaviour(failing=0.05)})
    parts = [events("r1", both, rng, windows=range(-30, 0), per_window=600, actions=("GET /", "POST /pay"))]
    for revision, browsing, paying in (("r1", 5000, 400), ("r2", 300, 300)):
        parts.append(events(revision, both, rng, windows=range(60), per_window=browsing, actions=("GET /",)))
        parts.append(events(revision, both, rng, windows=range(60), per_window=paying, actions=("POST /pay",)))
    verdict = judge_of(rollups(*parts)).verdict(START)
    found = service(verdict, "5xx")
    assert found.excess > 0.015
    assert found.ratio_low < 1.0 < found.ratio_high
    assert verdict.fired is None


@pytest.mark.slow
def test_shorter_windows_are_added_up_to_the_window_length():
    """Six windows of 10 s are judged as one minute."""
    rng = np.random.default_rng(5)
    parts = [events("r1", GOOD, rng, windows=range(-60, 120), per_window=540, window_s=10)]
    parts.append(events("r2", Behaviour(failing=0.03), rng, windows=range(120), per_window=60, window_s=10))
    fine, coarse = rollups(*parts, window_s=10), rollups(*parts, window_s=60)
    one, other = judge_of(fine).verdict(START), judge_of(coarse).verdict(START)
    assert one.trace.times.tolist() == other.trace.times.tolist()
    assert one.trace.combined == pytest.approx(other.trace.combined, rel=1e-9)
    assert one.requests == other.requests


@pytest.mark.slow
def test_window_with_requests_of_one_arm_gives_no_evidence():
    rng = np.random.default_rng(6)
    found = canary(GOOD, Behaviour(failing=0.02), windows=20)
    alone = rollups(events("r2", Behaviour(failing=0.5), rng, windows=range(20, 25), per_window=60))
    policy = Policy(dispersion=1.0, guards={"5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5)})
    before = judge_of(found, policy=policy)
    after = judge_of(found, alone, policy=policy)
    assert after.state.combined()[-1] == pytest.approx(before.state.combined()[-1], rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 400), st.integers(40, 300), st.integers(400, 3000)),
        min_size=1,
        max_size=6,
    ),
    st.randoms(),
)
@pytest.mark.slow
def test_interval_does_not_depend_on_the_order_of_windows(windows, random):
    """Known φ: the state is a sum over strata."""

    def interval(order):
        guard = Guard("5xx", GuardPolicy(outcome="5xx", tolerated_ratio=1.0), Policy(dispersion=1.0))
        bad = np.array([[[b], [c]] for c, b, _, _ in order]).transpose(1, 0, 2)
        n = np.array([[[b], [c]] for _, _, c, b in order]).transpose(1, 0, 2)
        guard.update(np.arange(len(order)), bad, n)
        return [float(end[0]) for end in ev.confidence(guard.curve[None, :], guard.mixture, 0.05, 0.05)]

    shuffled = random.sample(windows, len(windows))
    assert interval(shuffled) == interval(windows)


def test_ten_times_the_exposure_narrows_the_interval():
    """Odds ratio 3 exactly; the conditional estimate tends to the sample's."""
    found = []
    for scale in (1, 10):
        guard = Guard("5xx", GuardPolicy(outcome="5xx", tolerated_ratio=1.0), Policy(dispersion=1.0))
        guard.update(np.array([0]), scale * np.array([[[100]], [[30]]]), scale * np.array([[[10_100]], [[1_030]]]))
        low, high = ev.confidence(guard.curve[None, :], guard.mixture, 0.05, 0.05)
        found.append((float(ev.estimate(guard.curve[None, :])[0]), float(low[0]), float(high[0])))
    (one, low, high), (ten, lower, higher) = found
    assert ten == pytest.approx(3.0, rel=0.01)
    assert one == pytest.approx(3.0, rel=0.03)
    assert low < lower < 3.0 < higher < high


@pytest.mark.slow
def test_canary_exactly_at_its_tolerance_is_promoted_in_at_most_alpha_of_runs():
    """Wrong promotion at any of 60 looks, odds ratio 1.5 where 1.5 is tolerated; 500 runs, alpha 5 %."""
    rng = np.random.default_rng(11)
    p, odds = 0.02, 1.5
    q = odds * p / (1 - p + odds * p)
    guard = Guard("5xx", GuardPolicy(outcome="5xx", tolerated_ratio=odds), Policy(dispersion=1.0))
    promoted = np.zeros(500, bool)
    for window in range(60):
        n = np.stack([rng.poisson(1800, (1, 500)), rng.poisson(200, (1, 500))])
        guard.update(np.array([window]), np.stack([rng.binomial(n[0], p), rng.binomial(n[1], q)]), n)
        promoted |= ev.confidence(guard.curves, guard.mixture, 0.01, 0.05)[1] < odds
    assert promoted.mean() <= 0.05


@pytest.mark.slow
@settings(max_examples=200)
@given(st.integers(1, 20_000), st.floats(0.01, 10), st.floats(-7, -0.05), st.floats(-2, 2))
def test_projection_is_the_nearest_point_of_the_line(n_b, share, log_guess, log_factor):
    """Against a bisection of the derivative of the distance."""
    n_c = max(1.0, round(n_b * share))
    guess = 10.0**log_guess
    other = float(np.clip(guess * 10**log_factor, 1e-7, 0.99))
    points = np.minimum(BOUNDS, 0.999 - guess)
    arrays = (np.array([[float(value)]]) for value in (n_b, n_c, guess, other))
    found = projection(*arrays, points)[0]
    low = np.full(len(points), 1e-12)
    high = 1.0 - points - 1e-12
    for _ in range(200):
        middle = 0.5 * (low + high)
        c = middle + points
        rising = n_b * (middle - guess) + n_c * (c - other) * middle * (1 - middle) / (c * (1 - c)) > 0
        low, high = np.where(rising, low, middle), np.where(rising, middle, high)
    assert found == pytest.approx(0.5 * (low + high), rel=2e-5, abs=2e-12)


@pytest.mark.slow
def test_one_window_of_errors_fires_in_that_window():
    rng = np.random.default_rng(12)
    parts = [events(r, GOOD, rng, windows=range(-30, 10), per_window=n) for r, n in (("r1", 5400),)]
    parts += [
        events("r2", Behaviour(failing=0.5 if w == 7 else 0.005), rng, windows=range(w, w + 1), per_window=600)
        for w in range(10)
    ]
    verdict = judge_of(rollups(*parts)).verdict(START)
    assert verdict.verdict == "rollback"
    assert verdict.fired == START + timedelta(minutes=8)
    assert service(verdict, "5xx").first_fired == START + timedelta(minutes=8)


def test_names_are_readable():
    verdict = judge_of(canary(GOOD, GOOD, windows=3, per_window=60, actions=("GET /\x1b[31m\n" + "x" * 200,))).verdict(
        START
    )
    hostile = next(found for found in verdict.guards if found.action != SERVICE)
    assert label(hostile).isprintable()
    assert len(label(hostile)) <= 60


def test_evidence_against_equal_arms_agrees_with_the_exact_test():
    """With the alternative known, 1 / e is of the order of Fisher's exact p-value, and never below it."""
    guard = Guard("5xx", GuardPolicy(outcome="5xx", tolerated_ratio=1.0), Policy(dispersion=1.0))
    guard.update(np.array([0]), np.array([[[98]], [[31]]]), np.array([[[9310]], [[1020]]]))
    p_value = stats.fisher_exact([[31, 989], [98, 9212]], alternative="greater").pvalue
    assert p_value <= np.exp(-guard.log_e) <= 100 * p_value


@pytest.mark.slow
@pytest.mark.parametrize("good", [30, 120])
def test_errors_that_begin_after_good_windows_are_found_soon(good):
    """A good hour does not hide later errors; 6,000 requests a minute, 10 % canary, 5xx 0.5 to 2 %."""
    rng = np.random.default_rng(13)
    parts = [events("r1", GOOD, rng, windows=range(-60, good + 20), per_window=5400)]
    parts.append(events("r2", GOOD, rng, windows=range(good), per_window=600))
    parts.append(events("r2", Behaviour(failing=0.02), rng, windows=range(good, good + 20), per_window=600))
    fired = judge_of(rollups(*parts)).verdict(START).fired
    assert START + timedelta(minutes=good) < fired <= START + timedelta(minutes=good + 15)


def test_martingale_is_the_mean_over_start_times():
    """Against the sum over all starting times, written out."""
    rng = np.random.default_rng(14)
    steps = rng.standard_normal((45, 3, 2)) * 0.3
    plan, weights = Plan(once=0.4, later=0.3), np.array([0.25, 0.75])
    found = TestMartingale(np.log(weights), plan, (3,)).update(np.arange(45), steps)
    total = np.cumsum(steps, axis=0)
    wanted = np.full((45, 3), 1.0 - plan.once - plan.later)
    for k in range(5):
        part = plan.once if k == 0 else plan.later / (k * (k + 1))
        before = total[10 * k - 1] if k else 0.0
        wanted[10 * k :] += part * (np.exp(total[10 * k :] - before) @ weights)
    for k in range(5):
        wanted[10 * k : 10 * k + 10] += plan.later / (k + 1)
    assert np.exp(found) == pytest.approx(wanted)


def test_unit_added_later_has_started_as_the_others():
    rng = np.random.default_rng(15)
    steps = rng.standard_normal((40, 3, 2)) * 0.3
    steps[:25, 2] = 0.0
    plan, weights = Plan(once=0.4, later=0.3), np.log([0.25, 0.75])
    together, grown = TestMartingale(weights, plan, (3,)), TestMartingale(weights, plan, (2,))
    wanted = together.update(np.arange(40), steps)
    grown.update(np.arange(25), steps[:25, :2])
    grown.add_units(3)
    assert grown.update(np.arange(25, 40), steps[25:]) == pytest.approx(wanted[25:])


def test_effect_that_begins_later_does_not_count_as_noise():
    rng = np.random.default_rng(16)
    excess = rng.standard_normal((600, 1)) * 2.0
    excess[300:] += 6.0
    dispersion = Dispersion(1.5, 10)
    dispersion.update(np.arange(600), excess, np.full((600, 1), 4.0))
    assert dispersion.phi < 1.5


def test_actions_beyond_the_bound_are_judged_together_and_those_with_most_requests_alone():
    names = Names(3)
    names.learn(pa.chunked_array([["b", "a", "c", "d", "a"]]), pa.chunked_array([[1, 1, 5, 4, 2]]))
    assert names.number(["a", "b", "c", "d", "e"]).tolist() == [2, 3, 0, 1, 3]
    assert (list(names.known), names.folded) == (["c", "d", "a", "other"], {"b", "e"})
