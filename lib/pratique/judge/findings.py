"""Problems with the data. The policy decides whether a finding is a note, holds a promotion, or rolls back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pratique.config import Reaction
from pratique.judge.hypergeometric import Floats
from pratique.judge.lost import lost as lost_lines
from pratique.judge.lost import uneven_messages
from pratique.judge.model import SERVICE, Finding, GuardResult, WeightChanges
from pratique.judge.outage import outage
from pratique.judge.share import in_force, share_findings
from pratique.judge.silence import silence
from pratique.judge.state import JudgeState
from pratique.judge.text import listed
from pratique.judge.thresholds import ENOUGH_TIMED
from pratique.judge.unlike_actions import unlike_actions
from pratique.judge.untimed import untimed
from pratique.number_text import duration, percent
from pratique.telemetry.lost_lines import LostLines

MOST_BOUNDS = 15
"""Bounds of a histogram that a finding lists."""
NOISY = 5.0
"""φ above which a finding asks a person to find out why the traffic is so uneven."""


def find(
    state: JudgeState,
    guards: Sequence[GuardResult],
    weights: WeightChanges,
    notes: Sequence[str],
    lost: Sequence[LostLines] = (),
) -> tuple[Finding, ...]:
    """Return every finding. notes: lines that the collector reports; each becomes a finding of kind "collector".

    lost: lines that imports could not count.
    """
    found = [
        *outage(state),
        *_no_data(state, guards),
        *share_findings(state, guards, weights),
        *silence(state, _weighed(state, weights)),
        *unlike_actions(state),
        *untimed(state),
    ]
    requests = np.sum([part.sum(axis=1) for part in state.requests], axis=0) if state.requests else np.zeros(2, int)
    found += lost_lines(lost, state.policy, dict(zip((state.baseline, state.canary), requests.tolist(), strict=True)))
    found += uneven_messages(lost, state.policy, state.baseline, state.canary)
    found += [*_guards_that_do_not_roll_back(state), *_minor(state)]
    found += [Finding("metrics", "hold", text) for text in state.unseen]
    found += [Finding("metrics", "note", note) for note in [*state.measured, *_coarse(state, guards)]]
    found += [Finding("collector", "note", note) for note in notes]
    return tuple(found)


def _finding(kind: str, reaction: Reaction, message: str) -> list[Finding]:
    return [] if reaction == "ignore" else [Finding(kind, reaction, message)]


def _no_data(state: JudgeState, guards: Sequence[GuardResult]) -> list[Finding]:
    total = np.sum([requests.sum(axis=1) for requests in state.requests], axis=0) if state.requests else np.zeros(2)
    missing = [name for name, count in zip((state.baseline, state.canary), total, strict=True) if count == 0]
    messages = [f"no request of {name} in the time range judged" for name in missing]
    if not missing:
        shown = {guard.name for guard in state.guards if guard.settings.must_be_shown}
        skipped = [g for g in guards if g.action == SERVICE and g.guard in shown and g.state == "not evaluated"]
        reasons: dict[str, list[str]] = {}
        for guard in skipped:
            reasons.setdefault(_why_skipped(state, guard), []).append(guard.guard)
        messages = [f"{listed(names)} could not be evaluated: {why}" for why, names in reasons.items()]
    return [finding for message in messages for finding in _finding("no data", state.policy.on_no_data, message)]


def _why_skipped(state: JudgeState, guard: GuardResult) -> str:
    if not all(guard.requests.values()):
        return "no request with a duration in both revisions after the warm-up"
    share = guard.bad[state.baseline] / guard.requests[state.baseline]
    outcome = "slow" if guard.threshold_ms is not None else guard.guard
    return f"{percent(share)} of the baseline's requests are {outcome}, which leaves no room to be worse"


def _weighed(state: JudgeState, weights: WeightChanges) -> Floats | None:
    """The canary's share of the weights in each window; None without weights."""
    if not weights or not state.time_ms:
        return None
    return in_force(np.concatenate(state.time_ms), state.window_ms, weights, state.canary, state.baseline)


def _guards_that_do_not_roll_back(state: JudgeState) -> list[Finding]:
    """Guards on which a difference was shown, and for which the policy wants a hold or a note."""
    found = []
    for guard, evidence in zip(state.guards, state.evidence(), strict=True):
        reaction = guard.settings.on_worse
        if reaction != "rollback" and (evidence >= 1.0 / state.policy.alpha).any():
            shares = [f"{bad:,}/{n:,}" for bad, n in zip(guard.bad.sum(axis=1), guard.n.sum(axis=1), strict=True)]
            message = f"{guard.name}: {shares[1]} canary against {shares[0]} baseline, beyond the tolerance"
            found += _finding("guard", reaction, message)
    return found


def _minor(state: JudgeState) -> list[Finding]:
    found = []
    if state.thin_history is not None and any(guard.settings.is_latency for guard in state.guards):
        found.append(Finding("no history", "note", f"{_history(state.thin_history)}: thresholds come from the warm-up"))
    noisy = [guard for guard in state.guards if guard.phi > NOISY]
    for guards in ([guard for guard in noisy if guard.settings.is_latency is latency] for latency in (False, True)):
        if guards:
            times = " and ".join(dict.fromkeys(f"{guard.phi:.1f}" for guard in guards))
            message = f"{listed([guard.name for guard in guards])}: counts vary {times} times as much as chance explains; the evidence is divided by that factor"
            found.append(Finding("noisy", "note", message))
    if state.late:
        found.append(
            Finding(
                "late lines",
                "note",
                f"{state.late:,} requests came after their window had been judged and are not counted",
            )
        )
    if len(state.canary_hosts) == 1 and state.fired_ms is not None:
        message = "only one host served the canary: a problem of that host looks like a problem of the release"
        found.append(Finding("few instances", "note", message))
    return found


def _coarse(state: JudgeState, guards: Sequence[GuardResult]) -> list[str]:
    """Say at which bounds of a histogram latency is judged, and which of them two guards share."""
    at: dict[float, list[str]] = {}
    for guard in guards:
        if guard.action == SERVICE and guard.threshold_ms is not None:
            at.setdefault(guard.threshold_ms, []).append(guard.guard)
    if not at or not state.thresholds.bounds_ms:
        return []
    judged = ", ".join(f"{' and '.join(names)} at {duration(bound)}" for bound, names in sorted(at.items()))
    bounds = ", ".join(map(duration, state.thresholds.bounds_ms[:MOST_BOUNDS]))
    more = ", …" if len(state.thresholds.bounds_ms) > MOST_BOUNDS else ""
    return [f"durations are known at the histogram's bounds only ({bounds}{more}): {judged}; nothing between is seen"]


def _history(timed: int) -> str:
    if not timed:
        return "no timed baseline request before the canary"
    few = "1 baseline request was" if timed == 1 else f"{timed:,} baseline requests were"
    return f"only {few} timed before the canary, and a threshold needs {ENOUGH_TIMED}"
