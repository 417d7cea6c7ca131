"""Likelihoods of rises in a series of counts: for every start, shape and size.

Under a rise that starts in window s, the bad requests of window t have the mean b_t f with f = 1 + g(t - s) (ratio - 1), where b
is the expected number. g is 1 from s on (step), 1 from s up to an end (blip), or grows to 1 within some windows (ramp). A log
likelihood is Σ [m log f - b (f - 1)] / φ, against no rise. Every table has the sizes of RATIOS as its last axis before it
is averaged over them with the weights SIZES.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pratique.judge.hypergeometric import Floats, Ints

RATIOS: Floats = np.concatenate([np.geomspace(1.1, 60.0, 48), np.geomspace(75.0, 20_000.0, 24)])
"""Sizes of a rise: steps of 9 %, so that the likelihood of a size between two of them is hardly lower, and wider ones beyond 60:
an outcome that the history hardly has can rise a thousand times.
"""
RAMPS = (5, 10, 20, 40)
"""Windows within which a ramp reaches its full size."""
STEP, RAMP, BLIP = 0.5, 0.25, 0.25
"""Weights of the shapes in the mixture. Those of a blip's lengths fall as 1 / length."""
_LOG: Floats = np.log(RATIOS)
_GAPS: Floats = np.gradient(_LOG) / (1.0 + _LOG) ** 2
SIZES: Floats = _GAPS / _GAPS.sum()
"""Weights of the ratios in a mixture, as 1 / (1 + log ratio)²: a small rise has little evidence and pays little for the
choice of its size; the weight of a large one falls slowly, and it has evidence to spare.
"""
_LOG_SIZES: Floats = np.log(SIZES)
_LESS_ONE: Floats = RATIOS - 1.0
_BY_SIZE: Floats = np.stack([_LOG, -_LESS_ONE, _LOG_SIZES])
_TOGETHER = 512


@dataclass(frozen=True)
class Likelihoods:
    """Log likelihoods against no rise, averaged over sizes and weighted by shape, and their maxima over sizes, which cost more.

    bad, expected: of the windows, shape (windows,). step, ramp: by start, shape (windows,). blip: by start and end, shape (windows,
    windows); entry (s, e) for windows s to e - 1, -inf where e <= s.
    """

    bad: Floats
    expected: Floats
    phi: float
    step: Floats
    ramp: Floats
    blip: Floats

    @property
    def by_start(self) -> Floats:
        """The log of the mixture of all shapes, by start."""
        found: Floats = log_sum_exp(np.column_stack([self.step, self.ramp, self.blip]))
        return found

    @cached_property
    def best_blip(self) -> Floats:
        """The maxima over all sizes of blips, by start and end."""
        best = np.full(self.blip.shape, -np.inf)
        starts, ends, within, within_mean = _spans(self.bad, self.expected)
        best[starts, ends] = _maximum(within, within_mean) / self.phi
        return best

    @property
    def best_by_start(self) -> Floats:
        """The maximum over all shapes and sizes, by start."""
        ramps = np.stack([_ramp(self.bad, self.expected, length) / self.phi for length in RAMPS])
        best_open = np.maximum(_maximum(_rest(self.bad), _rest(self.expected)) / self.phi, _peak(ramps).max(axis=0))
        found: Floats = np.maximum(best_open, self.best_blip.max(axis=1))
        return found

    @property
    def total(self) -> float:
        """The log of the mixture over all starts, each with the same weight."""
        return float(log_sum_exp(self.by_start) - math.log(len(self.step)))


def likelihoods(bad: Ints | Floats, expected: Floats, phi: float) -> Likelihoods:
    """Return the likelihoods of all rises. bad, expected: shape (windows,), at least one; expected >= 0; phi: at least 1."""
    bad = np.asarray(bad, np.float64)
    ramps = np.stack([log_mixture(_ramp(bad, expected, length) / phi) for length in RAMPS])
    starts, ends, within, within_mean = _spans(bad, expected)
    blip = np.full((len(bad), len(bad)), -np.inf)
    blip[starts, ends] = _over_sizes(within, within_mean, phi) + _log_lengths(len(bad))[starts, ends] + math.log(BLIP)
    return Likelihoods(
        bad=bad,
        expected=expected,
        phi=phi,
        step=_over_sizes(_rest(bad), _rest(expected), phi) + math.log(STEP),
        ramp=log_sum_exp(ramps.T) + math.log(RAMP / len(RAMPS)),
        blip=blip,
    )


def _rest(values: Floats) -> Floats:
    """The sum from each window to the last one."""
    return np.asarray(np.cumsum(values[::-1])[::-1], np.float64)


def _spans(bad: Floats, expected: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """All spans that end before the last window does: their starts and ends, and the sums of both values within them."""
    starts, ends = np.nonzero(np.triu(np.ones((len(bad), len(bad)), bool), 1))
    sums = [np.concatenate([[0.0], np.cumsum(values)]) for values in (bad, expected)]
    within, within_mean = (total[ends] - total[starts] for total in sums)
    return starts, ends, within, within_mean


def _over_sizes(counts: Floats, means: Floats, phi: float) -> Floats:
    """The log of the mixture over sizes of each pair of sums, in parts that stay in the processor's cache."""
    rows = np.column_stack([counts / phi, means / phi, np.ones(len(counts))])
    found = np.empty(len(rows))
    for at in range(0, len(rows), _TOGETHER):
        values = rows[at : at + _TOGETHER] @ _BY_SIZE
        top = values.max(axis=1)
        values -= top[:, None]
        np.exp(values, out=values)
        found[at : at + _TOGETHER] = np.log(values.sum(axis=1)) + top
    return found


def _maximum(counts: Floats, means: Floats) -> Floats:
    """The largest log likelihood over all sizes from 1 to the largest of RATIOS, beyond which the mixture has none either."""
    ratio = np.clip(counts / np.maximum(means, 1e-12), 1.0, RATIOS[-1])
    return np.asarray(counts * np.log(ratio) - means * (ratio - 1.0), np.float64)


def _ramp(bad: Floats, expected: Floats, length: int) -> Floats:
    """Log likelihoods of ramps of one length, at φ = 1; shape (windows, sizes)."""
    part = np.arange(1, length + 1)[:, None] / length
    growth = 1.0 + part * _LESS_ONE
    padded, padded_mean = (np.pad(values, (0, length)) for values in (bad, expected))
    views = [np.lib.stride_tricks.sliding_window_view(values, length)[:-1] for values in (padded, padded_mean)]
    after, after_mean = (np.cumsum(values[::-1])[::-1][length:] for values in (padded, padded_mean))
    during = views[0] @ np.log(growth) - views[1] @ (growth - 1.0)
    return np.asarray(during + after[:, None] * _LOG - after_mean[:, None] * _LESS_ONE, np.float64)


def _peak(tables: Floats) -> Floats:
    """The maximum over sizes, refined by a parabola through its neighbours; shape (…, sizes) to (…)."""
    best = np.clip(tables.argmax(axis=-1), 1, tables.shape[-1] - 2)[..., None]
    left, middle, right = (np.take_along_axis(tables, best + shift, -1)[..., 0] for shift in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    inside = (bend < 0) & (middle >= left) & (middle >= right)
    gain = np.where(inside, -((left - right) ** 2) / (8.0 * np.where(inside, bend, -1.0)), 0.0)
    found: Floats = np.maximum(np.maximum(middle + gain, tables.max(axis=-1)), 0.0)
    return found


def _log_lengths(windows: int) -> Floats:
    """Log weights of the ends of a blip by its start: 1 / length, summing to 1 over the ends within the range."""
    length = np.arange(windows)[None, :] - np.arange(windows)[:, None]
    weights = np.where(length > 0, 1.0 / np.maximum(length, 1), 0.0)
    sums = weights.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(weights / np.where(sums > 0, sums, 1.0)), np.float64)


def log_sum_exp(values: Floats) -> Floats:
    """Return the log of the sum of exponentials over the last axis; -inf where all are -inf."""
    top = values.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0], np.float64)


def log_mixture(values: Floats) -> Floats:
    """Return the log of the mixture over the sizes of RATIOS, the last axis, with the weights SIZES."""
    return log_sum_exp(values + _LOG_SIZES)


Mask = npt.NDArray[np.bool_]
