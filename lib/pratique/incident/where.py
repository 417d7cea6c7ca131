"""Where is a rise: the smallest set of places that explains it, and the change of the service shared out exactly.

Evidence of a place is a Poisson likelihood ratio of its bad requests to the expected ones, to the power 1/φ, mixed over ratios
above 1 (expectation-based scan statistic: Kulldorff 1997; Neill & Moore 2005). Every cell of every cuboid has a weight, and the
weights sum to at most 1: with nothing wrong, the chance of naming any place is at most alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pratique.incident.cells import CODE, DIMENSIONS, SERVED_BY, Cells, members
from pratique.incident.history import log_ratio_evidence
from pratique.incident.model import Effect, Place, Places
from pratique.incident.place_fit import LEAST_PART, chosen_set
from pratique.incident.place_likelihood import Candidate
from pratique.incident.shapes import Mask
from pratique.judge.hypergeometric import Floats

MOST_CANDIDATES = 400
"""Cells with the most evidence that take part in the choice of a set."""


@dataclass(frozen=True)
class Found:
    """Places with the leaves that they hold, and the value of each in every dimension."""

    places: Places
    leaves: tuple[Mask, ...]
    values: tuple[tuple[int | None, ...], ...]


def find_places(cells: Cells, *, alpha: float = 0.01) -> Found:
    """Return the places that explain a rise, none where none is shown at `alpha`."""
    candidates = shown_cells(cells, alpha)
    chosen = chosen_set(cells, candidates, alpha=alpha)
    return Found(
        places=_shared_out(cells, chosen, reason="" if chosen else _why_none(cells, alpha)),
        leaves=tuple(members(cells.keys, place.values) for place in chosen),
        values=tuple(place.values for place in chosen),
    )


def shown_cells(cells: Cells, alpha: float) -> list[Candidate]:
    """Return the cells whose weighted evidence reaches 1 / alpha and that tell at least LEAST_PART of the excess."""
    excess = max(float(cells.bad.sum() - cells.expected.sum()), 1e-9)
    cuboids = cells.cuboids()
    lengths = np.bincount([len(dimensions) for dimensions in cuboids])
    dimensions_used = len(lengths)
    found: list[Candidate] = []
    for dimensions in cuboids:
        number, limit = cells.cell_of(dimensions)
        bad, mean, n = (
            np.asarray(np.bincount(number, values, limit), np.float64)
            for values in (cells.bad, cells.expected, cells.n)
        )
        there = max(int((np.bincount(number, minlength=limit) > 0).sum()), 1)
        log_weight = -math.log(dimensions_used * int(lengths[len(dimensions)]) * there)
        log_e = np.where(n > 0, log_ratio_evidence(bad, mean, cells.phi(dimensions, mean)), 0.0)
        shown = (log_e + log_weight >= -math.log(alpha)) & (bad - mean >= LEAST_PART * excess)
        if not shown.any():
            continue
        first = np.full(limit, -1)
        first[number[::-1]] = np.arange(len(number))[::-1]
        for cell in np.flatnonzero(shown).tolist():
            leaf = cells.keys[:, first[cell]]
            values = tuple(int(leaf[d]) if d in dimensions else None for d in range(len(leaf)))
            found.append(Candidate(values, float(log_e[cell]), log_weight))
    found.sort(key=lambda candidate: -(candidate.log_e + candidate.log_weight))
    return found[:MOST_CANDIDATES]


def _shared_out(cells: Cells, chosen: Sequence[Candidate], *, reason: str) -> Places:
    """Share out the bad requests: bad = expected + mix + places + rest. A leaf counts for the first place that holds it."""
    before, after = cells.requests
    usual = float(cells.bad_before.sum()) / before if before else 0.0
    of_cells = float(cells.expected.sum())
    expected = usual * after if before else of_cells
    change = cells.bad - cells.expected
    excess = max(float(cells.bad.sum()) - expected, 1e-12)
    free = np.ones(len(change), bool)
    places: list[Place] = []
    told = 0.0
    for candidate in chosen:
        inside = members(cells.keys, candidate.values)
        part = min(max(float(change[inside & free].sum()) / excess, 0.0), 1.0)
        free &= ~inside
        told += part * excess
        places.append(_place(cells, candidate, inside, part))
    bad = int(cells.bad.sum())
    return Places(
        found=tuple(places),
        mix=of_cells - expected,
        rest=float(bad - of_cells - told),
        expected=expected,
        bad=bad,
        requests=int(after),
        reason=reason,
    )


def _place(cells: Cells, candidate: Candidate, inside: Mask, part: float) -> Place:
    bad, mean = int(cells.bad[inside].sum()), float(cells.expected[inside].sum())
    before, after = _requests(cells, inside, cells.n_before), _requests(cells, inside, cells.n)
    names = [
        None if value is None else cells.names[dimension][value] for dimension, value in enumerate(candidate.values)
    ]
    new = before == 0
    return Place(
        revision=names[0],
        action=names[1],
        code=names[2],
        host=names[3],
        bad=bad,
        requests=int(after),
        expected=mean,
        part=part,
        ratio=bad / mean if mean > 0 else None,
        effect=candidate.effect,
        before=float(cells.bad_before[inside].sum()) / before if before else mean / max(after, 1.0),
        after=bad / max(after, 1.0),
        e_value=math.exp(min(candidate.log_e + candidate.log_weight, 700.0)),
        reason=_reason(candidate.effect, new),
    )


def _requests(cells: Cells, inside: Mask, n: Floats | np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """Requests of the leaves, each counted once where several codes are inside."""
    codes = cells.keys[CODE][inside]
    return float(n[inside][codes == codes.min()].sum()) if len(codes) else 0.0


def _reason(effect: Effect, new: bool) -> str:
    how = (
        "every kind of bad request rose by about one factor"
        if effect == "times"
        else "about the same share of all requests turned bad"
    )
    return f"{how}; it has no requests in the history, so similar traffic stands in for it" if new else how


def _why_none(cells: Cells, alpha: float) -> str:
    if not cells.bad.sum():
        return "no bad requests"
    return f"no part of the traffic has more bad requests than expected with the evidence that alpha {alpha:g} needs"


__all__ = ["DIMENSIONS", "SERVED_BY", "Found", "find_places", "shown_cells"]
