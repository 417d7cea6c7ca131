"""How well a set of places explains the counts of the leaf cells.

The mean of a leaf is level e Π ratio + n Σ share: some places multiply its usual bad requests, others turn a share of all its requests
bad. Both are needed: a fault that fails 5 % of requests multiplies rare errors by 20 and common ones by 2. The level is that of the whole
service, which wanders as the history shows: it has a gamma prior with the mean 1, so a place need not explain what all leaves share.

The cells of one cause rise by about one factor, not exactly. What a place adds to a leaf therefore varies from leaf to leaf with a
relative standard deviation of UNEVEN, and what is usual with that of the history: a count is negative binomial with the variance
(1 + clustered) μ + spread e² + UNEVEN² (μ - e)² (Hilbe, Negative Binomial Regression, 2011). So no leaf decides alone, many leaves that
rose by different factors are one place rather than many, and a leaf that did not rise tells against a place that holds it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln

from pratique.incident.cells import CODE, Cells, members
from pratique.incident.model import Effect
from pratique.judge.hypergeometric import Floats, Ints

UNEVEN = 0.8
"""Relative standard deviation, among the cells of one cause, of what it adds. Chosen on half of the labelled cases of
tests/benchmarks/incident_rows/public_set.py.
"""
LEVEL_VARIANCE = (math.log(1.5) / 2.0) ** 2
"""Largest variance of the level: at two standard deviations it is at the ratio that guards tolerate, and more is a rise."""
NEARLY_POISSON = 1e6
"""Largest shape of a negative binomial count: beyond it, it is a Poisson count."""
STEPS = 8
"""Steps in which the sizes of all places are fitted together."""
ROUNDS = 3
"""Rounds in which the weights of leaves follow the size of one place."""
NEWTON = 5
"""Steps of Newton's method for the share that turned bad."""
OF_A_CODE = 6.0
"""Price of each further code of a place that turns requests bad, in logs: its codes may share that out in any way."""


@dataclass(frozen=True)
class Candidate:
    """A cell: its value in each dimension, None for all; its log evidence; the log of its weight in the search; its effect."""

    values: tuple[int | None, ...]
    log_e: float
    log_weight: float
    effect: Effect = "times"


@dataclass(frozen=True)
class Part:
    """A candidate with the numbers of its leaves and the code of each."""

    candidate: Candidate
    leaves: Ints
    codes: Ints
    code_count: int

    @classmethod
    def of(cls, cells: Cells, candidate: Candidate) -> Part:
        """Return the part of the cells that a candidate holds."""
        leaves = np.flatnonzero(members(cells.keys, candidate.values))
        return cls(candidate, leaves, cells.keys[CODE][leaves], cells.sizes[CODE])

    @property
    def price(self) -> float:
        """What naming it costs, in logs."""
        return self.code_price(self.candidate.effect) - self.candidate.log_weight

    def code_price(self, effect: Effect) -> float:
        """What its codes cost with an effect, in logs."""
        return OF_A_CODE * (len(np.unique(self.codes)) - 1) if effect == "more" else 0.0


@dataclass(frozen=True)
class Sizes:
    """Places by effect with the size of each: a ratio, or the share of requests that turned bad by code. level: of the whole service."""

    times: list[Part]
    more: list[Part]
    ratios: list[float]
    shares: list[Floats]
    level: float = 1.0


class PlaceLikelihood:
    """Counts of the leaves, and the likelihood of the means that places give them."""

    def __init__(self, cells: Cells) -> None:
        self.bad = cells.bad.astype(np.float64)
        self.n = cells.n.astype(np.float64)
        self.expected = np.maximum(cells.expected, 1e-9)
        self.clustered = cells.clustered
        self.spread = cells.spread.get(max(cells.spread, key=len, default=()), 0.0)
        self._level_weight = 1.0 / max(min(cells.spread.get((), 0.0), LEVEL_VARIANCE), 1.0 / NEARLY_POISSON)
        self._usual_terms = self._terms(slice(None), self.expected)

    def mean(self, parts: Sequence[Part]) -> Floats:
        """Return the mean of each leaf when the sizes of all places and the level are fitted together."""
        return self.means(self.sizes(parts))[0]

    def means(self, sizes: Sizes) -> tuple[Floats, Floats]:
        """Return the mean of each leaf, and the part of it that is not turned bad by a place with a share."""
        usual = self.expected * sizes.level
        for part, ratio in zip(sizes.times, sizes.ratios, strict=True):
            usual[part.leaves] *= ratio
        mean = usual.copy()
        for part, share in zip(sizes.more, sizes.shares, strict=True):
            mean[part.leaves] += share[part.codes] * self.n[part.leaves]
        return mean, usual

    def sizes(self, parts: Sequence[Part]) -> Sizes:
        """Return the sizes of places, fitted in turn: ratios and the level by EM, shares by Newton's method."""
        times = [part for part in parts if part.candidate.effect == "times"]
        more = [part for part in parts if part.candidate.effect == "more"]
        ratios = [self._ratio_alone(part, self.expected)[0] for part in times]
        shares = [self._share_alone(part, self.expected)[0] for part in more]
        sizes = Sizes(times, more, ratios, shares)
        mean, usual = self.means(sizes)
        for _ in range(STEPS if parts else 0):
            weight = self._weight(slice(None), mean)
            sizes = replace(sizes, level=self._level(sizes.level, weight, mean, usual))
            mean, usual = self.means(sizes)
            for index, part in enumerate(times):
                at = part.leaves
                own = weight[at] * self.bad[at] * usual[at] / mean[at]
                below = (weight[at] * usual[at]).sum() / ratios[index]
                ratios[index] = max(float(own.sum() / max(below, 1e-12)), 1.0)
                mean, usual = self.means(sizes)
            for index, part in enumerate(more):
                at = part.leaves
                rest = np.maximum(mean[at] - shares[index][part.codes] * self.n[at], 1e-12)
                shares[index] = self._share(part, rest, weight[at])
                mean, usual = self.means(sizes)
        return sizes

    def _level(self, level: float, weight: Floats, mean: Floats, usual: Floats) -> float:
        own = self._level_weight + float((weight * self.bad * usual / mean).sum())
        return own / (self._level_weight + float((weight * usual).sum()) / level)

    def log_posterior(self, parts: Sequence[Part]) -> float:
        """Return the log likelihood of places at their likeliest sizes, with the log prior of the level."""
        sizes = self.sizes(parts)
        return self.log_likelihood(self.means(sizes)[0]) + self._level_weight * (
            math.log(sizes.level) + 1.0 - sizes.level
        )

    def log_likelihood(self, mean: Floats) -> float:
        """Return the log likelihood of means against nothing wrong."""
        changed = np.flatnonzero(mean != self.expected)
        return float((self._terms(changed, mean[changed]) - self._usual_terms[changed]).sum())

    def gains(self, parts: Sequence[Part], mean: Floats) -> list[tuple[float, Effect]]:
        """Return what each place would add to the log likelihood of means, less the price of naming it, with its better effect."""
        now = self._terms(slice(None), mean)
        return [self._gain(part, mean, now) for part in parts]

    def _gain(self, part: Part, mean: Floats, now: Floats) -> tuple[float, Effect]:
        at = part.leaves
        if self.bad[at].sum() <= mean[at].sum():
            return -math.inf, "times"
        fits: dict[Effect, Floats] = {
            "times": self._ratio_alone(part, mean)[1],
            "more": self._share_alone(part, mean)[1],
        }
        found = {
            effect: float((self._terms(at, fitted) - now[at]).sum()) - part.code_price(effect)
            for effect, fitted in fits.items()
        }
        best = max(found, key=found.__getitem__)
        return found[best] + part.candidate.log_weight, best

    def _ratio_alone(self, part: Part, mean: Floats) -> tuple[float, Floats]:
        """The likeliest ratio of a place beside means that stay as they are, and the new means of its leaves."""
        at, here = part.leaves, mean[part.leaves]
        ratio, fitted = 1.0, here
        for _ in range(ROUNDS):
            weight = self._weight(at, fitted)
            ratio = max(float((weight * self.bad[at]).sum() / (weight * here).sum()), 1.0)
            fitted = ratio * here
        return ratio, fitted

    def _share_alone(self, part: Part, mean: Floats) -> tuple[Floats, Floats]:
        """The likeliest shares of a place's codes beside means that stay as they are, and the new means of its leaves."""
        at, here = part.leaves, mean[part.leaves]
        share, fitted = np.zeros(part.code_count), here
        for _ in range(ROUNDS):
            share = self._share(part, here, self._weight(at, fitted))
            fitted = here + share[part.codes] * self.n[at]
        return share, fitted

    def _share(self, part: Part, here: Floats, weight: Floats) -> Floats:
        """The likeliest share of each code, by Newton's method from the mean excess on. here: means of the leaves without it."""
        codes, count = part.codes, part.code_count
        bad, n = self.bad[part.leaves], self.n[part.leaves]
        all_n = np.bincount(codes, weight * n, count)
        over = np.bincount(codes, weight * (bad - here), count)
        share = np.maximum(over, 0.0) / np.maximum(all_n, 1e-12)
        for _ in range(NEWTON):
            whole = here + share[codes] * n
            slope = np.bincount(codes, weight * bad * n / whole, count) - all_n
            bend = np.bincount(codes, weight * bad * (n / whole) ** 2, count)
            share = np.clip(share + slope / np.maximum(bend, 1e-12), share / 4.0, 4.0 * share)
            share[(bend <= 0) | (all_n <= 0)] = 0.0
        return share

    def _beyond(self, at: Ints | slice, mean: Floats) -> Floats:
        """The variance of leaves beyond that of a Poisson count."""
        expected = self.expected[at]
        return np.asarray(
            self.clustered * mean + self.spread * expected**2 + UNEVEN**2 * (mean - expected) ** 2, np.float64
        )

    def _weight(self, at: Ints | slice, mean: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + self._beyond(at, mean) / mean), np.float64)

    def _terms(self, at: Ints | slice, mean: Floats) -> Floats:
        """The log likelihood of each leaf, but for what does not depend on the mean."""
        bad = self.bad[at]
        shape = mean**2 / np.maximum(self._beyond(at, mean), mean**2 / NEARLY_POISSON)
        chance = bad * np.log(mean / (shape + mean)) - shape * np.log1p(mean / shape)
        return np.asarray(gammaln(bad + shape) - gammaln(shape) + chance, np.float64)
