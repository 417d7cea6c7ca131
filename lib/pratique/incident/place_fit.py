"""Choose the smallest set of places that explains the counts of the leaf cells.

Places are added one by one, fitted together, exchanged, and dropped where they tell less than the price of naming them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pratique.incident.cells import Cells
from pratique.incident.model import Effect
from pratique.incident.place_likelihood import Candidate, Part, PlaceLikelihood
from pratique.judge.hypergeometric import Floats

MOST_PLACES = 8
LEAST_PART = 0.05
"""Part of the excess that a place must tell."""


@dataclass(frozen=True)
class _Fit:
    """needed: what a place must tell beyond the price of naming it, in logs."""

    counts: PlaceLikelihood
    needed: float

    def score(self, chosen: Sequence[Part]) -> float:
        return self.counts.log_posterior(chosen) - sum(part.price + self.needed for part in chosen)


def chosen_set(cells: Cells, candidates: Sequence[Candidate], *, alpha: float) -> tuple[Candidate, ...]:
    """Return the candidates that are needed to explain the counts, the one that is needed most first."""
    fit = _Fit(PlaceLikelihood(cells), -math.log(alpha))
    parts = [Part.of(cells, candidate) for candidate in candidates]
    chosen: list[Part] = []
    while len(chosen) < MOST_PLACES:
        best = _best(fit, parts, chosen)
        if best is None:
            break
        larger = _improved(fit, parts, [*chosen, best])
        if chosen and fit.score(larger) <= fit.score(chosen):
            break
        chosen = larger
    return tuple(part.candidate for part in _ordered(fit, _needed(fit, chosen)))


def mean_of_others(fitted: Cells, applied: Cells, candidates: Sequence[Candidate]) -> Floats:
    """Return the means of the leaves of `applied`, with the sizes of the places as they are in `fitted`."""
    sizes = PlaceLikelihood(fitted).sizes([Part.of(fitted, candidate) for candidate in candidates])
    times, more = ([Part.of(applied, part.candidate) for part in parts] for parts in (sizes.times, sizes.more))
    return PlaceLikelihood(applied).means(replace(sizes, times=times, more=more))[0]


def _best(fit: _Fit, parts: Sequence[Part], chosen: Sequence[Part]) -> Part | None:
    """The part that adds most to those chosen."""
    taken = {part.candidate.values for part in chosen}
    free = [part for part in parts if part.candidate.values not in taken]
    found: tuple[float, Part] | None = None
    for part, (gain, effect) in zip(free, fit.counts.gains(free, fit.counts.mean(chosen)), strict=True):
        if math.isfinite(gain) and (found is None or gain > found[0]):
            found = gain, _with_effect(part, effect)
    return found[1] if found else None


def _improved(fit: _Fit, parts: Sequence[Part], chosen: list[Part]) -> list[Part]:
    """Exchange or drop places while that explains more for its price."""
    score = fit.score(chosen)
    known = {part.candidate.values: part for part in parts}
    for _ in range(2 * MOST_PLACES):
        better: list[Part] | None = None
        for index, others in enumerate(_without_each(chosen)):
            best = _best(fit, parts, others)
            options = [*_both_effects(others), [*others[:index], _other_effect(chosen[index]), *others[index:]]]
            instead = [*([best] if best else []), *_coarser(known, chosen[index])]
            options += [[*others[:index], part, *others[index:]] for part in instead]
            for option in filter(_distinct, options):
                found = fit.score(option) if option else -math.inf
                if found > score + 1e-6:
                    score, better = found, option
        if better is None:
            return chosen
        chosen = better
    return chosen


def _distinct(parts: list[Part]) -> bool:
    return len({part.candidate.values for part in parts}) == len(parts)


def _coarser(known: dict[tuple[int | None, ...], Part], part: Part) -> list[Part]:
    """The cells with one dimension less, with either effect: beside another place a part of one may look sufficient."""
    values = part.candidate.values
    shorter = [(*values[:at], None, *values[at + 1 :]) for at, value in enumerate(values) if value is not None]
    found = [known[cell] for cell in shorter if cell in known]
    return [*found, *map(_other_effect, found)]


def _needed(fit: _Fit, chosen: list[Part]) -> list[Part]:
    """The places without which the others, fitted again, leave LEAST_PART of the excess; the smallest is dropped first."""
    least = LEAST_PART * float((fit.counts.bad - fit.counts.expected).sum())
    while len(chosen) > 1:
        means = map(fit.counts.mean, _without_each(chosen))
        left = [float((fit.counts.bad - mean)[part.leaves].sum()) for part, mean in zip(chosen, means, strict=True)]
        smallest = min(range(len(chosen)), key=left.__getitem__)
        if left[smallest] >= least:
            break
        chosen = [*chosen[:smallest], *chosen[smallest + 1 :]]
    return chosen


def _without_each(chosen: Sequence[Part]) -> list[list[Part]]:
    """The other places, of each place in turn."""
    return [[*chosen[:index], *chosen[index + 1 :]] for index in range(len(chosen))]


def _with_effect(part: Part, effect: Effect) -> Part:
    return replace(part, candidate=replace(part.candidate, effect=effect))


def _other_effect(part: Part) -> Part:
    return _with_effect(part, "more" if part.candidate.effect == "times" else "times")


def _both_effects(parts: list[Part]) -> list[list[Part]]:
    """The places as they are, and with the effect of each one exchanged in turn: it was chosen beside the one left out."""
    turned = [[*parts[:index], _other_effect(part), *parts[index + 1 :]] for index, part in enumerate(parts)]
    return [parts, *turned]


def _ordered(fit: _Fit, chosen: Sequence[Part]) -> list[Part]:
    """The places in the order of what is lost without each: one inside another is not hidden behind it."""
    if len(chosen) < 2:
        return list(chosen)
    left = list(map(fit.counts.log_posterior, _without_each(chosen)))
    return [chosen[at] for at in sorted(range(len(chosen)), key=left.__getitem__)]
