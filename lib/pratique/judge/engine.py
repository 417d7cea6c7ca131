"""The judge: takes windows as they close, keeps additive state, and can be asked at any time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from pratique.judge.counts import SPAN, Counts, Names, Rows, count, histograms, rows_of
from pratique.judge.dispersion import by_block
from pratique.judge.guard import NEVER, Guard, evidence
from pratique.judge.hypergeometric import Floats, Ints, variance_of
from pratique.judge.model import Verdict
from pratique.policy import Policy
from pratique.telemetry.buckets import LOWEST, PER_DOUBLING
from pratique.telemetry.rollups import Rollups

ENOUGH_TIMED = 200
"""Timed requests of history from which a quantile's threshold is taken; two of them are slower than p99."""
RESERVE = 0.1
"""Part of the actions' evidence kept for actions that appear later."""
WeightChanges = Sequence[tuple[datetime, dict[str, float]]]


class Judge:
    """Judge one canary. Feed it windows in order; what comes for a window already judged is counted as late."""

    def __init__(
        self,
        policy: Policy,
        service: str,
        baseline: str,
        canary: str,
        window_s: int,
        *,
        start: datetime | None = None,
    ) -> None:
        """window_s: length of a window. start: windows before it are history; default: the canary's first request's."""
        self.policy = policy
        self.service = service
        self.baseline = baseline
        self.canary = canary
        self.window_ms = window_s * 1000
        self.guards = [Guard(name, settings, policy) for name, settings in policy.guards.items()]
        self.settings = [guard.settings for guard in self.guards]
        self.actions, self.hosts = Names(), Names()
        self.start_ms = int(start.timestamp() * 1000) if start else None
        self.history: list[Rows] = []
        self.had_history = False
        self.late = 0
        self.last_ms: int | None = None
        self.time_ms: list[Ints] = []
        self.requests: list[Ints] = []
        self.evidence: list[Floats] = []
        self.canary_hosts: set[int] = set()
        self.fired_ms: int | None = None
        self._prepared = False
        self._thresholds: Ints | None = None
        self._warming: list[Rows] = []
        self._weights = np.zeros(0)
        total = sum(guard.weight for guard in self.settings)
        self._shares = np.array([guard.weight / total for guard in self.settings])

    def update(self, rollups: Rollups) -> None:
        """Take in rows of windows that are complete. Costs what the new windows cost."""
        if not len(rollups):
            return
        rows = rows_of(rollups, self.baseline, self.canary, self.actions, self.hosts)
        if self.last_ms is not None:
            late = rows.time_ms <= self.last_ms
            self.late += int(rows.n[late].sum())
            rows = rows.where(~late)
        if self.start_ms is None and (rows.arm == 1).any():
            self.start_ms = int(rows.time_ms[rows.arm == 1].min())
        history = rows.time_ms < self.start_ms if self.start_ms is not None else np.ones(len(rows), bool)
        self.history.append(rows.where(history & (rows.arm == 0)))
        judged = rows.where(~history)
        if len(judged):
            self._judge(judged)

    def verdict(self, now: datetime, *, weights: WeightChanges = (), notes: Sequence[str] = ()) -> Verdict:
        """The verdict after what has been taken in. now: for the deadline. weights: the shares in force over time.

        notes: what the collector says was late or lost.
        """
        from pratique.judge.verdict import verdict_of  # noqa: PLC0415 - the verdict reads the judge

        return verdict_of(self, now, weights, notes)

    @property
    def threshold_ms(self) -> Floats | None:
        """Per guard and action the duration from which a request counts as slow; None before it is known."""
        return None if self._thresholds is None else np.exp2((self._thresholds + LOWEST) / PER_DOUBLING)

    def _judge(self, rows: Rows) -> None:
        self._prepare(rows)
        assert self.start_ms is not None  # noqa: S101 - set before the first judged row
        warm_ms = self.start_ms + self._warmup() * self.window_ms
        warming = rows.time_ms < warm_ms
        if warming.any() and self._thresholds is None:
            self._warming.append(rows.where(warming))
        if not warming.all():
            self._set_thresholds()
        known = self._grown_thresholds() if self._thresholds is not None else None
        counts = count(rows, self.settings, known, len(self.actions))
        cold = counts.time_ms < warm_ms
        for index, guard in enumerate(self.settings):
            if guard.is_latency:
                counts.bad[index][:, cold] = counts.n[index][:, cold] = 0
        self._advance(counts)
        self.canary_hosts |= set(np.unique(rows.host[rows.arm == 1]).tolist())

    def _warmup(self) -> int:
        # without history the thresholds come from the warm-up, so there is one window of it at least
        return max(self.policy.warmup_windows, 0 if self._enough_history() else 1)

    def _enough_history(self) -> bool:
        return sum(int(rows.count.sum()) for rows in self.history) >= ENOUGH_TIMED

    def _prepare(self, rows: Rows) -> None:
        """Before the first judged window: weights of the actions, and what history says of shares and noise."""
        if not self._prepared:
            self._prepared = True
            history = Rows.join(self.history)
            self.had_history = bool(len(history))
            known = history if len(history) else rows.where(rows.time_ms == rows.time_ms.min())
            traffic = np.bincount(known.action, weights=known.n, minlength=len(self.actions))
            root = np.sqrt(traffic)
            self._weights = (1.0 - RESERVE) * root / max(root.sum(), 1.0)
            self._late_actions = 0
            if self._enough_history():
                self._set_thresholds()
            if len(history):
                self._learn(history)
        missing = len(self.actions) - len(self._weights)
        if missing > 0:
            # a fixed, falling share of the reserve for each newcomer: 50 / (i + 50)^2 sums to at most about 1
            order = self._late_actions + np.arange(missing)
            self._weights = np.concatenate([self._weights, RESERVE * 49.0 / (order + 50.0) ** 2])
            self._late_actions += missing

    def _set_thresholds(self) -> None:
        if self._thresholds is not None:
            return
        source = Rows.join(self.history if self._enough_history() else [*self.history, *self._warming])
        found = histograms(source, len(self.actions))
        pooled = found.sum(axis=0)
        rows = [_thresholds(found, pooled, guard.quantile) if guard.is_latency else None for guard in self.settings]
        none = np.full(len(self.actions) + 1, SPAN)
        self._thresholds = np.stack([row if row is not None else none for row in rows])
        for guard, threshold in zip(self.guards, self._thresholds, strict=True):
            if guard.settings.is_latency:
                guard.tolerate(
                    _tolerance(found, threshold, guard.settings.tolerated_slower, guard.settings.tolerated_ratio)
                )

    def _grown_thresholds(self) -> Ints:
        """Thresholds with a column for each action; one that appeared later takes the service's."""
        assert self._thresholds is not None  # noqa: S101 - set by the caller
        missing = len(self.actions) + 1 - self._thresholds.shape[1]
        if missing > 0:
            last = self._thresholds[:, -1:]
            self._thresholds = np.concatenate([self._thresholds[:, :-1], np.repeat(last, missing + 1, axis=1)], axis=1)
        return self._thresholds[:, :-1]

    def _learn(self, history: Rows) -> None:
        thresholds = self._grown_thresholds() if self._thresholds is not None else None
        sides = history.host % 2 if len(np.unique(history.host % 2)) > 1 else np.zeros(len(history), np.int64)
        counts = count(history, self.settings, thresholds, len(self.actions), side=sides)
        window = counts.time_ms // self.window_ms
        for guard, bad, n in zip(self.guards, counts.bad, counts.n, strict=True):
            guard.excess.learn(int(bad.sum()), int(n.sum()))
            if not sides.any():
                continue
            marked, total, canary = bad.sum(axis=0), n.sum(axis=0), n[1]
            excess = bad[1] - marked * canary / np.maximum(total, 1)
            variance = variance_of(total, marked, canary)
            blocks = [by_block(window, values, self.policy.dispersion_block) for values in (excess, variance)]
            guard.service_dispersion.learn(*(values.sum(axis=1, keepdims=True) for values in blocks))
            guard.action_dispersion.learn(*blocks)

    def _advance(self, counts: Counts) -> None:
        assert self.start_ms is not None  # noqa: S101 - set before the first judged row
        window = (counts.time_ms - self.start_ms) // self.window_ms
        found = [
            self._mixed(*guard.feed(window, bad, n))
            for guard, bad, n in zip(self.guards, counts.bad, counts.n, strict=True)
        ]
        after = np.stack(found)
        self.time_ms.append(counts.time_ms)
        self.requests.append(counts.requests.sum(axis=2))
        self.evidence.append(after)
        self.last_ms = int(counts.time_ms[-1])
        fired = self._shares @ after >= 1.0 / self.policy.alpha
        if self.fired_ms is None and fired.any():
            self.fired_ms = int(counts.time_ms[np.argmax(fired)])

    def _mixed(self, log_service: Floats, log_actions: Floats) -> Floats:
        """A guard's e-value after each window: half the service's, half its actions' by their weights."""
        return np.asarray(0.5 * evidence(log_service) + 0.5 * (evidence(log_actions) @ self._weights), np.float64)

    def combined(self) -> Floats:
        """The combined e-value after each window judged."""
        return self._shares @ np.concatenate(self.evidence, axis=1) if self.evidence else np.zeros(0)

    def end_of(self, time_ms: int) -> datetime:
        """The end of the window that starts at `time_ms`."""
        return datetime.fromtimestamp((time_ms + self.window_ms) / 1000, UTC)

    def fired_at(self, window: int) -> datetime | None:
        """The end of a window by its number from the start."""
        if window == NEVER or self.start_ms is None:
            return None
        return self.end_of(self.start_ms + window * self.window_ms)


def _thresholds(found: Ints, pooled: Ints, quantile: float) -> Ints:
    """The first bucket that is slower than the quantile, per action; the last entry is the service's own."""
    service = _threshold(pooled[None, :], quantile)[0]
    own = np.where(found.sum(axis=1) >= ENOUGH_TIMED, _threshold(found, quantile), service)
    return np.append(own, service)


def _threshold(found: Ints, quantile: float) -> Ints:
    below = np.cumsum(found, axis=1)
    return np.asarray((below < quantile * below[:, -1:]).sum(axis=1) + 1, np.int64)


def _tolerance(found: Ints, threshold: Ints, slower: float, ratio: float | None) -> float:
    """The odds ratio of "slower than the threshold" that a baseline slower by a factor would have."""
    steps = round(16 * math.log2(slower))
    above = _tail(found, threshold[:-1])
    shifted = _tail(found, threshold[:-1] - steps)
    total = int(found.sum())
    odds: npt.NDArray[np.float64] = np.array([(count + 0.5) / (total - count + 0.5) for count in (above, shifted)])
    return max(float(odds[1] / odds[0]), ratio or 1.0)


def _tail(found: Ints, threshold: Ints) -> int:
    return int((found * (np.arange(found.shape[1])[None, :] >= threshold[:, None])).sum())
