"""Does the harm of the others follow the weight of a revision? Then the two share what it uses up.

The windows just before each change of the weight are compared with those just after it. An outage that grows by itself while the weight
is raised has no step at these moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pratique.incident.history import log_ratio_evidence
from pratique.judge.hypergeometric import Ints
from pratique.number_text import percent

LEVELS = (0.0, 0.015, 0.035, 0.07, 0.14, 0.35, 0.6, 0.85, 1.0)
"""Bounds of a revision's share of the requests between which windows count as one level: the usual weights lie between them."""
LARGER = 1.3
"""How many times as large a weight must be after a change; less is chance around a bound."""
BESIDE = 3
"""Windows on either side of a change of the level that are compared, and the fewest that a level must last."""
SHOWN = 20.0
"""E-value from which the others fare worse at the larger weights."""


@dataclass(frozen=True)
class _Step:
    """A change of the weight: of the others at the smaller and at the larger one, bad and all requests; and the two weights."""

    bad: tuple[int, int]
    n: tuple[int, int]
    weights: tuple[float, float]

    @property
    def shares(self) -> tuple[float, float]:
        return (self.bad[0] + 0.5) / (self.n[0] + 1.0), (self.bad[1] + 0.5) / (self.n[1] + 1.0)

    def log_e(self, phi: float) -> float:
        """The evidence that the share is larger at the larger weight."""
        usual = self.shares[0] * (1.0 + 1.0 / math.sqrt(self.bad[0] + 1.0))
        return float(log_ratio_evidence(np.array([self.bad[1]]), np.array([self.n[1] * usual]), phi)[0])


def harm_by_weight(bad: Ints, n: Ints, *, phi: float) -> str:
    """Return a sentence where the other arm fares worse at each change to a larger weight; "" otherwise.

    bad, n: shape (2, windows), the others first. phi: overdispersion, at least 1.
    """
    steps = _steps(bad, n)
    rising = all(step.shares[0] < step.shares[1] for step in steps)
    if not steps or not rising or sum(step.log_e(phi) for step in steps) < math.log(SHOWN):
        return ""
    seen = ", ".join(
        f"{percent(step.shares[0])} bad at {percent(step.weights[0])} and {percent(step.shares[1])} at {percent(step.weights[1])}"
        for step in steps
    )
    return (
        f"the others fared worse at each larger weight, from the moment when the weight changed ({seen}): this suggests "
        "a resource that both use"
    )


def _steps(bad: Ints, n: Ints) -> list[_Step]:
    """The changes of the level between two spans that each last for BESIDE windows."""
    both = np.flatnonzero((n > 0).all(axis=0))
    if not len(both):
        return []
    level = np.searchsorted(LEVELS, n[1, both] / n[:, both].sum(axis=0), side="left")
    level_of = dict(zip(both.tolist(), level.tolist(), strict=True))
    spans = np.split(both, np.flatnonzero(np.diff(level)) + 1)
    lasting = [(level_of[span[0]], span) for span in spans if len(span) >= BESIDE]
    found = []
    for (level_before, before), (level_after, after) in pairwise(lasting):
        near = _sums(bad, n, before[-BESIDE:]), _sums(bad, n, after[:BESIDE])
        low, high = near if level_before < level_after else near[::-1]
        if level_before == level_after or high[2] < LARGER * low[2]:
            continue
        found.append(_Step((low[0], high[0]), (low[1], high[1]), (low[2], high[2])))
    return found


def _sums(bad: Ints, n: Ints, windows: Ints) -> tuple[int, int, float]:
    """Bad and all requests of the others, and the revision's weight."""
    own = n[:, windows].sum(axis=1)
    return int(bad[0, windows].sum()), int(own[0]), float(own[1] / own.sum())
