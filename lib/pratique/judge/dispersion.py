"""Overdispersion φ: how much more than chance the canary's share of the bad requests varies from block to block.

Requests cluster by user, host and time, so counts vary more than counts of independent requests. φ compares each
block of windows with the block before. A difference between the arms therefore does not count as noise, whether it
is there from the start, grows, or begins later (von Neumann's mean square successive difference). φ is predictable:
the evidence of a window is divided by the φ of the blocks before it. Dividing a log e-process by φ >= 1 leaves an
e-process (Jensen's inequality). Source: judge-methods.md, 5a.
"""

from __future__ import annotations

import numpy as np

from pratique.judge.blocks import spans
from pratique.judge.hypergeometric import Floats, Ints

PRIOR_STEPS = 4.0
"""Steps from block to block that the prior value counts for."""
INFORMATIVE = 1.0
"""Expected square of a step from which it counts in full. Steps of rare outcomes tell little: the prior value stays."""
CAP = 9.0
"""Most that one step may count, in typical steps: one broken block must not decide φ."""
MEDIAN_OF_CHI_SQUARE = 0.4549


class Dispersion:
    """φ of one guard, for one unit (the service) or for several (its actions) that share one φ."""

    def __init__(self, prior: float, block: int) -> None:
        """prior: φ without data; block: windows in a block."""
        self._prior = max(1.0, prior)
        self._block = block
        self._current = -1
        self._part = np.zeros((2, 0))
        self._last = np.zeros((2, 0))
        self._steps: list[tuple[float, float]] = []
        self._history = (0.0, 0.0)
        self.phi = self._prior

    def learn(self, excess: Floats, variance: Floats) -> None:
        """Take the baseline's history in. excess, variance: per block and unit, shape (blocks, units)."""
        blocks = np.stack([excess, variance])
        self._history = _spread([_step(blocks[:, i], blocks[:, i + 1]) for i in range(blocks.shape[1] - 1)])
        self.phi = self._measured()

    def update(self, window: Ints, excess: Floats, variance: Floats) -> Floats:
        """Return φ for each window, from the blocks before its own; then take the windows in.

        window: numbers of the windows, rising. excess: bad requests of the canary beyond its share; variance: their
        variance when the arms do not differ; both of shape (windows, units).
        """
        self._grow(excess.shape[1])
        found = np.empty(len(window))
        for block, part in spans(window // self._block):
            if block != self._current:
                self._finish()
                self._current = block
            found[part] = self.phi
            self._part += np.stack([excess[part].sum(axis=0), variance[part].sum(axis=0)])
        return found

    def _finish(self) -> None:
        if not self._part[1].any():
            return
        self._steps.append(_step(self._last, self._part))
        self._last, self._part = self._part, np.zeros_like(self._part)
        self.phi = self._measured()

    def _measured(self) -> float:
        """φ from all complete blocks and the prior."""
        (past, past_spread), (here, here_spread) = self._history, _spread(self._steps)
        spread = PRIOR_STEPS * self._prior + past_spread + here_spread
        return max(1.0, spread / (PRIOR_STEPS + past + here))

    def _grow(self, units: int) -> None:
        missing = units - self._part.shape[1]
        if missing > 0:
            self._part, self._last = (np.pad(values, ((0, 0), (0, missing))) for values in (self._part, self._last))


def _step(last: Floats, now: Floats) -> tuple[float, float]:
    """The squared step between two blocks, and its expected value at φ = 1. last, now: excess and variance, (2, units).

    (d v' - d' v) / (v + v') has mean 0 when both blocks have the same effect, and variance v v' / (v + v').
    """
    (d, v), (e, w) = last, now
    total = np.where(v + w > 0, v + w, 1.0)
    return float((((d * w - e * v) / total) ** 2).sum()), float((v * w / total).sum())


def _spread(steps: list[tuple[float, float]]) -> tuple[float, float]:
    """The number of steps, each counted by its information, and that number times φ."""
    squares, expected = np.array([step for step in steps if step[1] > 0]).reshape(-1, 2).T
    if not len(squares):
        return 0.0, 0.0
    typical = max(1.0, float(np.median(squares / expected)) / MEDIAN_OF_CHI_SQUARE)
    phi = np.minimum(squares, CAP * typical * expected).sum() / expected.sum()
    counted = float(np.minimum(expected / INFORMATIVE, 1.0).sum())
    return counted, float(counted * phi)
