"""The excess: canary share of bad requests minus baseline share, tested and bounded after every window.

"Excess at most δ" and "excess at least δ" are half planes of (p_baseline, p_canary), hence convex. So the
likelihood ratio of an alternative to its projection on the half plane (nearest in Kullback-Leibler distance,
weighted by the requests of the arms) is an e-variable for one window whatever the true shares in that window
are, and windows multiply. Source: Turner, Ly & Grünwald 2024 (arXiv 2106.02693), theorem 1. The alternative is
built on the baseline's share before the window, which is predictable; a wrong guess costs evidence, not validity.
"""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np

from pratique.judge.hypergeometric import Floats, Ints
from pratique.judge.martingale import FROM_START, TestMartingale, log_sum_exp

BEYOND: Floats = np.geomspace(1.0, 100.0, 10)
"""Alternatives to "at most δ", as multiples of the scale on which a difference is visible."""
BOUNDS: Floats = np.geomspace(1e-6, 0.5, 60)
"""Excesses among which the upper bound is chosen."""
SIMPLE: Floats = np.array([0.2, 0.5, 1.0, 2.0, 4.0])
"""Weights of a bad canary request in the simple e-values, which need no guess of a share."""
LOG_SIMPLE_WEIGHTS: Floats = np.log([0.1, 0.1, 0.2, 0.3, 0.3])
"""Logs of the weights of the simple e-values in an action's evidence: where it is little, errors that multiply count."""
MEMORIES: Floats = np.array([1.0, 0.9])
"""Factor on older counts after each window: a long memory of shares, and a short one."""
WORSE = len(MEMORIES) * len(BEYOND)
"""Alternatives that are worse than tolerated, side by side."""
TINY = 1e-12
NEWTON_STEPS = 5
"""Relative error below 1e-5 over shares from 1e-7 to 0.95; squared, it adds less than 1e-6 to the mean of an e-value."""
CONVERGED = 1e-3
"""Relative change of the last Newton step above which the root is searched further: the error is about its square."""
EXACT = 1e-9
"""Relative change of a step at which that search ends."""
MOST_STEPS = 60
"""More than halving a bracket of 1e-12 to 1 down to `EXACT` would take."""
WINDOWS_AT_ONCE = 64
"""Windows processed together: more intermediate values would not fit into the processor's cache."""


def log_ratios(bad: Ints, n: Ints, guess: Floats, other: Floats, excess: Floats) -> Floats:
    """Return the log e-value of (guess, other) against the line "excess = `excess`"; shape (windows, points).

    bad, n: bad and all requests, shape (arms, windows), baseline first. guess: baseline share in the
    alternative, shape (windows, 1); other: canary share in it; excess: of shape (points,) or broadcastable.
    """
    (bad_b, bad_c), (n_b, n_c) = (values.astype(np.float64)[:, :, None] for values in (bad, n))
    line = projection(n_b, n_c, guess, other, excess)
    value: Floats = (
        bad_b * np.log(guess / line)
        + (n_b - bad_b) * np.log((1.0 - guess) / (1.0 - line))
        + bad_c * np.log(other / (line + excess))
        + (n_c - bad_c) * np.log((1.0 - other) / (1.0 - line - excess))
    )
    return value


def projection(n_b: Floats, n_c: Floats, guess: Floats, other: Floats, excess: Floats) -> Floats:
    """Return the baseline share on the line nearest to (guess, other), by Newton's method kept within a bracket.

    It is the root of a rising function of the share: the derivative of the weighted distance along the line.
    """
    ends = guess + np.zeros_like(other), other - excess
    low = np.clip(np.minimum(*ends), TINY, 1.0 - excess - TINY)
    high = np.clip(np.maximum(*ends), TINY, 1.0 - excess - TINY)
    # first guess: the root if both arms kept the variance that they have at the ends
    weight_b, weight_c = n_b * other * (1.0 - other), n_c * guess * (1.0 - guess)
    q = np.clip((weight_b * guess + weight_c * (other - excess)) / np.maximum(weight_b + weight_c, TINY), low, high)
    for _ in range(NEWTON_STEPS):
        before = q
        value, step = _newton(n_b, n_c, guess, other, excess, q)
        q = np.where((step > low) & (step < high), step, 0.5 * (q + np.where(value < 0, high, low)))
    far = np.abs(q - before) > CONVERGED * q
    if far.any():
        found = np.broadcast_arrays(n_b, n_c, guess, other, excess, low, high)
        q[far] = _bracketed(*(values[far] for values in found))
    return np.asarray(q, np.float64)


def _newton(n_b: Floats, n_c: Floats, guess: Floats, other: Floats, excess: Floats, q: Floats) -> tuple[Floats, Floats]:
    """Return the function at `q` and the next guess of its root; NaN where it does not rise."""
    c = q + excess
    spread, gap = c * (1.0 - c), c - other
    # multiplied by q (1 - q): the same root, without the pole at 0
    part = q * (1.0 - q) / spread
    value = n_b * (q - guess) + n_c * gap * part
    bend = n_b + n_c * (part + gap * (1.0 - 2.0 * q - part * (1.0 - 2.0 * c)) / spread)
    return value, q - value / np.where(bend > 0, bend, np.nan)


def _bracketed(
    n_b: Floats, n_c: Floats, guess: Floats, other: Floats, excess: Floats, low: Floats, high: Floats
) -> Floats:
    """The same root for the strata where Newton's method alone is too slow: the bracket shrinks with every step.

    A step that leaves the bracket is replaced by its middle on a logarithmic scale.
    """
    q = np.sqrt(low * high)
    for _ in range(MOST_STEPS):
        value, step = _newton(n_b, n_c, guess, other, excess, q)
        low, high = np.where(value < 0, q, low), np.where(value < 0, high, q)
        before, q = q, np.where((step >= low) & (step <= high), step, np.sqrt(low * high))
        if (np.abs(q - before) <= EXACT * q).all():
            break
    return np.asarray(q, np.float64)


class BadShare:
    """An arm's share of bad requests as known before each window, with a long and a short memory.

    The long memory is exact where nothing drifts; the short one follows an outage or a busy hour within ten windows.
    """

    def __init__(self) -> None:
        """Start without data."""
        self._sums = np.zeros((len(MEMORIES), 2))

    def learn(self, bad: int, n: int) -> None:
        """Take history in. In the short memory it counts for at most 1,000 requests."""
        self._sums += np.array([bad, n]) * np.array([[1.0], [min(1.0, 1000.0 / max(n, 1))]])

    def before(self, bad: Ints, n: Ints) -> Floats:
        """Return the share before each window, shape (memories, windows), then take the windows in."""
        found = np.empty((len(MEMORIES), len(bad)))
        for index, memory in enumerate(MEMORIES.tolist()):
            starts = self._sums[index].tolist()
            past_bad, past_n = (_faded(start, counts, memory) for start, counts in zip(starts, (bad, n), strict=True))
            found[index] = (past_bad[:-1] + 0.5) / (past_n[:-1] + 1.0)
            self._sums[index] = past_bad[-1], past_n[-1]
        return found


def _faded(start: float, counts: Ints, memory: float) -> Floats:
    """Return the sum before each window, and after the last: in each window, older counts are multiplied by `memory`."""
    return np.array(list(accumulate(counts.tolist(), lambda past, count: past * memory + count, initial=start)))


class Excess:
    """The excess of one guard for the whole service. Evidence adds up over windows."""

    def __init__(self, tolerated: float, *, bounded: bool = True) -> None:
        """tolerated: δ, from 0. At 0 the ratio tests the same, so the excess takes no part in a rollback.

        bounded: whether the upper bound is kept, which only a promotion needs.
        """
        self.tolerated = tolerated
        self._bounded = bounded
        self._baseline, self._canary = BadShare(), BadShare()
        alternatives = WORSE + len(SIMPLE)
        self._worse = TestMartingale(np.full(alternatives, -math.log(alternatives)), FROM_START)
        self._points = np.unique(np.append(BOUNDS, tolerated)) if tolerated > 0 else BOUNDS
        self._bounds = np.zeros((2 * len(MEMORIES), len(self._points)))

    def learn(self, bad: int, requests: int) -> None:
        """Take in the baseline's history. bad, requests: bad and all requests in it."""
        self._baseline.learn(bad, requests)

    def update(self, window: Ints, bad: Ints, n: Ints, phi: Floats) -> Floats:
        """Take windows in. Return the log e-value against "excess at most δ" after each, shape (windows,).

        window: numbers of the windows. bad, n: shape (arms, windows), baseline first. phi: shape (windows,).
        """
        guesses = np.clip(self._baseline.before(bad[0], n[0]), 1e-7, 0.95)[:, :, None]
        seen = np.clip(self._canary.before(bad[1], n[1]), 1e-7, 0.99)[:, :, None]
        worse = []
        for start in range(0, len(phi), WINDOWS_AT_ONCE):
            part = slice(start, start + WINDOWS_AT_ONCE)
            steps = self._steps(bad[:, part], n[:, part], guesses[:, part], seen[:, part])
            worse.append(steps[:, :WORSE])
            if self._bounded:
                self._bounds += (steps[:, WORSE:] / phi[part, None]).sum(axis=0).reshape(self._bounds.shape)
        steps = np.concatenate([np.concatenate(worse), log_simple(bad, n, self.tolerated)], axis=1)
        both = np.asarray((n > 0).all(axis=0))[:, None]  # a window of one arm shows no difference
        return self._worse.update(window, np.where(both, steps, 0.0) / phi[:, None])

    def _steps(self, bad: Ints, n: Ints, guesses: Floats, seen: Floats) -> Floats:
        """Return the evidence of each window: WORSE kinds against "at most δ", then those against each "at least p"."""
        guess, other, excess = self._worse_alternatives(guesses)
        beyond = other - guess > excess
        if self._bounded:
            bounds = self._bound_alternatives(guesses, seen)
            pairs = zip((guess, other, excess), bounds, strict=True)
            guess, other, excess = (np.concatenate(pair, axis=1) for pair in pairs)
            beyond = np.concatenate([beyond, bounds[1] - bounds[0] < bounds[2]], axis=1)
        # an alternative on the same side is its own projection, which gives no evidence
        return np.where(beyond, log_ratios(bad, n, guess, other, excess), 0.0)

    def _worse_alternatives(self, guesses: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the baseline's and the canary's share of the alternatives, and δ; shape (windows, WORSE) each."""
        scale = np.maximum(self.tolerated, 0.2 * np.sqrt(guesses * 0.02))
        worse = _side_by_side(np.minimum(guesses + self.tolerated + scale * BEYOND / 4.0, 0.98))
        return np.repeat(guesses[:, :, 0].T, len(BEYOND), axis=1), worse, np.full(worse.shape, self.tolerated)

    def _bound_alternatives(self, guesses: Floats, seen: Floats) -> tuple[Floats, Floats, Floats]:
        """The same for each bound p, with two alternatives for each: no excess, and the canary's share so far."""
        guess = np.repeat(guesses, 2, axis=0)
        other = np.stack([guesses, seen], axis=1).reshape(guess.shape)
        points = np.minimum(self._points, 0.999 - guess)
        guess, other = (np.repeat(values[:, :, 0].T, len(self._points), axis=1) for values in (guess, other))
        return guess, other, _side_by_side(points)

    def _log_bounds(self) -> Floats:
        return np.asarray(log_sum_exp(self._bounds.T) - math.log(len(self._bounds)), np.float64)

    def high(self, alpha: float) -> float | None:
        """Return the upper end of the confidence sequence at 1 - alpha; None while it is unknown."""
        rejected = np.logical_and.accumulate((self._log_bounds() >= -math.log(alpha))[::-1])
        return float(self._points[len(self._points) - rejected.sum()]) if rejected.any() else None

    @property
    def log_within(self) -> float:
        """Log e-value against "excess at least δ"; 0 where no excess is tolerated."""
        return float(self._log_bounds()[np.searchsorted(self._points, self.tolerated)]) if self.tolerated > 0 else 0.0


def _side_by_side(values: Floats) -> Floats:
    """Shape (kinds, windows, points) to (windows, kinds × points): one call on many is faster than many calls."""
    return np.asarray(np.moveaxis(values, 0, 1).reshape(values.shape[1], -1), np.float64)


def log_simple(bad: Ints, n: Ints, tolerated: float) -> Floats:
    """Return simple log e-values against "excess at most δ" for many strata; shape (…, 5) for bad, n of shape (2, …).

    For weights 1 + a of a bad canary request and 1 - b of a bad baseline request, with b = n_c a / (n_b (1 + δ a)),
    the mean of their product is at most (1 + δ a)^n_c for every share of the baseline: its logarithm is concave in
    that share and falls from 0 on. The bound is tight for rare outcomes.
    """
    (x_b, x_c), (n_b, n_c) = bad.astype(np.float64)[..., None], n.astype(np.float64)[..., None]
    a = SIMPLE
    b = n_c * a / (np.maximum(n_b, 1.0) * (1.0 + tolerated * a))
    usable = (b < 0.9) & (n_b > 0)
    value = x_c * np.log1p(a) + x_b * np.log1p(-np.where(usable, b, 0.0)) - n_c * np.log1p(tolerated * a)
    return np.where(usable, value, 0.0)
