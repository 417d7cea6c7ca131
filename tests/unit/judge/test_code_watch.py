"""No status code is without a guard: whatever the canary answers differently stops it, and is named."""

import numpy as np
import pyarrow as pa
import pytest

from pratique.config import GuardPolicy, Policy
from pratique.judge import Judge
from pratique.judge.model import SERVICE
from pratique.telemetry.rollups import Rollups
from support.simulate import START, Behaviour, events, plain

GOOD = Behaviour()
OK = {200: 0.9, 302: 0.06, 404: 0.04}
LATENCY_ONLY = {"slow": GuardPolicy(outcome="p95", tolerated_slower=1.2, tolerated_excess=0.01)}
SERVER_ERRORS_ONLY = {"errors": GuardPolicy(outcome="500", tolerated_ratio=1.5)}


def coded(codes, rng, **kwargs):
    """Requests whose codes have the given shares."""
    table = events(kwargs.pop("revision"), GOOD, rng, **kwargs)
    drawn = rng.choice(np.array(list(codes), np.int16), len(table), p=np.array(list(codes.values())))
    return table.set_column(table.schema.get_field_index("code"), "code", pa.array(drawn)).cast(plain(table))


def verdict(canary, baseline=OK, *, history=OK, windows=40, policy=None, step=False):
    """The verdict on revisions whose codes have these shares; 600 requests a minute, canary 10 %."""
    rng = np.random.default_rng(11)
    past = [coded(history, rng, revision="r1", windows=range(-30, 0), per_window=600)] if history else []
    tables = [
        coded(baseline, rng, revision="r1", windows=range(windows), per_window=540),
        coded(canary, rng, revision="r2", windows=range(windows), per_window=60),
    ]
    judge = Judge(policy or Policy(deadline_min=240), "shop", "r1", "r2", 60, start=START)
    found = Rollups.from_events(pa.concat_tables([*past, *tables]), window_s=60)
    if step:
        for window in sorted(set(found.table["window"].to_pylist())):
            judge.update(Rollups(found.table.filter(pa.compute.equal(found.table["window"], window))))
    else:
        judge.update(found)
    return judge.verdict(START)


@pytest.mark.parametrize("guards", [None, LATENCY_ONLY, SERVER_ERRORS_ONLY], ids=["defaults", "latency", "500"])
@pytest.mark.parametrize(
    ("canary", "named"),
    [
        ({302: 1.0}, "code 302"),
        ({200: 0.7, 302: 0.06, 404: 0.04, 204: 0.2}, "code 204"),
        ({200: 0.96, 404: 0.04}, "code 200"),
        ({200: 0.85, 302: 0.06, 404: 0.04, 101: 0.05}, "code 101"),
        ({200: 0.85, 302: 0.06, 404: 0.04, 0: 0.05}, "no answer"),
        ({200: 0.85, 302: 0.06, 404: 0.04, -1: 0.05}, "no answer"),
        ({200: 0.85, 302: 0.06, 404: 0.04, 999: 0.05}, "no answer"),
        ({200: 0.85, 302: 0.06, 404: 0.04, 502: 0.05}, "5xx"),
    ],
)
@pytest.mark.slow
def test_code_that_has_become_more_frequent_is_rolled_back_and_named(canary, named, guards):
    policy = Policy(deadline_min=240, **({"guards": guards} if guards else {}))
    found = verdict(canary, policy=policy)
    assert found.verdict == "rollback"
    assert named in {guard.guard for guard in found.guards if guard.state == "worse"}


@pytest.mark.parametrize("guards", [None, LATENCY_ONLY], ids=["defaults", "latency"])
@pytest.mark.slow
def test_client_aborts_are_never_promoted(guards):
    policy = Policy(deadline_min=240, **({"guards": guards} if guards else {}))
    found = verdict({200: 0.82, 302: 0.06, 404: 0.04, 499: 0.08}, policy=policy)
    assert found.verdict == "rollback"
    assert "499" in found.reason


def test_fewer_client_errors_hold_a_promotion_with_a_finding():
    """A login check that is gone answers 200 where it answered 401."""
    found = verdict({200: 0.9, 302: 0.1}, {200: 0.7, 302: 0.1, 401: 0.2}, history={200: 0.7, 302: 0.1, 401: 0.2})
    assert found.verdict == "continue"
    assert any(f.kind == "guard" and f.effect == "hold" and "fewer 4xx" in f.message for f in found.findings)


def test_repaired_server_errors_are_no_difference_of_other_codes():
    broken = {200: 0.84, 302: 0.06, 503: 0.1}
    found = verdict({200: 0.93, 302: 0.06, 503: 0.01}, broken, history=broken)
    assert found.verdict != "rollback"
    assert not [guard for guard in found.guards if guard.guard.startswith(("code", "other")) and guard.state != "met"]


@pytest.mark.slow
def test_new_code_counts_the_same_window_by_window_and_all_at_once():
    new = {200: 0.83, 302: 0.06, 404: 0.04, 204: 0.03, 304: 0.04}
    whole, step = verdict(new, windows=12), verdict(new, windows=12, step=True)
    assert step.e_value == pytest.approx(whole.e_value, rel=1e-9)
    assert step.trace.combined == pytest.approx(whole.trace.combined, rel=1e-9)


@pytest.mark.parametrize("reaction", ["hold", "note", "ignore"])
@pytest.mark.slow
def test_reaction_of_a_guard_can_be_configured(reaction):
    policy = Policy(deadline_min=240)
    other = policy.guards["other codes"].model_copy(update={"on_worse": reaction})
    policy = policy.model_copy(update={"guards": {**policy.guards, "other codes": other}})
    found = verdict({302: 1.0}, policy=policy)
    assert found.verdict == "continue"
    noted = [f.effect for f in found.findings if f.kind == "guard" and "302" in f.message]
    assert noted == ([] if reaction == "ignore" else [reaction])


@pytest.mark.slow
def test_codes_beyond_the_most_share_one_guard():
    many = {200 + index: 0.02 for index in range(40)} | {240: 0.2}
    found = verdict({200 + index: 0.002 for index in range(40)} | {240: 0.02, 300: 0.9}, many, history=many)
    assert found.verdict == "rollback"
    assert "other codes" in {guard.guard for guard in found.guards if guard.state == "worse"}


def test_guards_of_a_service_without_own_ones_are_shown_for_the_service():
    found = verdict(OK, windows=5)
    assert {"no answer", "other codes", "fewer 4xx"} <= {g.guard for g in found.guards if g.action == SERVICE}


@pytest.mark.slow
def test_false_alarms_of_other_codes_stay_below_alpha():
    """300 canaries without a difference; α 1 %. The chance of 8 or more is 1 % at α."""
    codes = {200: 0.8, 302: 0.1, 304: 0.05, 404: 0.05}
    policy = Policy(deadline_min=10**6, dispersion=1.0, guards=LATENCY_ONLY)
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        tables = []
        for revision, rate, windows in (("r1", 60, range(-10, 40)), ("r2", 30, range(40))):
            tables.append(coded(codes, rng, revision=revision, windows=windows, per_window=rate))
        judge = Judge(policy, "shop", "r1", "r2", 60, start=START)
        judge.update(Rollups.from_events(pa.concat_tables(tables), window_s=60))
        alarms += judge.state.fired_ms is not None
    assert alarms < 8
