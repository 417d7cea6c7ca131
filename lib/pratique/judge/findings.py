"""What is missing or odd in the data. A finding is told, or holds a promotion, or rolls back: the policy says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from pratique.config import Reaction
from pratique.judge.hypergeometric import Floats, Ints
from pratique.judge.martingale import log_sum_exp
from pratique.judge.model import SERVICE, Finding, GuardResult

if TYPE_CHECKING:
    from pratique.judge.engine import Judge, WeightChanges

NOISY = 5.0
"""φ from which single requests say little: look for what makes the traffic so uneven."""
FURTHER: Floats = np.array([1.2, 1.5, 2.0, 4.0])
"""Alternatives to "the share is within its tolerance", as factors of the odds."""


def find(
    judge: Judge, guards: Sequence[GuardResult], weights: WeightChanges, notes: Sequence[str]
) -> tuple[Finding, ...]:
    """Everything that a person must know beside the guards."""
    found = [*_no_data(judge, guards), *_share(judge, weights), *_gaps(judge, weights), *_little(judge)]
    found += [Finding("collector", "note", note) for note in notes]
    return tuple(found)


def _finding(kind: str, reaction: Reaction, message: str) -> list[Finding]:
    return [] if reaction == "ignore" else [Finding(kind, reaction, message)]


def _no_data(judge: Judge, guards: Sequence[GuardResult]) -> list[Finding]:
    total = np.sum([requests.sum(axis=1) for requests in judge.requests], axis=0) if judge.requests else np.zeros(2)
    missing = [name for name, count in zip((judge.baseline, judge.canary), total, strict=True) if count == 0]
    messages = [f"no request of {name} in the time judged" for name in missing]
    if not missing:
        untold = [guard for guard in guards if guard.action == SERVICE and guard.state == "not evaluated"]
        messages = [f"{guard.guard} could not be evaluated: {_why_untold(judge, guard)}" for guard in untold]
    return [finding for message in messages for finding in _finding("no data", judge.policy.on_no_data, message)]


def _why_untold(judge: Judge, guard: GuardResult) -> str:
    if not all(guard.requests.values()):
        return "no request with a duration in both revisions after the warm-up"
    share = guard.bad[judge.baseline] / guard.requests[judge.baseline]
    what = "slow" if guard.threshold_ms is not None else guard.guard
    return f"{share:.0%} of the baseline's requests are {what}, which leaves no room to be worse"


def _share(judge: Judge, weights: WeightChanges) -> list[Finding]:
    """Whether the canary's part of the requests is what its weight explains, at every look."""
    if not weights or not judge.requests:
        return []
    time_ms, requests = np.concatenate(judge.time_ms), np.concatenate(judge.requests, axis=1)
    share = _in_force(time_ms, judge.window_ms, weights, judge.canary, judge.baseline)
    usable = (share > 0) & (share < 1)
    if not usable.any():
        return []
    canary, total, share = requests[1][usable], requests.sum(axis=0)[usable], share[usable]
    limit = -math.log(judge.policy.alpha)
    for direction in (1, -1):
        log_e = _share_evidence(canary, total, share, judge.policy.share_tolerance, direction)
        log_e = log_e / judge.policy.dispersion_without_history
        if (log_e >= limit).any():
            measured, expected = canary.sum() / max(total.sum(), 1), (share * total).sum() / max(total.sum(), 1)
            message = f"the canary got {measured:.1%} of the requests where its weight explains {expected:.1%}"
            return _finding("share mismatch", judge.policy.on_share_mismatch, message)
    return []


def _share_evidence(canary: Ints, total: Ints, share: Floats, tolerance: float, direction: int) -> Floats:
    """Log e-value after each window against odds of the share beyond tolerance, up (1) or down (-1)."""
    odds = share / (1.0 - share)
    at_edge = odds * tolerance**direction
    beyond = at_edge[:, None] * FURTHER ** float(direction)
    p, q = (at_edge / (1.0 + at_edge))[:, None], beyond / (1.0 + beyond)
    steps = canary[:, None] * np.log(q / p) + (total - canary)[:, None] * np.log((1.0 - q) / (1.0 - p))
    return np.asarray(log_sum_exp(np.cumsum(steps, axis=0)) - math.log(len(FURTHER)), np.float64)


def _in_force(time_ms: Ints, window_ms: int, weights: WeightChanges, canary: str, baseline: str) -> Floats:
    """The canary's part of both revisions' weight per window; nan where it changed within the window or is unknown."""
    share = np.full(len(time_ms), np.nan)
    changes = sorted(weights, key=lambda change: change[0])
    for (start, shares), (end, _) in zip(changes, [*changes[1:], (datetime.max.replace(tzinfo=UTC), {})], strict=True):
        both = shares.get(canary, 0.0) + shares.get(baseline, 0.0)
        # a request counts where it began, and is answered by whoever had the weight then; one window of grace
        whole = (time_ms >= start.timestamp() * 1000) & (time_ms + window_ms <= min(end.timestamp(), 1e11) * 1000)
        share[whole] = shares.get(canary, 0.0) / both if both > 0 else np.nan
    return np.asarray(np.nan_to_num(share), np.float64)


def _gaps(judge: Judge, weights: WeightChanges) -> list[Finding]:
    if not weights or not judge.requests:
        return []
    time_ms, requests = np.concatenate(judge.time_ms), np.concatenate(judge.requests, axis=1)
    share = _in_force(time_ms, judge.window_ms, weights, judge.canary, judge.baseline)
    # a window counts as a gap when a canary with its share would have been seen with a chance of 99.9 %
    silent = (requests[1] == 0) & (requests[0] * share > 7.0)
    if not silent.any():
        return []
    when = judge.end_of(int(time_ms[silent][0])).strftime("%H:%M:%S")
    message = f"no canary request in {int(silent.sum())} windows in which it had weight, the first ending {when}"
    return _finding("gap", judge.policy.on_no_data, message)


def _little(judge: Judge) -> list[Finding]:
    found = []
    if not judge.had_history:
        found.append(
            Finding("no history", "note", "no baseline requests before the canary: thresholds come from the warm-up")
        )
    for guard in judge.guards:
        if guard.phi > NOISY:
            message = f"{guard.name}: counts vary {guard.phi:.1f} times as much as chance explains; evidence is divided by that"
            found.append(Finding("noisy", "note", message))
    if judge.late:
        found.append(
            Finding(
                "late lines",
                "note",
                f"{judge.late:,} requests came after their window had been judged, and are left out",
            )
        )
    if len(judge.canary_hosts) == 1 and judge.fired_ms is not None:
        message = "one host answered for the canary: its own trouble would look like the release's"
        found.append(Finding("few instances", "note", message))
    return found
