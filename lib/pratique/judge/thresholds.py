"""The duration from which a request counts as slow, fixed once, before the windows that are judged by it.

A latency guard's threshold is a quantile of the baseline's durations before the canary, per action. With too little
history the canary's first windows (both arms pooled) supply it, as many as needed; latency is not judged in them.
The evidence is valid because the null hypothesis is fixed before its data.

Where durations are known at the bounds of another program's histogram only, a threshold is one of them: the upper bound
of the bucket that holds the quantile, or the highest bound.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pratique.config import GuardPolicy
from pratique.judge.counts import SPAN, Rows, histograms
from pratique.judge.hypergeometric import Ints
from pratique.telemetry.buckets import LOWEST, PER_DOUBLING, bucket_below

ENOUGH_TIMED = 200
"""Timed requests that a threshold needs; two of them are slower than p99."""


class Thresholds:
    """The thresholds of all guards, per action."""

    def __init__(self, guards: Sequence[GuardPolicy]) -> None:
        """guards: all guards of the policy; for those on codes nothing counts as slow."""
        self._guards = guards
        self._source: list[Rows] = []
        self._timed = 0
        self._table: Ints | None = None
        self._bounds: tuple[float, ...] = ()

    def limit(self, bounds_ms: Sequence[float]) -> None:
        """Take only these durations in ms for thresholds; of several calls, those that all of them name."""
        known = [bound for bound in bounds_ms if not self._bounds or bound in self._bounds]
        self._bounds = tuple(known) or self._bounds

    @property
    def bounds_ms(self) -> tuple[float, ...]:
        """The only durations that a threshold can be, ms; empty when it can be any bucket."""
        return self._bounds

    def learn(self, rows: Rows) -> None:
        """Take in rows that thresholds are computed from."""
        self._source.append(rows)
        self._timed += int(rows.count.sum())

    @property
    def timed(self) -> int:
        """Return the number of timed requests learned from."""
        return self._timed

    @property
    def enough(self) -> bool:
        """Whether there are enough timed requests to fix the thresholds."""
        return self._timed >= ENOUGH_TIMED

    @property
    def settled(self) -> bool:
        """Whether the thresholds are fixed."""
        return self._table is not None

    def warm(self, rows: Rows, earliest_ms: int) -> int | None:
        """Learn from windows until there is enough. Return the start of the first window after that, from `earliest_ms` on.

        Times in epoch ms; None while there is not enough.
        """
        windows, index = np.unique(rows.time_ms, return_inverse=True)
        timed = np.bincount(np.repeat(index, rows.lengths), weights=rows.count, minlength=len(windows))
        before = self._timed + np.cumsum(timed) - timed
        ready = (windows >= earliest_ms) & (before >= ENOUGH_TIMED)
        first = int(windows[ready.argmax()]) if ready.any() else None
        self.learn(rows if first is None else rows.where(rows.time_ms < first))
        return first

    def settle(self, actions: int) -> list[float]:
        """Fix the thresholds. Return the tolerated odds ratio of each guard."""
        found = histograms(Rows.join(self._source), actions)
        self._source = []
        scale = Scale(self._bounds)
        self._table = np.stack([_thresholds(found, guard, scale) for guard in self._guards])
        return [_tolerance(found, row, guard, scale) for guard, row in zip(self._guards, self._table, strict=True)]

    def buckets(self, actions: int) -> Ints | None:
        """Return the first bucket (from 0) that is slow, shape (guards, actions + 1); None before they are fixed.

        The last column is the service's threshold; actions that appear later or have little traffic use it.
        """
        if self._table is None:
            return None
        missing = actions + 1 - self._table.shape[1]
        if missing > 0:
            last = self._table[:, -1:]
            self._table = np.concatenate([self._table[:, :-1], np.repeat(last, missing + 1, axis=1)], axis=1)
        return self._table

    def ms(self, guard: int, action: int | None) -> float | None:
        """Return the threshold of a guard in ms, for an action or (None) for the service; None before it is fixed."""
        if self._table is None:
            return None
        row = self._table[guard]
        bucket = row[-1] if action is None or action >= len(row) - 1 else row[action]
        at_bound = np.flatnonzero(Scale(self._bounds).index == bucket)
        return float(self._bounds[at_bound[-1]] if len(at_bound) else np.exp2((bucket + LOWEST) / PER_DOUBLING))


class Scale:
    """The bounds of a histogram among the buckets. index: for each bound the first bucket (from 0) that is beyond it."""

    def __init__(self, bounds_ms: Sequence[float]) -> None:
        self._bounds = np.array(bounds_ms, np.float64)
        self.index: Ints = np.array([bucket_below(bound) + 1 - LOWEST for bound in bounds_ms], np.int64)

    def __bool__(self) -> bool:
        return bool(len(self.index))

    def crossing(self, found: Ints, threshold: Ints, factor: float) -> float:
        """Return about how many requests would exceed their action's threshold if all were slower by a factor.

        Durations between two bounds are taken as spread evenly, as Prometheus does for quantiles.
        """
        total = 0.0
        for action, index in enumerate(threshold):
            at = int(np.searchsorted(self.index, index))
            upper, lower = self._bounds[at], self._bounds[at - 1] if at else 0.0
            share = min((upper - upper / factor) / (upper - lower), 1.0)
            total += share * float(found[action, index - 1])
        return total


def _thresholds(found: Ints, guard: GuardPolicy, scale: Scale) -> Ints:
    if not guard.is_latency:
        return np.full(len(found) + 1, SPAN)
    service = _quantile(found.sum(axis=0)[None, :], guard.quantile)[0]
    own = np.where(found.sum(axis=1) >= ENOUGH_TIMED, _quantile(found, guard.quantile), service)
    # nothing is known beyond the highest bound
    return np.minimum(np.append(own, service), scale.index[-1]) if scale else np.append(own, service)


def _quantile(found: Ints, quantile: float) -> Ints:
    """The bucket after the one that holds the quantile."""
    below = np.cumsum(found, axis=1)
    return np.asarray((below < quantile * below[:, -1:]).sum(axis=1) + 1, np.int64)


def _tolerance(found: Ints, threshold: Ints, guard: GuardPolicy, scale: Scale) -> float:
    """The odds ratio of "slower than the threshold" when all requests are slower by the tolerated factor."""
    if not guard.is_latency:
        return guard.tolerated_ratio or 1.0
    steps = round(PER_DOUBLING * math.log2(guard.tolerated_slower))
    total = int(found.sum())
    slow = _tail(found, threshold[:-1])
    slower = (
        slow + scale.crossing(found, threshold[:-1], guard.tolerated_slower)
        if scale
        else _tail(found, threshold[:-1] - steps)
    )
    tails = (slow, slower)
    odds, shifted = ((tail + 0.5) / (total - tail + 0.5) for tail in tails)
    return max(shifted / odds, guard.tolerated_ratio or 1.0)


def _tail(found: Ints, threshold: Ints) -> int:
    return int((found * (np.arange(found.shape[1])[None, :] >= threshold[:, None])).sum())
