"""The excess: canary share of bad requests minus baseline share, tested and bounded at every look.

"Excess at most δ" and "excess at least δ" are half planes of (p_baseline, p_canary), hence convex. So the
likelihood ratio of an alternative to its projection on the half plane (nearest in Kullback-Leibler distance,
weighted by the requests of the arms) is an e-variable for one window whatever the true shares in that window
are, and windows multiply. Source: Turner, Ly & Grünwald 2024 (arXiv 2106.02693), theorem 1. The alternative is
built on the baseline's share before the window, which is predictable; a wrong guess costs evidence, not truth.
"""

from __future__ import annotations

import math

import numpy as np

from pratique.judge.evidence import log_sum_exp
from pratique.judge.hypergeometric import Floats, Ints

BEYOND: Floats = np.geomspace(1.0, 100.0, 10)
"""Alternatives to "at most δ", as multiples of the scale on which a difference shows."""
BOUNDS: Floats = np.geomspace(1e-6, 0.5, 60)
"""Excesses at which the upper bound is read off."""
TINY = 1e-12
NEWTON_STEPS = 12
WINDOWS_AT_ONCE = 64
"""Windows worked on together, so that the intermediate values stay in the processor's cache."""


def log_ratios(baseline: Ints, canary: Ints, guess: Floats, other: Floats, excess: Floats) -> Floats:
    """Log of the e-variable of (guess, other) against the line "excess = `excess`"; shape (windows, points).

    baseline, canary: bad and all requests per window, each of shape (2, windows). guess: baseline share in the
    alternative, shape (windows, 1); other: canary share in it; excess: of shape (points,) or broadcastable.
    """
    (bad_b, n_b), (bad_c, n_c) = (values.astype(np.float64)[:, :, None] for values in (baseline, canary))
    line = projection(n_b, n_c, guess, other, excess)
    value: Floats = (
        bad_b * np.log(guess / line)
        + (n_b - bad_b) * np.log((1.0 - guess) / (1.0 - line))
        + bad_c * np.log(other / (line + excess))
        + (n_c - bad_c) * np.log((1.0 - other) / (1.0 - line - excess))
    )
    return value


def projection(n_b: Floats, n_c: Floats, guess: Floats, other: Floats, excess: Floats) -> Floats:
    """The baseline share on the line nearest to (guess, other), by Newton's method kept within a bracket.

    It is the root of a rising function of the share, the weighted distance's derivative along the line.
    """
    ends = guess + np.zeros_like(other), other - excess
    low = np.clip(np.minimum(*ends), TINY, 1.0 - excess - TINY)
    high = np.clip(np.maximum(*ends), TINY, 1.0 - excess - TINY)
    q = 0.5 * (low + high)
    for _ in range(NEWTON_STEPS):
        c = q + excess
        spread_q, spread_c = q * (1.0 - q), c * (1.0 - c)
        # times q (1 - q): the same root, without the pole at 0
        part = spread_q / spread_c
        value = n_b * (q - guess) + n_c * (c - other) * part
        bend = n_b + n_c * (part + (c - other) * (1.0 - 2.0 * q - part * (1.0 - 2.0 * c)) / spread_c)
        below = value < 0
        low, high = np.where(below, q, low), np.where(below, high, q)
        step = q - value / np.where(bend > 0, bend, np.inf)
        q = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
    return np.asarray(q, np.float64)


class Excess:
    """The excess of one guard for the service as a whole. Additive over windows, as curves are."""

    def __init__(self, tolerated: float) -> None:
        """tolerated: δ, from 0; at 0 the ratio says the same, and no rollback is asked of it."""
        self.tolerated = tolerated
        self._worse = np.zeros(len(BEYOND))
        self._points = np.unique(np.append(BOUNDS, tolerated)) if tolerated > 0 else BOUNDS
        self._bounds = np.zeros((2, len(self._points)))
        self._seen = np.zeros(2)
        self._canary = np.zeros(2)

    def learn(self, bad: int, requests: int) -> None:
        """Take in what the baseline's history says of its share."""
        self._seen += bad, requests

    def feed(self, bad: Ints, n: Ints, phi: Floats) -> Floats:
        """Take windows in; returns the log e-value against "excess at most δ" after each.

        bad, n: shape (arms, windows), baseline first. phi: shape (windows,).
        """
        before = self._seen[:, None] + np.cumsum([bad[0], n[0]], axis=1) - [bad[0], n[0]]
        self._seen += bad[0].sum(), n[0].sum()
        guess = np.clip((before[0] + 0.5) / (before[1] + 1.0), 1e-7, 0.95)[:, None]
        # where the window's arm is empty there is nothing to tell, and nothing is told
        baseline, canary = np.stack([bad[0], n[0]]), np.stack([bad[1], n[1]])
        scale = np.maximum(self.tolerated, 0.2 * np.sqrt(guess * 0.02))
        worse = np.minimum(guess + self.tolerated + scale * BEYOND / 4.0, 0.98)
        steps = log_ratios(baseline, canary, guess, worse, np.array(self.tolerated)) / phi[:, None]
        # an alternative that is no worse than tolerated is its own projection, and tells nothing
        steps = np.where(worse - guess > self.tolerated, steps, 0.0)
        log_worse = self._worse + np.cumsum(steps, axis=0)
        self._feed_bounds(baseline, canary, guess, phi)
        if len(steps):
            self._worse = log_worse[-1]
        return log_sum_exp(log_worse) - math.log(len(BEYOND))

    def _feed_bounds(self, baseline: Ints, canary: Ints, guess: Floats, phi: Floats) -> None:
        """Against "excess at least so much": no excess, which a promotion needs, and what was seen of the canary so far."""
        before = self._canary[:, None] + np.cumsum(canary, axis=1) - canary
        self._canary += canary.sum(axis=1)
        seen = np.clip((before[0] + 0.5) / (before[1] + 1.0), 1e-7, 0.99)[:, None]
        for start in range(0, len(phi), WINDOWS_AT_ONCE):
            part = slice(start, start + WINDOWS_AT_ONCE)
            points = np.minimum(self._points, 0.999 - guess[part])
            for index, other in enumerate((guess[part], seen[part])):
                ratios = log_ratios(baseline[:, part], canary[:, part], guess[part], other, points)
                steps = np.where(other - guess[part] < points, ratios, 0.0)
                self._bounds[index] += (steps / phi[part, None]).sum(axis=0)

    def _log_bounds(self) -> Floats:
        return np.asarray(np.logaddexp(*self._bounds) - math.log(2.0), np.float64)

    def high(self, alpha: float) -> float | None:
        """Upper end of the confidence sequence at 1 - alpha: from here on every excess is rejected; None: unknown."""
        rejected = np.logical_and.accumulate((self._log_bounds() >= -math.log(alpha))[::-1])
        return float(self._points[len(self._points) - rejected.sum()]) if rejected.any() else None

    @property
    def log_fine(self) -> float:
        """Log e-value against "excess at least δ"; 0 where no excess is tolerated."""
        return float(self._log_bounds()[np.searchsorted(self._points, self.tolerated)]) if self.tolerated > 0 else 0.0


def log_simple(bad: Ints, n: Ints, tolerated: float) -> Floats:
    """Log e-values against "excess at most δ" for many strata cheaply; shape (…, 3) for bad, n of shape (2, …).

    For weights 1 + a of a bad canary request and 1 - b of a bad baseline request, with b = n_c a / (n_b (1 + δ a)),
    the mean of their product is at most (1 + δ a)^n_c for every share of the baseline: its logarithm is concave in
    that share and falls from 0 on. Tight for rare outcomes.
    """
    (x_b, x_c), (n_b, n_c) = bad.astype(np.float64)[..., None], n.astype(np.float64)[..., None]
    a = np.array([0.2, 1.0, 4.0])
    b = n_c * a / (np.maximum(n_b, 1.0) * (1.0 + tolerated * a))
    usable = (b < 0.9) & (n_b > 0)
    value = x_c * np.log1p(a) + x_b * np.log1p(-np.where(usable, b, 0.0)) - n_c * np.log1p(tolerated * a)
    return np.where(usable, value, 0.0)
