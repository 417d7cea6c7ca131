"""What the history leads to expect: the usual share of bad requests, and how much it varies from block to block."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.incident.shapes import RATIOS, Mask, log_mixture
from pratique.judge.dispersion import CAP, MEDIAN_OF_CHI_SQUARE
from pratique.judge.hypergeometric import Floats, Ints

FEWEST_BLOCKS = 10
"""Blocks of history from which their variation is measured."""
WITHOUT_HISTORY = 1.5
"""φ where there are fewer."""
ENOUGH_BAD = 8.0
"""Bad requests from which the median of blocks tells their mean; blocks of rare outcomes are joined until they have them."""


@dataclass(frozen=True)
class History:
    """bad, n: of the blocks that were used. share: bad by n. phi: overdispersion of the blocks, at least 1. used: which blocks."""

    bad: int
    n: int
    share: float
    phi: float
    used: Mask

    def expected(self, n: Ints | Floats) -> Floats:
        """Return how many bad ones are expected among `n` requests."""
        return np.asarray(n * self.share, np.float64)

    @property
    def caution(self) -> float:
        """Factor by which the share may be larger than the history tells: one standard deviation of its count."""
        return 1.0 + math.sqrt(self.phi / (self.bad + 1.0))


def learn(bad: Ints | Floats, n: Ints | Floats, *, alpha: float, tolerated: float) -> History:
    """Return what blocks of history tell. Blocks that are shown to hold an incident themselves are left out.

    bad, n: shape (blocks,). A block is left out when the evidence that it is above the tolerated ratio to the median
    reaches blocks / alpha.
    """
    served = n > 0
    used = served & ~_incidents(bad, n, served, alpha, tolerated)
    total_bad, total = float(bad[used].sum()), float(n[used].sum())
    share = (total_bad + 0.5) / (total + 1.0) if total else 0.0
    phi = phi_of_blocks(bad[used], np.asarray(n[used] * share, np.float64))
    return History(int(total_bad), int(total), share, phi, used)


def _incidents(bad: Ints | Floats, n: Ints | Floats, served: Mask, alpha: float, tolerated: float) -> Mask:
    blocks = int(served.sum())
    total = float(bad[served].sum())
    together = max(1, math.ceil(ENOUGH_BAD * blocks / max(total, 1.0)))
    if blocks // together < 4:
        return np.zeros(len(n), bool)
    group = np.cumsum(served)[served] // together
    shares = np.bincount(group, bad[served]) / np.maximum(np.bincount(group, n[served]), 1.0)
    usual = np.asarray(float(np.median(shares)) * n, np.float64)
    typical = float(np.median((bad[served] - usual[served]) ** 2 / np.maximum(usual[served], 1e-9)))
    phi = max(1.0, typical / MEDIAN_OF_CHI_SQUARE) if together == 1 else 1.0
    return log_ratio_evidence(bad, tolerated * usual + 1.0 / 3.0, phi) >= math.log(blocks / alpha)


def phi_of_blocks(bad: Ints | Floats, expected: Floats) -> float:
    """Return Pearson's φ of blocks, at least 1. bad, expected: shape (blocks,). One block counts for at most CAP typical ones: it must not decide alone."""
    blocks = len(bad)
    if blocks < FEWEST_BLOCKS:
        return WITHOUT_HISTORY
    squares = (bad - expected) ** 2
    scale = np.maximum(expected, 1e-12)
    typical = max(1.0, float(np.median(squares / scale)) / MEDIAN_OF_CHI_SQUARE)
    # a block of rare outcomes has none or one: its square may be many times the mean without being unusual
    most = CAP * typical * np.maximum(scale, 1.0)
    return max(1.0, float(np.minimum(squares, most).sum() / scale.sum()) * blocks / (blocks - 1.0))


def log_ratio_evidence(bad: Ints | Floats, expected: Floats, phi: Floats | float) -> Floats:
    """Return the log e-value of each count against "its mean is at most the expected number"; the shape of `bad`.

    A mixture of likelihood ratios over RATIOS with the weights SIZES, to the power 1/φ. Where nothing was expected and nothing came, it is 0.
    """
    counts, means, phis = np.broadcast_arrays(np.asarray(bad, np.float64), np.asarray(expected, np.float64), phi)
    mixed = log_mixture((counts[..., None] * np.log(RATIOS) - means[..., None] * (RATIOS - 1.0)) / phis[..., None])
    return np.asarray(mixed, np.float64)
