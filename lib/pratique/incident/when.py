"""When did a rise begin: shown or not, its start as a set of windows, its shape, and whether it is over.

Shown: the mixture of all starts, shapes and sizes is one e-value against "each window has at most the tolerated number", so the
search over starts is paid for. The set of starts is found by universal inference (Wasserman, Ramdas & Balakrishnan 2020): a
start is left out when a mixture of other starts, fixed beforehand, is 20 times as likely as the best rise at this one.
A true start is left out with a chance of at most 5 %, whatever was searched before. The mixture puts more weight on
near starts, so that telling neighbours apart does not pay for the whole range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pratique.incident.model import Shape
from pratique.incident.shapes import RATIOS, SIZES, STEP, Likelihoods, Mask, likelihoods, log_sum_exp
from pratique.judge.hypergeometric import Floats, Ints

MISSED = 0.05
"""Chance that the true start is not in the set."""
NEAR = 4
"""Ratios of the mixture that are about as likely as the true one."""
NAMED = 0.9
"""Part of the likelihood from which a shape is named."""


@dataclass(frozen=True)
class Rise:
    """A rise in a series of windows, which are named by their number.

    best: likeliest first window. in_starts, in_ends: in which windows it may have begun, and in which it may have been over;
    shape (windows,) each; no window of in_ends where it lasts. support: log likelihood by start, 0 at the best one.
    ratio: at its full size. log_e: natural log of the evidence against the tolerated ratio.
    """

    best: int
    in_starts: Mask
    in_ends: Mask
    best_end: int
    shape: Shape
    ratio: float
    log_e: float
    support: Floats

    @property
    def first(self) -> int:
        """The earliest window of the set of starts."""
        return int(self.in_starts.argmax())

    @property
    def last(self) -> int:
        """The latest window of the set of starts."""
        return len(self.in_starts) - 1 - int(self.in_starts[::-1].argmax())

    @property
    def ended(self) -> tuple[int, int] | None:
        """The earliest and the latest window in which it may have been over; None while it lasts."""
        found = np.flatnonzero(self.in_ends)
        return (int(found[0]), int(found[-1])) if len(found) else None

    @property
    def affected(self) -> slice:
        """The windows from the best start to the best end."""
        return slice(self.best, self.best_end)


def log_evidence(bad: Ints | Floats, expected: Floats, phi: float, *, tolerated: float) -> float:
    """Return the log e-value against "in each window at most `tolerated` times the expected number".

    bad, expected: shape (windows,). phi: overdispersion, at least 1. Without windows it is 0.
    """
    if not len(bad):
        return 0.0
    return likelihoods(bad, np.asarray(expected, np.float64) * tolerated, phi).total


def find_onset(
    bad: Ints | Floats, expected: Floats, phi: float, *, alpha: float = 0.01, tolerated: float = 1.5
) -> Rise | None:
    """Return the rise of a series; None where none is shown at `alpha`.

    bad, expected: counts of the windows and their means without a rise, shape (windows,). phi: overdispersion, at least 1.
    tolerated: ratio to the expected number up to which nothing is shown, at least 1.
    """
    log_e = log_evidence(bad, expected, phi, tolerated=tolerated)
    return describe(bad, expected, phi, log_e=log_e) if log_e >= -math.log(alpha) else None


def describe(bad: Ints | Floats, expected: Floats, phi: float, *, log_e: float = 0.0) -> Rise:
    """Return the likeliest rise of a series with at least one window, whether shown or not. log_e: its evidence."""
    expected = np.maximum(np.asarray(expected, np.float64), 1e-12)
    found = likelihoods(bad, expected, phi)
    by_start = found.by_start
    best = int(by_start.argmax())
    shape, over = _shape(found)
    ends, best_end = _ends(found) if over else (np.zeros(len(by_start), bool), len(by_start))
    return Rise(
        best=best,
        in_starts=_kept(by_start, found.best_by_start),
        in_ends=ends,
        best_end=max(best_end, best + 1),
        shape=shape,
        ratio=_ratio(np.asarray(bad, np.float64), expected, best, max(best_end, best + 1), shape),
        log_e=log_e,
        support=by_start - by_start[best],
    )


def within(rise: Rise, part: slice, windows: int, *, over: bool) -> Rise:
    """Return the rise of a part of the windows as one of all `windows`. over: whether a rise that lasts to the part's end ends there."""
    starts, ends = np.zeros(windows, bool), np.zeros(windows, bool)
    starts[part], ends[part] = rise.in_starts, rise.in_ends
    support = np.full(windows, -np.inf)
    support[part] = rise.support
    if over and rise.ended is None:
        ends[part.stop] = True
    return replace(
        rise,
        best=rise.best + part.start,
        best_end=rise.best_end + part.start,
        in_starts=starts,
        in_ends=ends,
        support=support,
    )


def _shape(found: Likelihoods) -> tuple[Shape, bool]:
    """The shape, and whether the rise is over."""
    logs = np.array([log_sum_exp(values.ravel()) for values in (found.step, found.ramp, found.blip)])
    step, ramp, blip = np.exp(logs - log_sum_exp(logs))
    if blip > NAMED:
        return "blip", True
    if step > NAMED * (step + ramp):
        return "step", False
    return ("ramp", False) if ramp > NAMED * (step + ramp) else ("step or ramp", False)


def _kept(likelihood: Floats, best: Floats) -> Mask:
    """The set by universal inference, over windows. likelihood: the mixture's, best: the maximum of each, both logs."""
    windows = len(likelihood)
    distance = np.abs(np.arange(windows)[:, None] - np.arange(windows)[None, :])
    weights = np.where(distance > 0, 1.0 / (distance + 1.0) ** 1.5, 0.0)
    sums = weights.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        others = log_sum_exp(likelihood[None, :] + np.log(weights / np.where(sums > 0, sums, 1.0)))
    kept = others - best < -math.log(MISSED)
    kept[likelihood.argmax()] = True
    return np.asarray(kept)


def _ends(found: Likelihoods) -> tuple[Mask, int]:
    by_end = log_sum_exp(found.blip.T)
    return _kept(by_end, found.best_blip.max(axis=0)), int(by_end.argmax())


def _ratio(bad: Floats, expected: Floats, best: int, end: int, shape: Shape) -> float:
    """The size of the rise at its full extent. A ramp is measured over its last half."""
    begin = (best + end) // 2 if shape == "ramp" else best
    return float(bad[begin:end].sum() / max(expected[begin:end].sum(), 1e-12))


def windows_to_show(
    expected: float, phi: float, *, ratio: float, alpha: float, tolerated: float, windows: int
) -> float:
    """Return after how many windows a step to `ratio` would be shown on average; inf where it never is.

    expected: bad requests of one window. windows: those of the range, over which the search goes.
    """
    beyond = ratio / tolerated
    gain = expected * tolerated * (beyond * math.log(beyond) - beyond + 1.0) / phi if beyond > 1.0 else 0.0
    nearest = np.argsort(np.abs(np.log(RATIOS) - math.log(beyond)))[:NEAR]
    price = math.log(windows / STEP) - math.log(alpha * float(SIZES[nearest].sum()))
    return price / gain if gain > 0 else math.inf
