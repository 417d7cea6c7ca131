"""Choose the smallest set of places that explains the counts of the leaf cells.

The mean of a leaf is e Π ratio + n Σ share: some places multiply its usual bad requests, others turn a share of all its requests bad.
Both are needed: a fault that fails 5 % of requests multiplies rare errors by 20 and common ones by 2. Places are added one by one,
fitted together, exchanged, and dropped where they tell less than the price of naming them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pratique.incident.cells import CODE, Cells, members
from pratique.incident.model import Effect
from pratique.judge.hypergeometric import Floats, Ints

UNEVEN = 0.8
"""Standard deviation of the log ratio among the cells of one cause: they rise by about one factor, not exactly. Chosen on half of the
labelled cases of tests/benchmarks/incident_rows/public_set.py, and better on the other half than 0.3 too.
"""
MOST_PLACES = 8
LEAST_PART = 0.05
"""Part of the excess that a place must tell."""
STEPS = 8
"""Steps in which the sizes of all places are fitted together."""
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
class _Part:
    """A candidate with the numbers of its leaves and the code of each."""

    candidate: Candidate
    leaves: Ints
    codes: Ints
    code_count: int


class _Fit:
    """Counts of the leaves, weighted so that no leaf decides alone."""

    def __init__(self, cells: Cells, needed: float) -> None:
        """needed: what a place must tell beyond the price of naming it, in logs."""
        self.needed = needed
        self.bad = cells.bad.astype(np.float64)
        self.n = cells.n.astype(np.float64)
        self.expected = np.maximum(cells.expected, 1e-9)
        leaf_spread = cells.spread.get(max(cells.spread, key=len, default=()), 0.0)
        self.weight = 1.0 / (1.0 + (UNEVEN**2 + leaf_spread) * self.expected)

    def mean(self, parts: Sequence[_Part]) -> Floats:
        """Return the mean of each leaf when the sizes of all places are fitted together."""
        return self.means(*self.sizes(parts))[0]

    def contributions(self, parts: Sequence[_Part]) -> list[float]:
        """Return how many bad requests each place adds to the fitted means, with the sizes of the others as they are."""
        times, more, ratios, shares = self.sizes(parts)
        whole = float(self.means(times, more, ratios, shares)[0].sum())
        found: dict[int, float] = {}
        for at, part in enumerate(times):
            without = [*ratios[:at], 1.0, *ratios[at + 1 :]]
            found[id(part)] = whole - float(self.means(times, more, without, shares)[0].sum())
        for at, part in enumerate(more):
            none = [*shares[:at], 0.0 * shares[at], *shares[at + 1 :]]
            found[id(part)] = whole - float(self.means(times, more, ratios, none)[0].sum())
        return [found[id(part)] for part in parts]

    def sizes(self, parts: Sequence[_Part]) -> tuple[list[_Part], list[_Part], list[float], list[Floats]]:
        """Return the places of either effect, and their sizes, fitted in turn: ratios by EM, shares by Newton's method."""
        times, more = _by_effect(parts)
        ratios = [self._ratio(part, self.expected) for part in times]
        shares = [self._share(part, self.expected) for part in more]
        for _ in range(STEPS):
            mean, usual = self.means(times, more, ratios, shares)
            if len(parts) <= 1:
                break
            for index, part in enumerate(times):
                at = part.leaves
                own = self.weight[at] * self.bad[at] * usual[at] / mean[at]
                below = (self.weight[at] * usual[at]).sum() / ratios[index]
                ratios[index] = max(float(own.sum() / max(below, 1e-12)), 1.0)
                mean, usual = self.means(times, more, ratios, shares)
            for index, part in enumerate(more):
                at = part.leaves
                without = mean[at] - shares[index][part.codes] * self.n[at]
                rest = mean.copy()
                rest[at] = np.maximum(without, 1e-12)
                shares[index] = self._share(part, rest)
                mean, usual = self.means(times, more, ratios, shares)
        return times, more, ratios, shares

    def means(
        self, times: Sequence[_Part], more: Sequence[_Part], ratios: Sequence[float], shares: Sequence[Floats]
    ) -> tuple[Floats, Floats]:
        """Return the mean of each leaf, and the part of it that is not turned bad by a place with a share."""
        usual = self.expected.copy()
        for part, ratio in zip(times, ratios, strict=True):
            usual[part.leaves] *= ratio
        mean = usual.copy()
        for part, share in zip(more, shares, strict=True):
            mean[part.leaves] += share[part.codes] * self.n[part.leaves]
        return mean, usual

    def _ratio(self, part: _Part, mean: Floats) -> float:
        at = part.leaves
        return max(float((self.weight[at] * self.bad[at]).sum() / (self.weight[at] * mean[at]).sum()), 1.0)

    def _share(self, part: _Part, mean: Floats) -> Floats:
        """The likeliest share of each code, by Newton's method from the mean excess on."""
        at, codes, count = part.leaves, part.codes, part.code_count
        weight, bad, n, here = self.weight[at], self.bad[at], self.n[at], mean[at]
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

    def log_likelihood(self, mean: Floats) -> float:
        """Return the log likelihood of means against nothing wrong."""
        return float((self.weight * (self.bad * np.log(mean / self.expected) - (mean - self.expected))).sum())

    def gain(self, part: _Part, mean: Floats) -> tuple[float, Effect]:
        """Return what a place adds to the log likelihood, less the price of naming it, and its better effect."""
        at = part.leaves
        weight, bad, here = self.weight[at], self.bad[at], mean[at]
        seen, usual = float((weight * bad).sum()), float((weight * here).sum())
        if seen <= usual:
            return -math.inf, "times"
        times = seen * math.log(seen / usual) - (seen - usual)
        added = self._share(part, mean)[part.codes] * self.n[at]
        more = float((weight * (bad * np.log1p(added / here) - added)).sum()) - _code_price(part)
        best: Effect = "more" if more > times else "times"
        return max(times, more) + part.candidate.log_weight, best


def _code_price(part: _Part) -> float:
    return OF_A_CODE * (len(np.unique(part.codes)) - 1)


def _price(part: _Part) -> float:
    return -part.candidate.log_weight + (_code_price(part) if part.candidate.effect == "more" else 0.0)


def chosen_set(cells: Cells, candidates: Sequence[Candidate], *, alpha: float) -> tuple[Candidate, ...]:
    """Return the candidates that are needed to explain the counts, the one that tells most first."""
    fit = _Fit(cells, -math.log(alpha))
    parts = [_part(cells, candidate) for candidate in candidates]
    chosen: list[_Part] = []
    while len(chosen) < MOST_PLACES:
        best = _best(fit, parts, chosen)
        if best is None:
            break
        larger = _improved(fit, parts, [*chosen, best[1]])
        if chosen and _score(fit, larger) <= _score(fit, chosen):
            break
        chosen = larger
    return tuple(part.candidate for part in _ordered(fit, _large(fit, chosen)))


def mean_of_others(fitted: Cells, applied: Cells, candidates: Sequence[Candidate]) -> Floats:
    """Return the means of the leaves of `applied`, with the sizes of the places as they are in `fitted`."""
    sizes = _Fit(fitted, 0.0).sizes([_part(fitted, candidate) for candidate in candidates])
    parts = [_part(applied, candidate) for candidate in candidates]
    times, more = _by_effect(parts)
    return _Fit(applied, 0.0).means(times, more, *sizes[2:])[0]


def _by_effect(parts: Sequence[_Part]) -> tuple[list[_Part], list[_Part]]:
    times = [part for part in parts if part.candidate.effect == "times"]
    return times, [part for part in parts if part.candidate.effect == "more"]


def _part(cells: Cells, candidate: Candidate) -> _Part:
    leaves = np.flatnonzero(members(cells.keys, candidate.values))
    return _Part(candidate, leaves, cells.keys[CODE][leaves], cells.sizes[CODE])


def _best(fit: _Fit, parts: Sequence[_Part], chosen: Sequence[_Part]) -> tuple[float, _Part] | None:
    """The part that adds most to those chosen, and what it adds."""
    mean = fit.mean(chosen)
    taken = {part.candidate.values for part in chosen}
    found: tuple[float, _Part] | None = None
    for part in parts:
        if part.candidate.values in taken:
            continue
        gain, effect = fit.gain(part, mean)
        if math.isfinite(gain) and (found is None or gain > found[0]):
            found = gain, replace(part, candidate=replace(part.candidate, effect=effect))
    return found


def _score(fit: _Fit, chosen: Sequence[_Part]) -> float:
    return fit.log_likelihood(fit.mean(chosen)) - sum(_price(part) + fit.needed for part in chosen)


def _improved(fit: _Fit, parts: Sequence[_Part], chosen: list[_Part]) -> list[_Part]:
    """Exchange or drop places while that explains more for its price."""
    score = _score(fit, chosen)
    known = {part.candidate.values: part for part in parts}
    for _ in range(2 * MOST_PLACES):
        better: list[_Part] | None = None
        for index in range(len(chosen)):
            others = [*chosen[:index], *chosen[index + 1 :]]
            best = _best(fit, parts, others)
            options = [*_both_effects(others), [*others[:index], _other_effect(chosen[index]), *others[index:]]]
            instead = [*([best[1]] if best else []), *_coarser(known, chosen[index])]
            options += [[*others[:index], part, *others[index:]] for part in instead]
            for option in filter(_distinct, options):
                found = _score(fit, option) if option else -math.inf
                if found > score + 1e-6:
                    score, better = found, option
        if better is None:
            return chosen
        chosen = better
    return chosen


def _distinct(parts: list[_Part]) -> bool:
    return len({part.candidate.values for part in parts}) == len(parts)


def _coarser(known: dict[tuple[int | None, ...], _Part], part: _Part) -> list[_Part]:
    """The cells with one dimension less, with either effect: beside another place a part of one may look sufficient."""
    values = part.candidate.values
    shorter = [(*values[:at], None, *values[at + 1 :]) for at, value in enumerate(values) if value is not None]
    found = [known[cell] for cell in shorter if cell in known]
    return [*found, *map(_other_effect, found)]


def _large(fit: _Fit, chosen: list[_Part]) -> list[_Part]:
    """The places without those that add less than LEAST_PART of the excess, the smallest dropped first."""
    excess = float((fit.bad - fit.expected).sum())
    while len(chosen) > 1:
        added = fit.contributions(chosen)
        least = min(range(len(chosen)), key=added.__getitem__)
        if added[least] >= LEAST_PART * excess:
            break
        chosen = [*chosen[:least], *chosen[least + 1 :]]
    return chosen


def _other_effect(part: _Part) -> _Part:
    effect: Effect = "more" if part.candidate.effect == "times" else "times"
    return replace(part, candidate=replace(part.candidate, effect=effect))


def _both_effects(parts: list[_Part]) -> list[list[_Part]]:
    """The places as they are, and with the effect of each one exchanged in turn: it was chosen beside the one left out."""
    turned = [[*parts[:index], _other_effect(part), *parts[index + 1 :]] for index, part in enumerate(parts)]
    return [parts, *turned]


def _ordered(fit: _Fit, chosen: Sequence[_Part]) -> list[_Part]:
    def excess(part: _Part) -> float:
        return float((fit.bad - fit.expected)[part.leaves].sum())

    return sorted(chosen, key=excess, reverse=True)
