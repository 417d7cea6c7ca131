"""Overdispersion φ: how much more than chance the canary's part of the marks moves from block to block.

Requests cluster by user, host and moment, so that counts vary more than independent requests would. φ is
Pearson's statistic over blocks of windows, with the mean effect taken out, so that a real difference between
the arms does not count as noise. It is predictable: a window is divided by what the blocks before it gave.
Dividing a log e-process by φ >= 1 keeps it one (Jensen). Source: judge-methods.md, 5a.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pratique.judge.hypergeometric import Floats, Ints

CAP = 16.0
"""What a block counts for at most, as a multiple of what is typical; one beyond 4 standard deviations is garbage."""
MANY = 20
MEDIAN_OF_CHI_SQUARE = 0.4549
PRIOR_BLOCKS = 4.0
"""How many blocks the value assumed without data counts for."""


class Dispersion:
    """φ of one guard, over one unit (the service) or several (its actions) with the same φ."""

    def __init__(self, prior: float, block: int) -> None:
        """prior: φ without data; block: windows in a block."""
        self._prior = prior
        self._block = block
        self._history = (0.0, 0.0)
        self._current = -1
        self._part = np.zeros((2, 0))
        # sums over finished blocks, per unit: d², d v, v², d, v
        self._sums = np.zeros((5, 0))
        self._finished: list[tuple[float, float]] = []
        self._blocks = 0

    def learn(self, excess: Floats, variance: Floats) -> None:
        """Take the baseline's own history in: `excess` and `variance` per block and unit, shape (blocks, units)."""
        if len(excess) < 2:
            return
        noise, total = _robust(excess, variance) if excess.shape[1] == 1 else _noise(_sums(excess, variance))
        if total > 0:
            self._history = (float(len(excess)), len(excess) * noise / total)

    @property
    def phi(self) -> float:
        """φ from everything complete so far; at least 1."""
        weight, spread = self._history
        if self._blocks > 1:
            single = self._sums.shape[1] == 1
            noise, total = _robust(*np.array(self._finished).T[..., None]) if single else _noise(self._sums)
            if total > 0:
                weight, spread = weight + self._blocks - 1, spread + self._blocks * noise / total
        return max(1.0, (PRIOR_BLOCKS * self._prior + spread) / (PRIOR_BLOCKS + weight))

    def feed(self, window: Ints, excess: Floats, variance: Floats) -> Floats:
        """φ for each window, from the blocks before its own; then take the windows in.

        window: numbers of the windows, rising. excess: marks of the canary beyond its share, variance: their
        variance without a difference; both of shape (windows, units).
        """
        self._grow(excess.shape[1])
        block = window // self._block
        found = np.empty(len(window))
        starts = np.flatnonzero(np.diff(block, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(window)], strict=True):
            if block[start] != self._current:
                self._finish()
                self._current = int(block[start])
            found[start:end] = self.phi
            self._part += np.stack([excess[start:end].sum(axis=0), variance[start:end].sum(axis=0)])
        return found

    def _finish(self) -> None:
        if self._part[1].any():
            self._sums += _sums(self._part[0][None], self._part[1][None])
            self._finished.append((float(self._part[0].sum()), float(self._part[1].sum())))
            self._blocks += 1
        self._part[:] = 0.0

    def _grow(self, units: int) -> None:
        missing = units - self._part.shape[1]
        if missing > 0:
            self._part = np.pad(self._part, ((0, 0), (0, missing)))
            self._sums = np.pad(self._sums, ((0, 0), (0, missing)))


def _sums(excess: Floats, variance: Floats) -> Floats:
    products = (excess * excess, excess * variance, variance * variance, excess, variance)
    return np.stack([values.sum(axis=0) for values in products])


def _noise(sums: Floats) -> tuple[float, float]:
    """Sum of squares around each unit's own mean effect, and the variance to compare it with."""
    dd, dv, vv, d, v = sums
    effect = np.where(v > 0, d / np.where(v > 0, v, 1.0), 0.0)
    return float((dd - 2.0 * effect * dv + effect * effect * vv).sum()), float(v.sum())


def _robust(excess: Floats, variance: Floats) -> tuple[float, float]:
    """As _noise, for one unit: the effect is the blocks' median, and one block of garbage counts for CAP at most."""
    known = variance[:, 0] > 0
    d, v = excess[known, 0], variance[known, 0]
    if not len(d):
        return 0.0, 0.0
    squares = (d - v * np.median(d / v)) ** 2 / v
    # the median of a few blocks is too uncertain to judge a block by
    typical = float(np.median(squares)) / MEDIAN_OF_CHI_SQUARE if len(d) >= MANY else 1.0
    return float(np.minimum(squares, CAP * max(1.0, typical)).sum()), float(len(d))


def by_block(window: Ints, values: npt.NDArray[np.float64], block: int) -> Floats:
    """Sums over blocks of windows; values of shape (windows, units)."""
    starts = np.flatnonzero(np.diff(window // block, prepend=-1))
    return np.asarray(np.add.reduceat(values, starts, axis=0), np.float64) if len(starts) else values
