"""The canary's share of the requests: which weight was in force, whether the requests match it, and when it had none.

A canary that gets another share than its weight is not the canary that was planned: a cookie, a second balancer or a
retry decides instead. The evidence counts only once it has persisted: no window counts for more than a third of what
is needed, so one odd window is never enough, and later windows that match the weight cancel it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pratique.clock import from_ms
from pratique.judge.dispersion import MEDIAN_OF_CHI_SQUARE, PRIOR_STEPS
from pratique.judge.hypergeometric import Floats, Ints
from pratique.judge.martingale import log_sum_exp
from pratique.judge.model import Finding, GuardResult, WeightChanges
from pratique.judge.state import JudgeState
from pratique.weight_changes import WeightChange

FURTHER: Floats = np.array([1.2, 1.5, 2.0, 4.0])
"""Alternatives to "the share is within its tolerance", as factors of the odds."""
PERSISTENT_WINDOWS = 3
"""Windows that must contradict the weight, at least."""
FEWEST_STEPS = 5
"""Steps from window to window, or from block to block, from which dispersion can be measured."""
FOREVER = datetime.max.replace(tzinfo=UTC)


def in_force(time_ms: Ints, window_ms: int, weights: WeightChanges, canary: str, baseline: str) -> Floats:
    """Return the canary's share of both revisions' weight per window; 0 where it is unknown.

    It is unknown where it changed within the window, and from the time a change was asked for until it was confirmed.
    """
    share = np.full(len(time_ms), np.nan)
    for change, end in spans(weights):
        both = change.shares.get(canary, 0.0) + change.shares.get(baseline, 0.0)
        # a request counts in the window in which it began, so only windows with one weight throughout can be compared
        begin_ms, end_ms = change.in_force.timestamp() * 1000, min(end.timestamp(), 1e11) * 1000
        whole = (time_ms >= begin_ms) & (time_ms + window_ms <= end_ms)
        share[whole] = change.shares.get(canary, 0.0) / both if both > 0 else np.nan
    return np.asarray(np.nan_to_num(share), np.float64)


def spans(weights: WeightChanges) -> list[tuple[WeightChange, datetime]]:
    """Return each change, in order of time, with the time when the next one was asked for."""
    changes = sorted((WeightChange(*change) for change in weights), key=lambda change: change.time)
    return list(zip(changes, [*(change.time for change in changes), FOREVER][1:], strict=True))


def time_without_share(weights: WeightChanges, canary: str, start: datetime, end: datetime) -> timedelta:
    """Return how much of [start, end) nothing could be observed in: the canary had no share, or its share was unknown."""
    changes = spans(weights)
    missing = timedelta(0)
    for change, until in changes:
        without = change.shares.get(canary, 0.0) == 0
        missing += _overlap(change.time, until if without else change.in_force, start, end)
    return missing


def share_findings(state: JudgeState, guards: Sequence[GuardResult], weights: WeightChanges) -> list[Finding]:
    """Return the findings about shares: a mismatch, and why the canary had no share for a time."""
    if not weights or not state.requests:
        return []
    begin, end = from_ms(int(state.start_ms or 0)), state.end_of(int(state.last_ms or 0))
    noted = [change for change, _ in spans(weights) if change.note and begin <= change.in_force and change.time < end]
    found = [Finding(change.kind, "note", f"{change.note}: its windows do not count") for change in noted]
    mismatch = _mismatch(state, weights)
    reaction = state.policy.on_share_mismatch
    if mismatch is None or reaction == "ignore":
        return found
    if any(guard.state == "worse" or guard.flagged for guard in guards):
        # a canary that looks worse is the more urgent news, and the mismatch must not take its place
        reaction = "note"
    return [*found, Finding("share mismatch", reaction, str(mismatch))]


@dataclass(frozen=True)
class Mismatch:
    """Windows whose requests contradict the weight. measured, expected: share, from 0 to 1. start, end: UTC."""

    measured: float
    expected: float
    windows: int
    start: datetime
    end: datetime

    def __str__(self) -> str:
        """The mismatch in one line."""
        return (
            f"the canary got {self.measured:.1%} of the requests, but its weight accounts for {self.expected:.1%}, "
            f"in {self.windows:,} windows from {self.start:%H:%M:%S} to {self.end:%H:%M:%S}"
        )


def _mismatch(state: JudgeState, weights: WeightChanges) -> Mismatch | None:
    """Return the windows that contradict the weight, if their evidence lasts until now."""
    time_ms, requests = np.concatenate(state.time_ms), np.concatenate(state.requests, axis=1)
    share = in_force(time_ms, state.window_ms, weights, state.canary, state.baseline)
    usable = (share > 0) & (share < 1) & (requests.sum(axis=0) > 0)
    if not usable.any():
        return None
    time_ms, canary, total, share = time_ms[usable], requests[1][usable], requests.sum(axis=0)[usable], share[usable]
    phi = share_dispersion(canary, total, share, state.policy.dispersion_without_history, state.policy.dispersion_block)
    limit = -math.log(state.policy.alpha)
    for direction in (1, -1):
        log_e = evidence(canary, total, share, state.policy.share_tolerance, direction, phi=phi, limit=limit)
        if log_e[-1] < limit:
            continue
        # the evidence rises from its lowest point on
        part = slice(int(np.argmin(np.minimum.accumulate(np.append(0.0, log_e[:-1])))), None)
        whole = max(int(total[part].sum()), 1)
        return Mismatch(
            measured=float(canary[part].sum() / whole),
            expected=float((share * total)[part].sum() / whole),
            windows=len(total[part]),
            start=from_ms(int(time_ms[part][0])),
            end=state.end_of(int(time_ms[-1])),
        )
    return None


def evidence(
    canary: Ints, total: Ints, share: Floats, tolerance: float, direction: int, *, phi: float, limit: float
) -> Floats:
    """Return the log e-value after each window that the odds of the share are beyond tolerance, above (1) or below (-1).

    phi: overdispersion, by which the evidence is divided. limit: the evidence needed. A window counts for at most
    limit / PERSISTENT_WINDOWS; a bound from above leaves an e-process (its increments have a mean of at most 1).
    """
    odds = share / (1.0 - share)
    at_edge = odds * tolerance**direction
    beyond = at_edge[:, None] * FURTHER ** float(direction)
    p, q = (at_edge / (1.0 + at_edge))[:, None], beyond / (1.0 + beyond)
    steps = canary[:, None] * np.log(q / p) + (total - canary)[:, None] * np.log((1.0 - q) / (1.0 - p))
    bounded = np.minimum(steps / phi, limit / PERSISTENT_WINDOWS)
    return np.asarray(log_sum_exp(np.cumsum(bounded, axis=0)) - math.log(len(FURTHER)), np.float64)


def share_dispersion(canary: Ints, total: Ints, share: Floats, prior: float, block: int) -> float:
    """Return φ of the share: how much more than chance it varies from window to window, and from block to block.

    Successive differences leave a constant mismatch out. Blocks show what lasts longer than a window, such as users
    that stay with their revision. prior: φ without data; it is also the least.
    """
    excess, variance = canary - share * total, share * (1.0 - share) * total
    found = [prior]
    for length in {1, block}:
        starts = np.arange(0, len(total), length)
        d, v = (np.add.reduceat(values, starts) for values in (excess, variance))
        # a difference of two means has mean 0 and this variance, whatever the mismatch
        expected = v[:-1] * v[1:] / (v[:-1] + v[1:])
        squares = ((d[:-1] * v[1:] - d[1:] * v[:-1]) / (v[:-1] + v[1:])) ** 2
        if len(squares) < FEWEST_STEPS:
            continue
        # the median: the step at which a mismatch begins is no dispersion
        typical = float(np.median(squares / expected)) / MEDIAN_OF_CHI_SQUARE
        found.append((PRIOR_STEPS * prior + len(squares) * typical) / (PRIOR_STEPS + len(squares)))
    return max(found)


def _overlap(start: datetime, end: datetime, first: datetime, last: datetime) -> timedelta:
    return max(timedelta(0), min(end, last) - max(start, first))
