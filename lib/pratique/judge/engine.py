"""The judge: takes windows as they close, keeps additive state, and can be asked at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from pratique.config import Policy
from pratique.judge.action_weights import Stakes
from pratique.judge.blocks import by_block
from pratique.judge.counts import Counts, Names, Rows, count, rows_of
from pratique.judge.guard import NEVER, Guard, evidence
from pratique.judge.hypergeometric import Floats, Ints, variance_of
from pratique.judge.model import Verdict
from pratique.judge.thresholds import Thresholds
from pratique.telemetry.rollups import Rollups

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
        """window_s: length of a window; shorter ones in the data are put together.

        start: windows before the one that holds it are history; default: the canary's first request's.
        """
        self.policy = policy
        self.service = service
        self.baseline = baseline
        self.canary = canary
        self.window_ms = window_s * 1000
        self.guards = [Guard(name, settings, policy) for name, settings in policy.guards.items()]
        self.settings = [guard.settings for guard in self.guards]
        self.actions, self.hosts = Names(), Names()
        self.start_ms = int(start.timestamp() * 1000) // self.window_ms * self.window_ms if start else None
        self.history: list[Rows] = []
        self.had_history = False
        self.late = 0
        self.last_ms: int | None = None
        self.time_ms: list[Ints] = []
        self.requests: list[Ints] = []
        self.evidence: list[Floats] = []
        self.canary_hosts: set[int] = set()
        self.fired_ms: int | None = None
        self.thresholds = Thresholds(self.settings)
        self._warm_ms: int | None = None
        self._stakes: Stakes | None = None
        total = sum(guard.weight for guard in self.settings)
        self._shares = np.array([guard.weight / total for guard in self.settings])

    def update(self, rollups: Rollups) -> None:
        """Take in rows of windows that are complete. Costs what the new windows cost."""
        if not len(rollups):
            return
        rows = rows_of(rollups, self.baseline, self.canary, self.actions, self.hosts)
        rows = replace(rows, time_ms=rows.time_ms - rows.time_ms % self.window_ms)
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

    def _judge(self, rows: Rows) -> None:
        if self._stakes is None:
            self._stakes = self._begin(rows)
        self._stakes.admit(rows, list(self.actions.known))
        if self._warm_ms is None:
            self._warm_ms = self.thresholds.warm(rows, self._earliest_ms())
            if self._warm_ms is not None:
                self._settle()
        self._advance(self._counts(rows))
        self.canary_hosts |= set(np.unique(rows.host[rows.arm == 1]).tolist())

    def _begin(self, rows: Rows) -> Stakes:
        """Before the first judged window: what history says of thresholds, shares, noise, and traffic per action."""
        history = Rows.join(self.history)
        self.had_history = bool(len(history))
        self.thresholds.learn(history)
        if self.thresholds.enough:
            self._warm_ms = self._earliest_ms()
            self._settle()
        if self.had_history:
            self._learn(history)
        known = history if self.had_history else rows.where(rows.time_ms == rows.time_ms.min())
        return Stakes(known, len(self.actions))

    def _earliest_ms(self) -> int:
        assert self.start_ms is not None  # noqa: S101 - set before the first judged row
        return self.start_ms + self.policy.warmup_windows * self.window_ms

    def _settle(self) -> None:
        for guard, ratio in zip(self.guards, self.thresholds.settle(len(self.actions)), strict=True):
            if guard.settings.is_latency:
                guard.tolerate(ratio)

    def _counts(self, rows: Rows, *, side: Ints | None = None) -> Counts:
        """Outcomes per window and action; latency's only where it is judged."""
        buckets = self.thresholds.buckets(len(self.actions))
        buckets = buckets[:, :-1] if buckets is not None else None
        counts = count(rows, self.settings, buckets, len(self.actions), side=side)
        if side is None and self._warm_ms is not None:
            cold = counts.time_ms < self._warm_ms
            for index, guard in enumerate(self.settings):
                if guard.is_latency:
                    counts.bad[index][:, cold] = counts.n[index][:, cold] = 0
        return counts

    def _learn(self, history: Rows) -> None:
        sides = history.host % 2 if len(np.unique(history.host % 2)) > 1 else np.zeros(len(history), np.int64)
        counts = self._counts(history, side=sides)
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
        """A guard's e-value after each window: half the service's, half its actions' by their stakes."""
        assert self._stakes is not None  # noqa: S101 - set before the first window
        return np.asarray(0.5 * evidence(log_service) + 0.5 * self._stakes.mean(evidence(log_actions)), np.float64)

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
