"""Decide: read each guard's result from the judge's state, and derive the verdict from all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from pratique import __version__
from pratique.errors import MissingError
from pratique.judge.evidence import confidence, e_bh, estimate
from pratique.judge.findings import find
from pratique.judge.guard import NEVER, Guard, e_values, informative
from pratique.judge.model import (
    SERVICE,
    Decision,
    Finding,
    GuardResult,
    GuardState,
    Remaining,
    Trace,
    Verdict,
    WeightChanges,
)
from pratique.judge.remaining import remaining_for
from pratique.judge.state import JudgeState
from pratique.judge.text import guard_line, label, numbers
from pratique.telemetry.lost_lines import LostLines

METHOD = "e-processes conditional on each window's totals; confidence sequences by inversion"
SHOWN_FROM = 20
"""Bad requests below which no ratio is shown: it would suggest a precision that it does not have."""

SUSPICIOUS = 20.0
"""Evidence from which a guard that only watches is no longer met: a canary without a difference gets there in 1 of 20."""


def decide(
    state: JudgeState, now: datetime, weights: WeightChanges, notes: Sequence[str], lost: Sequence[LostLines] = ()
) -> Verdict:
    """Return the verdict on a state. The parameters are those of `Judge.verdict`.

    Raises: MissingError when no window was judged yet.
    """
    if state.start_ms is None or not state.requests:
        raise MissingError(
            f"no request of {state.canary!r} of {state.service!r} to judge: send it traffic, or choose another time range"
        )
    guards = _results(state)
    findings = find(state, guards, weights, notes, lost)
    combined = state.combined()
    start, end = state.end_of(state.start_ms - state.window_ms), state.end_of(state.last_ms or state.start_ms)
    requests = np.concatenate(state.requests, axis=1).sum(axis=1)
    draft = Verdict(
        verdict="continue",
        reason="",
        service=state.service,
        baseline=state.baseline,
        canary=state.canary,
        start=start,
        end=end,
        window_s=state.window_ms // 1000,
        requests={state.baseline: int(requests[0]), state.canary: int(requests[1])},
        e_value=float(combined[-1]),
        needed=1.0 / state.policy.alpha,
        fired=state.end_of(state.fired_ms) if state.fired_ms is not None else None,
        guards=guards,
        findings=findings,
        remaining=None,
        dispersion={guard.name: guard.phi for guard in state.guards},
        trace=_trace(state),
        alpha=state.policy.alpha,
        alpha_promote=state.policy.alpha_promote,
        method=METHOD,
        version=__version__,
    )
    decision, reason, remaining = _decision(state, draft, max(now, end) if now.tzinfo else now.replace(tzinfo=UTC))
    return replace(draft, verdict=decision, reason=reason, remaining=remaining)


def _decision(state: JudgeState, draft: Verdict, now: datetime) -> tuple[Decision, str, Remaining | None]:
    if draft.fired is not None:
        return "rollback", _why_worse(draft), None
    rolling = [finding for finding in draft.findings if finding.effect == "rollback"]
    if rolling:
        return "rollback", rolling[0].message, None
    deciding = {guard.name: guard.settings for guard in state.guards if guard.settings.on_worse != "note"}
    service = [guard for guard in draft.guards if guard.action == SERVICE and guard.guard in deciding]
    waiting = [
        guard
        for guard in service
        if guard.state in ("open", "worse") or (guard.state != "met" and deciding[guard.guard].must_be_shown)
    ]
    held = [finding for finding in draft.findings if finding.effect == "hold"]
    flagged = [guard for guard in draft.guards if guard.flagged and guard.guard in deciding]
    few = draft.requests[draft.canary] < state.policy.minimum_requests
    if not waiting and not held and not flagged and not few:
        total = draft.requests[draft.canary]
        return "promote", f"all {len(service)} guards are within their tolerances after {total:,} canary requests", None
    open_guards = [
        guard for guard in state.guards if guard.name in {g.guard for g in waiting if g.state != "not evaluated"}
    ]
    remaining = remaining_for(state, open_guards) if open_guards or few else None
    reason = _why_open(waiting, held, flagged, draft, remaining)
    if now - draft.start >= timedelta(minutes=state.policy.deadline_min):
        decision: Decision = "rollback" if state.policy.at_deadline == "rollback" else "inconclusive"
        return decision, f"the deadline of {state.policy.deadline_min:g} min has passed: {reason}", remaining
    return "continue", reason, remaining


def _why_worse(verdict: Verdict) -> str:
    worst = sorted(verdict.guards, key=lambda guard: (not guard.flagged, guard.action == SERVICE, -guard.e_value))
    worse = [guard for guard in worst if guard.state == "worse"] or sorted(verdict.guards, key=lambda g: -g.e_value)
    fired = f"{verdict.fired:%H:%M:%S}" if verdict.fired else ""
    return f"{verdict.canary} is worse than tolerated, shown at {fired}: {guard_line(worse[0], verdict)}"


def _why_open(
    waiting: list[GuardResult],
    held: list[Finding],
    flagged: list[GuardResult],
    draft: Verdict,
    remaining: Remaining | None,
) -> str:
    needs = f"; {remaining.message}" if remaining else ""
    if held:
        return f"{held[0].kind}: {held[0].message}{needs}"
    if flagged:
        return f"{label(flagged[0])} looks worse, but the combined evidence is not yet conclusive"
    if waiting:
        names = ", ".join(guard.guard for guard in waiting)
        return f"not yet shown to be within tolerance: {names}{needs}"
    return f"only {draft.requests[draft.canary]:,} canary requests{needs}"


def _results(state: JudgeState) -> tuple[GuardResult, ...]:
    names = list(state.actions.known)
    found = [_service_result(state, index, guard) for index, guard in enumerate(state.guards)]
    for index, guard in enumerate(state.guards):
        found += _action_results(state, index, guard, names)
    watching = {guard.name for guard in state.guards if not guard.settings.must_be_shown}
    return tuple(result for result in found if _is_shown(result, result.guard in watching, state.watch.names))


def _is_shown(result: GuardResult, watching: bool, named: list[str]) -> bool:
    """Whether a result tells something: of guards that only watch, their line for the service and what differs."""
    if not watching or result.flagged or result.state in ("worse", "open"):
        return True
    return result.action == SERVICE and result.guard in named


def _service_result(state: JudgeState, index: int, guard: Guard) -> GuardResult:
    policy = state.policy
    low, high = (
        float(end[0]) for end in confidence(guard.curve[None, :], guard.mixture, policy.alpha, policy.alpha_promote)
    )
    excess_high = guard.excess.high(policy.alpha_promote)
    met = high < guard.tolerance
    if guard.excess.tolerated > 0 and excess_high is not None:
        # where nearly every baseline request has the outcome, the canary cannot exceed it: a low excess proves nothing
        met = met or (excess_high <= guard.excess.tolerated and informative(guard.bad.sum(axis=1), guard.n.sum(axis=1)))
    return _result(
        state,
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
        threshold_ms=_threshold(state, index, None),
        flagged=False,
    )


def _action_results(state: JudgeState, index: int, guard: Guard, names: list[str]) -> list[GuardResult]:
    policy = state.policy
    guard.add_actions(len(names))
    lows, highs = confidence(guard.curves, guard.mixture, policy.alpha, policy.alpha_promote)
    ratios = estimate(guard.curves)
    flagged = e_bh(e_values(guard.log_e_actions), policy.alpha)
    seen = np.flatnonzero(guard.n.any(axis=0))
    return [
        _result(
            state,
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
            threshold_ms=_threshold(state, index, int(a)),
            flagged=bool(flagged[a]),
        )
        for a in seen
    ]


def _threshold(state: JudgeState, index: int, action: int | None) -> float | None:
    found = state.thresholds.ms
    if found is None or not state.guards[index].settings.is_latency:
        return None
    row = found[index]
    return float(row[-1] if action is None or action >= len(row) - 1 else row[action])


def _result(
    state: JudgeState,
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
    flagged: bool,
) -> GuardResult:
    e_value = float(e_values(np.array(log_e)))
    worse = e_value >= 1.0 / state.policy.alpha
    if not guard.settings.must_be_shown:
        met = bool(n.all()) and e_value < SUSPICIOUS
    evaluated = worse or met or informative(bad, n)
    guard_state: GuardState = "worse" if worse else "met" if met else "open" if evaluated else "not evaluated"
    low, high = ends
    result = GuardResult(
        guard=guard.name,
        action=action,
        bad={state.baseline: int(bad[0]), state.canary: int(bad[1])},
        requests={state.baseline: int(n[0]), state.canary: int(n[1])},
        ratio=ratio if evaluated and bad.sum() >= SHOWN_FROM else None,
        ratio_low=low if evaluated else None,
        ratio_high=high if evaluated and math.isfinite(high) else None,
        excess=float(bad[1] / n[1] - bad[0] / n[0]) if evaluated and n.all() else None,
        excess_high=excess_high if evaluated else None,
        tolerated_ratio=guard.tolerance,
        tolerated_excess=guard.excess.tolerated,
        e_value=e_value,
        first_fired=state.fired_at(fired) if fired != NEVER else None,
        state=guard_state,
        reason="",
        threshold_ms=threshold_ms,
        flagged=flagged,
    )
    line = f"{label(result)}: {numbers(result, state.baseline, state.canary, 1.0 / state.policy.alpha)}"
    return replace(result, reason=line)


def _trace(state: JudgeState) -> Trace:
    times = np.concatenate(state.time_ms) + state.window_ms
    per_guard = state.evidence()
    return Trace(
        times=times.astype("datetime64[ms]"),
        combined=state.combined(),
        guards={guard.name: per_guard[index] for index, guard in enumerate(state.guards)},
    )
