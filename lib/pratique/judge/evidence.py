"""Turn likelihood curves into evidence for a rollback, for a promotion, and into confidence sequences.

A curve is l(θ) = Σ (x θ - psi(θ)) / φ over strata, at NODES: the log likelihood ratio of odds ratio e^θ
against 1 given both margins of every stratum. Curves add up over windows, actions and sources, so a new
window costs only itself. Sources: docs/explanation/judge-statistics.md; Ramdas, Grünwald, Vovk & Shafer 2023 (arXiv 2210.01948)
for e-processes and their inversion; Wang & Ramdas 2022 (arXiv 2009.02824) for e-BH.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from pratique.judge.hypergeometric import NODES, REACH, Floats, interpolation
from pratique.judge.martingale import FROM_START, Plan, TestMartingale, log_sum_exp

GRID: Floats = np.linspace(-REACH, REACH, 121)
INSIDE: Floats = GRID[REACH - math.log(1.05) > GRID]
"""Log odds ratios among which the ends of a confidence sequence are chosen: steps of 5 %."""


@dataclass(frozen=True)
class Mixture:
    """The alternatives that a guard is tested against: log odds ratios beyond the tolerance, with weights.

    center, spread: of a normal distribution on the log odds ratio beyond the tolerance, cut to steps.
    far: weight of a second one around FAR, for failures that multiply. plan: when the difference is expected to begin.
    plan_at_1: the same where nothing worse than the baseline is tolerated.
    """

    center: float
    spread: float
    far: float = 0.0
    plan: Plan = FROM_START
    plan_at_1: Plan = FROM_START

    def points(self, log_tolerance: float) -> tuple[Floats, Floats]:
        """Return log odds ratios, all above the tolerance and within REACH, and the logs of weights that sum to 1."""
        steps = np.geomspace(math.log(1.05), math.log(20.0), POINTS)
        near, far = (_normal(steps, *shape) for shape in ((self.center, self.spread), FAR))
        weights = (1.0 - self.far) * near + self.far * far
        return log_tolerance + np.minimum(steps, REACH - log_tolerance), np.log(weights)


def _normal(steps: Floats, center: float, spread: float) -> Floats:
    weights = np.gradient(steps) * np.exp(-0.5 * ((steps - center) / spread) ** 2)
    return np.asarray(weights / weights.sum(), np.float64)


POINTS = 16
FAR = (2.3, 0.5)
"""Centre and spread of the far part of a mixture: odds ratios of 5 to 20, as where one action is broken."""
ERRORS = Mixture(center=1.0, spread=0.4, far=0.35, plan_at_1=Plan(once=0.45, later=0.05))
"""Errors tend to multiply: odds ratios of 1.5 to 5 get most of the weight, those of 5 to 20 a third.

At a tolerance of 1 a canary like its baseline is on the bound of what is tolerated. There half of the value never starts:
that halves the false alarms and costs one or two windows of delay.
"""
LATENCY = Mixture(center=0.3, spread=0.35)
"""Slower requests move the share beyond a quantile by less: odds ratios of 1.05 to 2 get most of the weight."""


class Test:
    """The rollback test of one guard. Its null hypothesis: the odds ratio is at most `tolerance`."""

    __test__ = False

    def __init__(self, tolerance: float, mixture: Mixture) -> None:
        """tolerance: odds ratio, at least 1."""
        points, self._log_weights = mixture.points(math.log(tolerance))
        self._matrix = interpolation(points) - interpolation([math.log(tolerance)])
        self._plan = mixture.plan if tolerance > 1.0 else mixture.plan_at_1

    def martingale(self, units: tuple[int, ...] = ()) -> TestMartingale:
        """Return a test martingale at its start. units: shape of the units; () for one."""
        return TestMartingale(self._log_weights, self._plan, units)

    def steps(self, curves: Floats) -> Floats:
        """Return the log factors of the alternatives, shape (…, POINTS), for curves of shape (…, K)."""
        return np.asarray(curves @ self._matrix, np.float64)


@cache
def _beyond(mixture: Mixture) -> tuple[Floats, Floats]:
    """For each point of INSIDE the matrix from a curve to the mixture's components beyond it, and their log weights."""
    found = [mixture.points(value) for value in INSIDE]
    matrices = [interpolation(points) - interpolation([v]) for v, (points, _) in zip(INSIDE, found, strict=True)]
    return np.concatenate(matrices, axis=1), np.stack([weights for _, weights in found])


_TO_GRID = interpolation(GRID)


def log_evidence_above(curves: Floats, mixture: Mixture) -> Floats:
    """Return the log e-value against "odds ratio at most e^g" for each g of INSIDE; shape (curves, points).

    Of the plan it uses only the part that starts at once: an interval covers all windows, not just the last ones.
    """
    matrix, log_weights = _beyond(mixture)
    components = (curves @ matrix).reshape(len(curves), *log_weights.shape)
    once = mixture.plan.once
    return np.logaddexp(log_sum_exp(components + log_weights) + math.log(once), math.log(1.0 - once))


def log_evidence_below(curves: Floats, mixture: Mixture) -> Floats:
    """Return the log e-value against "odds ratio at least e^g" for each g of GRID; shape (curves, len(GRID)).

    Half tests against odds ratio 1, which a promotion needs. Half tests against the mirrored mixture: with it the
    bound also approaches a ratio that is not 1.
    """
    mirrored = np.full((len(curves), len(GRID)), -np.inf)
    mirrored[:, len(GRID) - len(INSIDE) :] = log_evidence_above(curves[:, ::-1], mixture)[:, ::-1]
    return np.asarray(np.logaddexp(mirrored, -(curves @ _TO_GRID)) - math.log(2.0), np.float64)


def confidence(curves: Floats, mixture: Mixture, alpha: float, alpha_promote: float) -> tuple[Floats, Floats]:
    """Return both ends of the confidence sequence of the odds ratio, 0 and inf where unknown; shape (curves,) each.

    low: up to here every "at most" is rejected at alpha. high: from here every "at least" is rejected at alpha_promote.
    """
    above = log_evidence_above(curves, mixture) >= -math.log(alpha)
    rejected = np.logical_and.accumulate(above, axis=1).sum(axis=1)
    low = np.where(rejected > 0, np.exp(GRID[np.maximum(rejected - 1, 0)]), 0.0)
    below = (log_evidence_below(curves, mixture) >= -math.log(alpha_promote)) & (GRID > 0)
    held = np.logical_and.accumulate(below[:, ::-1], axis=1).sum(axis=1)
    high = np.where(held > 0, np.exp(GRID[len(GRID) - np.maximum(held, 1)]), np.inf)
    return low, high


def estimate(curves: Floats) -> Floats:
    """Return the odds ratio of the highest likelihood on GRID, refined by a parabola; shape (curves,)."""
    values = curves @ _TO_GRID
    best = np.clip(values.argmax(axis=1), 1, len(GRID) - 2)
    rows = np.arange(len(values))
    left, middle, right = (values[rows, best + shift] for shift in (-1, 0, 1))
    bend = left - 2.0 * middle + right
    offset = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1.0), 0.0)
    return np.asarray(np.exp(GRID[best] + np.clip(offset, -1, 1) * (GRID[1] - GRID[0])), np.float64)


def log_promotion(curve: Floats, tolerance: float) -> float:
    """Return the log e-value against "odds ratio at least `tolerance`" of one curve; 0 at a tolerance of 1."""
    return float(-(curve @ interpolation([math.log(tolerance)]))[0])


def e_bh(e_values: npt.ArrayLike, alpha: float) -> npt.NDArray[np.bool_]:
    """Return which hypotheses are rejected with a false discovery rate of at most alpha, under any dependence.

    Source: Wang & Ramdas 2022, definition 4.1: the k largest, for the largest k with e_(k) >= K / (alpha k).
    """
    values = np.asarray(e_values, np.float64)
    order = np.argsort(-values, kind="stable")
    ranks = np.arange(1, len(values) + 1)
    passing = np.flatnonzero(values[order] >= len(values) / (alpha * ranks))
    rejected = np.zeros(len(values), bool)
    if len(passing):
        rejected[order[: passing[-1] + 1]] = True
    return rejected


__all__ = ["ERRORS", "GRID", "LATENCY", "NODES", "Mixture", "Test", "confidence", "e_bh", "estimate"]
