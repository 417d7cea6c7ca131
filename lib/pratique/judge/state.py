"""The judge's state after each window: additive counts and evidence, so a new window costs only itself."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pratique.clock import from_ms
from pratique.config import Policy
from pratique.judge.action_weights import ActionWeights, mixed
from pratique.judge.code_watch import CodeWatch
from pratique.judge.counts import Names, OutcomeCounts, Rows, count_outcomes, rows_of
from pratique.judge.guard import NEVER, Guard, e_values
from pratique.judge.hypergeometric import Floats, Ints
from pratique.judge.thresholds import Thresholds
from pratique.telemetry.cardinality import MOST_ACTIONS
from pratique.telemetry.rollups import Rollups

Times = TypeVar("Times", int, Ints)
Bools = npt.NDArray[np.bool_]


MOSTLY = 0.5
"""Part of the windows in which two halves of the hosts must have served, for the hosts to tell the dispersion."""


class JudgeState:
    """The state of one canary's judgement.

    time_ms, requests, e_values: one array for each update, of the windows judged in it: their starts (epoch ms),
        their requests of shape (arms, windows), and the guards' e-values of shape (guards, windows).
    start_ms, end_ms: the range judged, epoch ms; the start is None before the canary's first request.
    last_ms: start of the last window judged, epoch ms; None before it.
    fired_ms: start of the first window after which the combined evidence passed 1/alpha; None until then.
    thin_history: the baseline's timed requests before the canary where they are too few for thresholds, which come from
        the warm-up then; None where the history is enough.
    measured: sentences on what the measurements cannot tell, in order of appearance.
    guards_fired: the guards as they were after that window; empty until then.
    late: requests that came for a window already judged. canary_hosts: numbers of the hosts that served the canary.
    """

    def __init__(
        self,
        policy: Policy,
        service: str,
        baseline: str,
        canary: str,
        window_s: int,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> None:
        """The parameters are those of `Judge`."""
        self.policy = policy
        self.service = service
        self.baseline = baseline
        self.canary = canary
        self.window_ms = window_s * 1000
        self.watch = CodeWatch(policy)
        self.guards = self.watch.guards()
        self.actions, self.hosts = Names(MOST_ACTIONS), Names()
        self.start_ms = int(start.timestamp() * 1000) if start else None
        self.end_ms = int(end.timestamp() * 1000) if end else None
        self.history: list[Rows] = []
        self.thin_history: int | None = None
        self.late = 0
        self.last_ms: int | None = None
        self.time_ms: list[Ints] = []
        self.requests: list[Ints] = []
        self.timed: list[Ints] = []
        self.e_values: list[Floats] = []
        self.canary_hosts: set[int] = set()
        self.fired_ms: int | None = None
        self.guards_fired: list[Guard] = []
        self.measured: dict[str, None] = {}
        self.unseen: dict[str, None] = {}
        self.thresholds = Thresholds([guard.settings for guard in self.guards])
        self._warm_ms: int | None = None
        self._action_weights: ActionWeights | None = None

    def update(self, rollups: Rollups) -> None:
        """Take in rows of complete windows. The cost depends on the new windows only."""
        if not len(rollups):
            return
        self.measured.update(dict.fromkeys(rollups.limits.notes))
        self.unseen.update(dict.fromkeys(rollups.limits.unseen))
        self.thresholds.limit(rollups.limits.bounds_ms)
        rows = rows_of(rollups, self.baseline, self.canary, self.actions, self.hosts)
        if self.last_ms is not None:
            late = self._window_of(rows.time_ms) <= self.last_ms
            self.late += int(rows.n[late].sum())
            rows = rows.where(~late)
        if self.start_ms is None and (rows.arm == 1).any():
            self.start_ms = self._window_of(int(rows.time_ms[rows.arm == 1].min()))
        self.history.append(self._joined(rows.where(self._before_range(rows) & (rows.arm == 0))))
        judged = self._joined(rows.where(self._in_range(rows)))
        if len(judged):
            self._judge(judged)

    # a row across a bound of the range has requests of both sides: it is neither history nor judged

    def _before_range(self, rows: Rows) -> Bools:
        return np.ones(len(rows), bool) if self.start_ms is None else rows.end_ms <= self.start_ms

    def _in_range(self, rows: Rows) -> Bools:
        if self.start_ms is None:
            return np.zeros(len(rows), bool)
        inside = rows.time_ms >= self.start_ms
        return inside if self.end_ms is None else inside & (rows.end_ms <= self.end_ms)

    def _window_of(self, time_ms: Times) -> Times:
        return time_ms - time_ms % self.window_ms

    def _joined(self, rows: Rows) -> Rows:
        return replace(rows, time_ms=self._window_of(rows.time_ms))

    def _judge(self, rows: Rows) -> None:
        if self._action_weights is None:
            self._action_weights = self._begin(rows)
        self._action_weights.add_new(rows, list(self.actions.known))
        self.guards += self.watch.new_guards(rows)
        if self._warm_ms is None:
            self._warm_ms = self.thresholds.warm(rows, self._earliest_ms())
            if self._warm_ms is not None:
                self._settle()
        self._advance(self._counts(rows))
        self.canary_hosts |= set(np.unique(rows.host[rows.arm == 1]).tolist())

    def _begin(self, rows: Rows) -> ActionWeights:
        """Learn thresholds, shares and noise from the history, and weigh the actions, before the first judged window."""
        history = Rows.join(self.history)
        self.guards += self.watch.new_guards(history)
        self.thresholds.learn(history)
        if self.thresholds.enough:
            self._warm_ms = self._earliest_ms()
            self._settle()
        else:
            self.thin_history = self.thresholds.timed
        if len(history):
            self._learn(history)
        known = history if len(history) else rows.where(rows.time_ms == rows.time_ms.min())
        return ActionWeights(known, len(self.actions))

    def _earliest_ms(self) -> int:
        assert self.start_ms is not None  # noqa: S101 - set before the first judged row
        return self._window_of(self.start_ms) + self.policy.warmup_windows * self.window_ms

    def _settle(self) -> None:
        for guard, ratio in zip(self.guards, self.thresholds.settle(len(self.actions)), strict=False):
            if guard.settings.is_latency:
                guard.tolerate(ratio)

    def _counts(self, rows: Rows, *, side: Ints | None = None) -> OutcomeCounts:
        """Outcomes per window and action; of latency only in windows after the warm-up."""
        buckets = self.thresholds.buckets(len(self.actions))
        buckets = buckets[:, :-1] if buckets is not None else None
        outcomes = [guard.outcome for guard in self.guards]
        counts = count_outcomes(rows, outcomes, buckets, len(self.actions), side=side)
        if side is None and self._warm_ms is not None:
            in_warmup = counts.time_ms < self._warm_ms
            for index, guard in enumerate(self.guards):
                if guard.settings.is_latency:
                    counts.bad[index][:, in_warmup] = counts.n[index][:, in_warmup] = 0
        return counts

    def _learn(self, history: Rows) -> None:
        several = _both_serve(history)
        place = history.time_ms // self.window_ms % self.policy.dispersion_block
        side = history.host % 2 if several else (2 * place >= self.policy.dispersion_block).astype(np.int64)
        counts = self._counts(history, side=side)
        window = counts.time_ms // self.window_ms
        for guard, bad, n in zip(self.guards, counts.bad, counts.n, strict=True):
            guard.learn(int(bad.sum()), int(n.sum()))
            if guard.outcome is None or guard.outcome.outcome != "other":
                # a code counts there in its first window only, before it gets its own guard
                guard.learn_dispersion(window, bad, n, halves=not several)

    def _advance(self, counts: OutcomeCounts) -> None:
        assert self.start_ms is not None  # noqa: S101 - set before the first judged row
        window = (counts.time_ms - self._window_of(self.start_ms)) // self.window_ms
        # after a single window the guards are as they were at that moment, so no copy is needed
        before = copy.deepcopy(self.guards) if self.fired_ms is None and len(window) > 1 else []
        found = [
            self._mixed(*guard.update(window, bad, n))
            for guard, bad, n in zip(self.guards, counts.bad, counts.n, strict=True)
        ]
        after = np.stack(found)
        self.time_ms.append(counts.time_ms)
        self.requests.append(counts.requests.sum(axis=2))
        self.timed.append(counts.timed.sum(axis=2))
        self.e_values.append(after)
        self.last_ms = int(counts.time_ms[-1])
        fired = self.watch.weights @ (after - 1.0) + 1.0 >= 1.0 / self.policy.alpha
        if self.fired_ms is None and fired.any():
            self.fired_ms = int(counts.time_ms[np.argmax(fired)])
            windows = int(np.argmax(fired)) + 1
            self.guards_fired = _updated(before, window, counts, windows) if before else copy.deepcopy(self.guards)

    def _mixed(self, log_service: Floats, log_actions: Floats) -> Floats:
        """A guard's e-value after each window."""
        assert self._action_weights is not None  # noqa: S101 - set before the first window
        return mixed(e_values(log_service), self._action_weights.mean(e_values(log_actions)))

    def combined(self) -> Floats:
        """Return the combined e-value after each window judged."""
        return 1.0 + self.watch.weights @ (self.evidence() - 1.0)

    def evidence(self) -> Floats:
        """Return the e-value of each guard after each window, shape (guards, windows); 1 before a guard existed."""
        missing = [len(self.guards) - len(found) for found in self.e_values]
        padded = [
            np.pad(e, ((0, rows), (0, 0)), constant_values=1.0) for e, rows in zip(self.e_values, missing, strict=True)
        ]
        return np.concatenate(padded, axis=1) if padded else np.ones((len(self.guards), 0))

    def end_of(self, time_ms: int) -> datetime:
        """Return the end (UTC) of the window that starts at `time_ms`, at most that of the range judged."""
        end = time_ms + self.window_ms
        return from_ms(end if self.end_ms is None else min(end, self.end_ms))

    def fired_at(self, window: int) -> datetime | None:
        """Return the end (UTC) of a window by its number from the start; None for NEVER."""
        if window == NEVER or self.start_ms is None:
            return None
        return self.end_of(self._window_of(self.start_ms) + window * self.window_ms)


def _both_serve(history: Rows) -> bool:
    """Whether both halves of the hosts had requests in most of the windows."""
    times, window = np.unique(history.time_ms, return_inverse=True)
    serves = np.zeros((2, len(times)), bool)
    seen = history.n > 0
    serves[history.host[seen] % 2, window[seen]] = True
    return float(serves.all(axis=0).mean()) > MOSTLY


def _updated(guards: list[Guard], window: Ints, counts: OutcomeCounts, windows: int) -> list[Guard]:
    """Take the first windows of an update into guards as they were before it."""
    first = slice(0, windows)
    for guard, bad, n in zip(guards, counts.bad, counts.n, strict=True):
        guard.update(window[first], bad[:, first], n[:, first])
    return guards
