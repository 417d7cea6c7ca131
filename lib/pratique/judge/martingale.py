"""Test martingales: evidence against a null hypothesis, multiplied window by window from 1.

In the literature the value is called wealth. A part of it starts at once. The rest starts at every tenth window, so that
good windows at the beginning do not hide a change that comes later; a part may never start and stays as it is. The
mean of e-processes over start times and alternatives is an e-process when its weights are fixed beforehand. Source:
Shin, Ramdas & Rinaldo 2024 (arXiv 2203.03532) on e-processes with restarts; the mixture over start times is Robbins'
and Siegmund's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.judge.blocks import spans
from pratique.judge.hypergeometric import Floats, Ints

EVERY = 10
"""Windows from one start to the next."""


@dataclass(frozen=True)
class Plan:
    """When the value starts to move: `once` at the first window, `later` over all later starts, the rest never.

    The k-th later start has later / (k (k + 1)), which sums to `later`.
    """

    once: float
    later: float

    def started(self, starts: int) -> float:
        """Return the part that has started after so many later starts."""
        return self.once + self.later * (1.0 - 1.0 / (starts + 1.0))


FROM_START = Plan(once=0.9, later=0.1)
"""For differences that are there from the start, as most are; one that comes after an hour needs 6 more in logs."""


class TestMartingale:
    """The values of several units (for example actions), all tested against the same alternatives."""

    __test__ = False

    def __init__(self, log_weights: Floats, plan: Plan, units: tuple[int, ...] = ()) -> None:
        """log_weights: of the alternatives, shape (alternatives,). units: shape of the units; () for one."""
        self._log_weights = log_weights
        self._plan = plan
        self._starts = 0
        self._log = np.broadcast_to(self._initial(), (*units, len(log_weights)))

    def add_units(self, units: int) -> None:
        """Make room for new units, as if earlier windows had given no evidence about them. units: their new total."""
        missing = units - len(self._log)
        if missing > 0:
            new = np.broadcast_to(self._initial(), (missing, len(self._log_weights)))
            self._log = np.concatenate([self._log, new])

    def update(self, window: Ints, steps: Floats) -> Floats:
        """Take windows in. Return the log value after each, shape (windows, units).

        window: numbers of the windows, rising from 0. steps: log factors, shape (windows, units, alternatives).
        """
        found = np.empty(steps.shape[:-1])
        for starts, part in spans(window // EVERY):
            self._start(starts)
            path = np.cumsum(steps[part], axis=0)
            path += self._log
            self._log = path[-1]
            found[part] = log_sum_exp(path)
            idle = 1.0 - self._plan.started(starts)
            if idle > 0:
                found[part] = np.logaddexp(found[part], math.log(idle))
        return found

    def _initial(self) -> Floats:
        return self._log_weights + math.log(self._plan.started(self._starts))

    def _start(self, starts: int) -> None:
        added = self._plan.started(starts) - self._plan.started(self._starts)
        self._starts = starts
        if added > 0:
            self._log = np.logaddexp(self._log, self._log_weights + math.log(added))


def log_sum_exp(values: Floats) -> Floats:
    """Return the log of the sum of exponentials over the last axis."""
    top = values.max(axis=-1)
    return np.asarray(top + np.log(np.exp(values - top[..., None]).sum(axis=-1)), np.float64)
