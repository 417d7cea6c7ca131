"""Decide: read each guard's result from the judge's state, and derive the verdict from all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from pratique import __version__
from pratique.clock import from_ms
from pratique.config import Policy
from pratique.errors import MissingError
from pratique.judge.evidence import confidence, e_bh, estimate
from pratique.judge.findings import find
from pratique.judge.guard import NEVER, Guard, e_values, informative
from pratique.judge.hypergeometric import Floats, K
from pratique.judge.model import (
    SERVICE,
    Decision,
    GuardResult,
    GuardState,
    Trace,
    Verdict,
    WeightChanges,
)
from pratique.judge.reason import Reason, suspect_of, why_promoted, why_rolled_back, why_undecided
from pratique.judge.remaining import nothing_to_wait_for, remaining_for
from pratique.judge.share import time_without_share
from pratique.judge.state import JudgeState
from pratique.judge.text import guard_line
from pratique.telemetry.lost_lines import LostLines

METHOD = "e-processes conditional on each window's totals; confidence sequences by inversion"
SHOWN_FROM = 20
"""Bad requests below which no ratio is shown: it would suggest a precision that it does not have."""

SUSPICIOUS = 20.0
"""Evidence from which a guard that only watches is no longer met: a canary without a difference gets there in 1 of 20."""


def decide(
    state: JudgeState,
    now: datetime | None,
    weights: WeightChanges,
    notes: Sequence[str],
    lost: Sequence[LostLines] = (),
) -> Verdict:
    """Return the verdict on a state. The parameters are those of `Judge.verdict`.

    Raises: MissingError when no window was judged yet.
    """
    if state.start_ms is None or not state.requests:
        raise MissingError(
            f"no request of {state.canary!r} of {state.service!r} to judge: send it traffic, or choose another time range"
        )
    at_firing = [result for result in _results(state, state.guards_fired) if result.on_worse == "rollback"]
    guards = _shown(state, _with_firing(_results(state, state.guards), at_firing, 1.0 / state.policy.alpha))
    findings = find(state, guards, weights, notes, lost)
    combined = state.combined()
    start, end = from_ms(state.start_ms), state.end_of(state.last_ms or state.start_ms)
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
        cause=_cause(at_firing),
    )
    draft = _with_guard_lines(draft)
    now = max(now.replace(tzinfo=now.tzinfo or UTC), end) if now is not None else end
    # the deadline does not come nearer while nothing can be observed
    now -= time_without_share(weights, state.canary, start, now)
    return _decided(state, draft, now)


def _with_guard_lines(draft: Verdict) -> Verdict:
    """The verdict with the reason of each guard, which needs the evidence of all of them."""
    guards = tuple(replace(guard, reason=guard_line(guard, draft)) for guard in draft.guards)
    cause = draft.cause
    if cause is not None:
        cause = replace(cause, reason=guard_line(cause, draft))
    return replace(draft, guards=guards, cause=cause)


def _cause(at_firing: Sequence[GuardResult]) -> GuardResult | None:
    """The guard with the most evidence when the evidence fired, as it was then."""
    worst = max(at_firing, key=lambda guard: guard.e_value, default=None)
    return replace(worst, state="worse", e_value_fired=worst.e_value) if worst is not None else None


def _with_firing(
    guards: Sequence[GuardResult], at_firing: Sequence[GuardResult], needed: float
) -> Sequence[GuardResult]:
    """The results with their evidence of the moment of firing: a suspect is worse from then on."""
    if not at_firing:
        return guards
    then = {(guard.guard, guard.action): guard.e_value for guard in at_firing}
    cause = _cause(at_firing)
    named = (cause.guard, cause.action) if cause is not None else None
    found = []
    for guard in guards:
        fired = then.get((guard.guard, guard.action), 1.0)
        worse = guard.state == "suspect" or fired >= needed or (guard.guard, guard.action) == named
        worse = worse and guard.on_worse == "rollback"
        found.append(replace(guard, state="worse" if worse else guard.state, e_value_fired=fired))
    return found


def _decided(state: JudgeState, draft: Verdict, now: datetime) -> Verdict:
    policy = state.policy
    if draft.cause is not None:
        reason = why_rolled_back(draft, draft.cause, warmup_windows=policy.warmup_windows)
        return _with(draft, "rollback", reason)
    rolling = [finding for finding in draft.findings if finding.effect == "rollback"]
    if rolling:
        return _with(draft, "rollback", Reason.of(rolling[0].message))
    deciding = {guard.name: guard.settings for guard in state.guards if guard.settings.on_worse != "note"}
    results = [guard for guard in draft.guards if guard.guard in deciding]
    service = [guard for guard in results if guard.action == SERVICE]
    waiting = [
        guard
        for guard in service
        if guard.state in ("open", "suspect") or (guard.state != "met" and deciding[guard.guard].must_be_shown)
    ]
    held = [finding for finding in draft.findings if finding.effect == "hold"]
    few = draft.requests[draft.canary] < policy.minimum_requests
    if not waiting and not held and not few and not any(guard.flagged for guard in results):
        shown = [guard.guard for guard in service if deciding[guard.guard].must_be_shown]
        return _with(draft, "promote", why_promoted(draft, shown))
    names = {guard.guard for guard in waiting if guard.state != "not evaluated"}
    open_guards = [guard for guard in state.guards if guard.name in names]
    remaining = remaining_for(state, open_guards) if open_guards or few else None
    if any(finding.lasts for finding in held):
        remaining = nothing_to_wait_for(state)
    late = now - draft.start >= timedelta(minutes=policy.deadline_min)
    suspect = suspect_of(draft, results)
    reason = why_undecided(
        draft,
        suspect=suspect,
        deadline_min=policy.deadline_min if late else None,
        waiting=waiting,
        held=held,
        remaining=remaining,
    )
    decision: Decision = "continue"
    if late:
        decision = "rollback" if policy.at_deadline == "rollback" else "inconclusive"
    return _with(replace(draft, cause=suspect, remaining=remaining), decision, reason)


def _with(draft: Verdict, decision: Decision, reason: Reason) -> Verdict:
    return replace(draft, verdict=decision, reason=reason.full, summary=reason.summary, lacking=reason.lacking)


def _results(state: JudgeState, guards: Sequence[Guard]) -> list[GuardResult]:
    """Results for the whole service first, then per action. guards: in the order of the policy, or none."""
    names = list(state.actions.known)
    found = [_service_result(state, index, guard) for index, guard in enumerate(guards)]
    for index, guard in enumerate(guards):
        found += _action_results(state, index, guard, names)
    return found


def _shown(state: JudgeState, results: Sequence[GuardResult]) -> tuple[GuardResult, ...]:
    """The results that tell something: of guards that only watch, their line for the service and all that differs."""
    watching = {guard.name for guard in state.guards if not guard.settings.must_be_shown}
    return tuple(
        result
        for result in results
        if result.guard not in watching
        or result.flagged
        or result.state in ("worse", "suspect", "open")
        or (result.action == SERVICE and result.guard in state.watch.names)
    )


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
        ratio=float(estimate(guard.curve[None, :])[0]) if guard.curve.any() else None,
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
    lows, highs = _ends_of_actions(guard, policy)
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
            ratio=float(ratios[a]) if guard.curves[a].any() else None,
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


def _ends_of_actions(guard: Guard, policy: Policy) -> tuple[Floats, Floats]:
    """Return both ends of the confidence sequence of each action; actions without information share one curve."""
    known = np.flatnonzero(guard.curves.any(axis=1))
    curves = np.concatenate([guard.curves[known], np.zeros((1, K))])
    of_action = np.full(len(guard.curves), len(known))
    of_action[known] = np.arange(len(known))
    low, high = confidence(curves, guard.mixture, policy.alpha, policy.alpha_promote)
    return low[of_action], high[of_action]


def _threshold(state: JudgeState, index: int, action: int | None) -> float | None:
    return state.thresholds.ms(index, action) if state.guards[index].settings.is_latency else None


def _result(
    state: JudgeState,
    guard: Guard,
    *,
    action: str,
    bad: np.ndarray[tuple[int], np.dtype[np.int64]],
    n: np.ndarray[tuple[int], np.dtype[np.int64]],
    ratio: float | None,
    ends: tuple[float, float],
    excess_high: float | None,
    log_e: float,
    fired: int,
    met: bool,
    threshold_ms: float | None,
    flagged: bool,
) -> GuardResult:
    e_value = float(e_values(np.array(log_e)))
    suspect = e_value >= 1.0 / state.policy.alpha
    if not guard.settings.must_be_shown:
        met = bool(n.all()) and e_value < SUSPICIOUS
    evaluated = suspect or met or informative(bad, n)
    guard_state: GuardState = "suspect" if suspect else "met" if met else "open" if evaluated else "not evaluated"
    low, high = ends
    return GuardResult(
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
        at_bound=threshold_ms is not None and bool(state.thresholds.bounds_ms),
        flagged=flagged,
        outcome=guard.settings.outcome,
        on_worse=guard.settings.on_worse,
    )


def _trace(state: JudgeState) -> Trace:
    times = np.concatenate(state.time_ms) + state.window_ms
    times = times if state.end_ms is None else np.minimum(times, state.end_ms)
    per_guard = state.evidence()
    return Trace(
        times=times.astype("datetime64[ms]"),
        combined=state.combined(),
        guards={guard.name: per_guard[index] for index, guard in enumerate(state.guards)},
    )
