"""Wealth: what betting on alternatives has made of a capital of 1, window after window.

Part of the capital is staked at once, part at every tenth window in case something sets in later, so that a good
beginning is no credit for what follows; the rest stays as it is. The mean over when and on what to stake, fixed
beforehand, of e-processes is an e-process. Source: Shin, Ramdas & Rinaldo 2024 (arXiv 2203.03532) on e-processes
that start anew; the mixture over starting times is Robbins' and Siegmund's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.judge.blocks import spans
from pratique.judge.hypergeometric import Floats, Ints

EVERY = 10
"""Windows from one stake to the next."""


@dataclass(frozen=True)
class Plan:
    """When capital is staked: `once` at the start, `later` over all later stakes, the rest never.

    The k-th later stake is later / (k (k + 1)), which sums to `later`.
    """

    once: float
    later: float

    def staked(self, stakes: int) -> float:
        """Capital staked after so many later stakes."""
        return self.once + self.later * (1.0 - 1.0 / (stakes + 1.0))


AT_ONCE = Plan(once=0.9, later=0.1)
"""For what is there from the start, as most is; what sets in after an hour needs 6 more in logs."""


class Wealth:
    """The wealth of some units (actions, say), each betting on the same alternatives."""

    def __init__(self, log_weights: Floats, plan: Plan, units: tuple[int, ...] = ()) -> None:
        """log_weights: of the alternatives, shape (alternatives,)."""
        self._log_weights = log_weights
        self._plan = plan
        self._stakes = 0
        self._log = np.broadcast_to(self._fresh(), (*units, len(log_weights)))

    def grow(self, units: int) -> None:
        """Make room for units that have appeared; they have staked what the others have, and seen nothing yet."""
        missing = units - len(self._log)
        if missing > 0:
            new = np.broadcast_to(self._fresh(), (missing, len(self._log_weights)))
            self._log = np.concatenate([self._log, new])

    def feed(self, window: Ints, steps: Floats) -> Floats:
        """Take windows in; returns the log wealth after each, shape (windows, units).

        window: numbers of the windows, rising from 0. steps: log factors, shape (windows, units, alternatives).
        """
        found = np.empty(steps.shape[:-1])
        for stakes, part in spans(window // EVERY):
            self._stake(stakes)
            path = np.cumsum(steps[part], axis=0)
            path += self._log
            self._log = path[-1]
            found[part] = log_sum_exp(path)
            idle = 1.0 - self._plan.staked(stakes)
            if idle > 0:
                found[part] = np.logaddexp(found[part], math.log(idle))
        return found

    def _fresh(self) -> Floats:
        return self._log_weights + math.log(self._plan.staked(self._stakes))

    def _stake(self, stakes: int) -> None:
        added = self._plan.staked(stakes) - self._plan.staked(self._stakes)
        self._stakes = stakes
        if added > 0:
            self._log = np.logaddexp(self._log, self._log_weights + math.log(added))


def log_sum_exp(values: Floats) -> Floats:
    """Log of the sum of exponentials over the last axis."""
    top = values.max(axis=-1)
    return np.asarray(top + np.log(np.exp(values - top[..., None]).sum(axis=-1)), np.float64)
