"""From the judge's state to its verdict: what each guard says, and what follows from all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pratique import __version__
from pratique.errors import MissingError
from pratique.judge.evidence import confidence, e_bh, estimate
from pratique.judge.findings import find
from pratique.judge.guard import NEVER, Guard, evidence, telling
from pratique.judge.model import SERVICE, Decision, Finding, GuardResult, GuardState, Lack, Trace, Verdict
from pratique.judge.remaining import lack_of
from pratique.judge.text import guard_line, label, numbers

if TYPE_CHECKING:
    from pratique.judge.engine import Judge, WeightChanges

METHOD = "e-processes conditional on each window's totals; confidence sequences by inversion"
SHOWN_FROM = 20
"""Marked requests below which no ratio is shown: it would say more than it knows."""


def verdict_of(judge: Judge, now: datetime, weights: WeightChanges, notes: Sequence[str]) -> Verdict:
    """The verdict of a judge. Raises: MissingError when nothing was judged yet."""
    if judge.start_ms is None or not judge.requests:
        raise MissingError(
            f"no request of {judge.canary!r} of {judge.service!r} to judge: send it traffic, or look at another time range"
        )
    guards = _results(judge)
    findings = find(judge, guards, weights, notes)
    combined = judge.combined()
    start, end = judge.end_of(judge.start_ms - judge.window_ms), judge.end_of(judge.last_ms or judge.start_ms)
    requests = np.concatenate(judge.requests, axis=1).sum(axis=1)
    draft = Verdict(
        verdict="continue",
        reason="",
        service=judge.service,
        baseline=judge.baseline,
        canary=judge.canary,
        start=start,
        end=end,
        window_s=judge.window_ms // 1000,
        requests={judge.baseline: int(requests[0]), judge.canary: int(requests[1])},
        e_value=float(combined[-1]),
        needed=1.0 / judge.policy.alpha,
        fired=judge.end_of(judge.fired_ms) if judge.fired_ms is not None else None,
        guards=guards,
        findings=findings,
        lack=None,
        dispersion={guard.name: guard.phi for guard in judge.guards},
        trace=_trace(judge),
        alpha=judge.policy.alpha,
        alpha_promote=judge.policy.alpha_promote,
        method=METHOD,
        version=__version__,
    )
    decision, reason, lack = _decide(judge, draft, max(now, end) if now.tzinfo else now.replace(tzinfo=UTC))
    return replace(draft, verdict=decision, reason=reason, lack=lack)


def _decide(judge: Judge, draft: Verdict, now: datetime) -> tuple[Decision, str, Lack | None]:
    if draft.fired is not None:
        return "rollback", _why_worse(draft), None
    rolling = [finding for finding in draft.findings if finding.effect == "rollback"]
    if rolling:
        return "rollback", rolling[0].message, None
    service = [guard for guard in draft.guards if guard.action == SERVICE]
    waiting = [guard for guard in service if guard.state != "met"]
    held = [finding for finding in draft.findings if finding.effect == "hold"]
    named = [guard for guard in draft.guards if guard.named]
    few = draft.requests[draft.canary] < judge.policy.minimum_requests
    if not waiting and not held and not named and not few:
        total = draft.requests[draft.canary]
        return "promote", f"all {len(service)} guards are within their tolerances after {total:,} canary requests", None
    open_guards = [
        guard for guard in judge.guards if guard.name in {g.guard for g in waiting if g.state != "not evaluated"}
    ]
    lack = lack_of(judge, open_guards) if open_guards or few else None
    reason = _why_open(waiting, held, named, draft, lack)
    if now - draft.start >= timedelta(minutes=judge.policy.deadline_min):
        decision: Decision = "rollback" if judge.policy.at_deadline == "rollback" else "inconclusive"
        return decision, f"the deadline of {judge.policy.deadline_min:g} min has passed: {reason}", lack
    return "continue", reason, lack


def _why_worse(verdict: Verdict) -> str:
    worst = sorted(verdict.guards, key=lambda guard: (not guard.named, guard.action == SERVICE, -guard.e_value))
    worse = [guard for guard in worst if guard.state == "worse"] or sorted(verdict.guards, key=lambda g: -g.e_value)
    fired = f"{verdict.fired:%H:%M:%S}" if verdict.fired else ""
    return f"{verdict.canary} is worse than tolerated, shown at {fired}: {guard_line(worse[0], verdict)}"


def _why_open(
    waiting: list[GuardResult],
    held: list[Finding],
    named: list[GuardResult],
    draft: Verdict,
    lack: Lack | None,
) -> str:
    lacking = f"; lacking {lack.message}" if lack else ""
    if held:
        return f"{held[0].kind}: {held[0].message}{lacking}"
    if named:
        return f"{label(named[0])} looks worse, and the evidence of the whole does not suffice yet"
    if waiting:
        names = ", ".join(guard.guard for guard in waiting)
        return f"not yet shown to be within tolerance: {names}{lacking}"
    return f"only {draft.requests[draft.canary]:,} canary requests{lacking}"


def _results(judge: Judge) -> tuple[GuardResult, ...]:
    names = list(judge.actions.known)
    found = [_service_result(judge, index, guard) for index, guard in enumerate(judge.guards)]
    for index, guard in enumerate(judge.guards):
        found += _action_results(judge, index, guard, names)
    return tuple(found)


def _service_result(judge: Judge, index: int, guard: Guard) -> GuardResult:
    policy = judge.policy
    low, high = (
        float(end[0]) for end in confidence(guard.curve[None, :], guard.mixture, policy.alpha, policy.alpha_promote)
    )
    excess_high = guard.excess.high(policy.alpha_promote)
    met = high < guard.tolerance
    if guard.excess.tolerated > 0 and excess_high is not None:
        # where nearly every baseline request has the outcome, no excess can show, and none is no comfort
        met = met or (excess_high <= guard.excess.tolerated and telling(guard.bad.sum(axis=1), guard.n.sum(axis=1)))
    return _result(
        judge,
        guard,
        action=SERVICE,
        bad=guard.bad.sum(axis=1),
        n=guard.n.sum(axis=1),
        ratio=float(estimate(guard.curve[None, :])[0]),
        ends=(low, high),
        excess_high=excess_high,
        log_e=guard.log_e,
        fired=guard.fired.service,
        met=met,
        threshold_ms=_threshold(judge, index, None),
        named=False,
    )


def _action_results(judge: Judge, index: int, guard: Guard, names: list[str]) -> list[GuardResult]:
    policy = judge.policy
    guard.grow(len(names))
    lows, highs = confidence(guard.curves, guard.mixture, policy.alpha, policy.alpha_promote)
    ratios = estimate(guard.curves)
    named = e_bh(evidence(guard.log_e_actions), policy.alpha)
    seen = np.flatnonzero(guard.n.any(axis=0))
    return [
        _result(
            judge,
            guard,
            action=names[a],
            bad=guard.bad[:, a],
            n=guard.n[:, a],
            ratio=float(ratios[a]),
            ends=(float(lows[a]), float(highs[a])),
            excess_high=None,
            log_e=float(guard.log_e_actions[a]),
            fired=int(guard.fired.actions[a]),
            met=bool(highs[a] < guard.tolerance),
            threshold_ms=_threshold(judge, index, int(a)),
            named=bool(named[a]),
        )
        for a in seen
    ]


def _threshold(judge: Judge, index: int, action: int | None) -> float | None:
    found = judge.thresholds.ms
    if found is None or not judge.settings[index].is_latency:
        return None
    row = found[index]
    return float(row[-1] if action is None or action >= len(row) - 1 else row[action])


def _result(
    judge: Judge,
    guard: Guard,
    *,
    action: str,
    bad: np.ndarray[tuple[int], np.dtype[np.int64]],
    n: np.ndarray[tuple[int], np.dtype[np.int64]],
    ratio: float,
    ends: tuple[float, float],
    excess_high: float | None,
    log_e: float,
    fired: int,
    met: bool,
    threshold_ms: float | None,
    named: bool,
) -> GuardResult:
    e_value = float(evidence(np.array(log_e)))
    worse = e_value >= 1.0 / judge.policy.alpha
    evaluated = worse or met or telling(bad, n)
    state: GuardState = "worse" if worse else "met" if met else "open" if evaluated else "not evaluated"
    low, high = ends
    result = GuardResult(
        guard=guard.name,
        action=action,
        bad={judge.baseline: int(bad[0]), judge.canary: int(bad[1])},
        requests={judge.baseline: int(n[0]), judge.canary: int(n[1])},
        ratio=ratio if evaluated and bad.sum() >= SHOWN_FROM else None,
        ratio_low=low if evaluated else None,
        ratio_high=high if evaluated and math.isfinite(high) else None,
        excess=float(bad[1] / n[1] - bad[0] / n[0]) if evaluated else None,
        excess_high=excess_high if evaluated else None,
        tolerated_ratio=guard.tolerance,
        tolerated_excess=guard.excess.tolerated,
        e_value=e_value,
        first_fired=judge.fired_at(fired) if fired != NEVER else None,
        state=state,
        reason="",
        threshold_ms=threshold_ms,
        named=named,
    )
    line = f"{label(result)}: {numbers(result, judge.baseline, judge.canary, 1.0 / judge.policy.alpha)}"
    return replace(result, reason=line)


def _trace(judge: Judge) -> Trace:
    times = np.concatenate(judge.time_ms) + judge.window_ms
    per_guard = np.concatenate(judge.evidence, axis=1)
    return Trace(
        times=times.astype("datetime64[ms]"),
        combined=judge.combined(),
        guards={guard.name: per_guard[index] for index, guard in enumerate(judge.guards)},
    )
