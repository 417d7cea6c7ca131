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
from pratique.judge.hypergeometric import Floats, Ints, variance_of

PRIOR_STEPS = 4.0
"""Steps from block to block that the prior value counts for."""
INFORMATIVE = 1.0
"""Expected square of a step from which it counts in full. Steps of rare outcomes tell little: the prior value stays."""
CAP = 9.0
"""Most that one step may count, in typical steps: one broken block must not decide φ."""
LEAST_VARIANCE = 2.0 * INFORMATIVE
"""Variance from which a block is complete; blocks of rare outcomes are joined until they have as much."""
LEAST_OF_HALF = INFORMATIVE
"""The same for half a block, which is compared with its other half and not with another block: its own variance is the expected square."""
MOST_OF_HALVES = 100.0
"""Most steps that the first halves of blocks against the second ones count for: they do not tell how hosts differ."""
MOST_TYPICAL = 4.0
"""Most that the halves of one block may count, in typical blocks."""
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
        """Take in the baseline's history on several hosts, one half of them against the other.

        excess, variance: of one half's bad requests, per block and unit, shape (blocks, units).
        """
        blocks = _joined(excess, variance, LEAST_VARIANCE)
        self._history = _spread([_difference(blocks[:, i], blocks[:, i + 1]) for i in range(blocks.shape[1] - 1)])
        self.phi = self._measured()

    def learn_from_halves(self, excess: Floats, variance: Floats) -> None:
        """Take in the baseline's history on one host, the second half of each block against the first.

        excess, variance: of the second half's bad requests, per block and unit, shape (blocks, units).
        """
        blocks = _joined(excess, variance, LEAST_OF_HALF)
        squares, expected = (blocks[0] ** 2).sum(axis=1), blocks[1].sum(axis=1)
        if not len(squares):
            return
        # an outage is within one half, though it would be in both arms of a canary: no block may decide alone
        weight = np.minimum(expected, MOST_TYPICAL * np.median(expected))
        phi = float((weight * np.minimum(squares / expected, CAP)).sum() / weight.sum())
        steps = min(MOST_OF_HALVES, float(np.minimum(expected / INFORMATIVE, 1.0).sum()))
        self._history = steps, steps * phi
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
        if self._part[1].sum() < LEAST_VARIANCE:
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


def excess_and_variance(bad: Ints | Floats, n: Ints | Floats) -> tuple[Floats, Floats]:
    """Return one arm's bad requests beyond its share, and their variance when the arms do not differ, per stratum.

    bad, n: shape (arms, strata, units); the arm is the second one.
    """
    marked, total, arm = bad.sum(axis=0), n.sum(axis=0), n[1]
    return bad[1] - marked * arm / np.maximum(total, 1), variance_of(total, marked, arm)


def _joined(excess: Floats, variance: Floats, least: float) -> Floats:
    """Consecutive blocks, joined until their variance is `least`; shape (2, joined blocks, units)."""
    blocks = np.stack([excess, variance])
    passed = np.floor(np.cumsum(variance.sum(axis=1)) / least)
    ends = np.flatnonzero(np.diff(passed, prepend=0.0))
    starts = np.concatenate([[0], ends + 1])[: len(ends)]
    return np.asarray(np.add.reduceat(blocks, starts, axis=1)) if len(starts) else blocks[:, :0]


def _difference(last: Floats, now: Floats) -> tuple[float, float]:
    """The squared difference of two blocks without an effect, and its expected value at φ = 1; as in `_step`.

    A block with a cluster has a large variance, so a step weighed by the variances of its blocks would count clusters too little.
    """
    (d, v), (e, w) = last, now
    return float(((d - e) ** 2).sum()), float((v + w).sum())


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
