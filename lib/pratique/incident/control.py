"""Compare a change's revision with the other revisions at the same moments, with the evidence of the judge.

Strata are windows of parts of the traffic: given how many requests and how many bad ones both had in one, the revision's part is
hypergeometric when the two do not differ. A cause that harms both therefore gives no evidence, however large it is, and neither does
a revision that gets more of the requests that always fail more often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pratique.incident.measures import Arms
from pratique.judge.dispersion import Dispersion, excess_and_variance
from pratique.judge.evidence import ERRORS, LATENCY, Test, confidence, estimate
from pratique.judge.hypergeometric import NODES, Floats, Ints, K, psi_at_nodes
from pratique.judge.strata import LONGEST, Strata

FEWEST_BAD = 20
"""Bad requests of both arms below which nothing is said."""
FEWEST_WINDOWS = 3
"""Windows that both must have served: the windows of a switch are no comparison."""
ALIKE = 0.05
"""Chance of calling a revision alike that is worse than tolerated."""


@dataclass(frozen=True)
class Control:
    """A comparison. ratio, low, high: odds ratio with 95 % limits. log_e: against "at most the tolerated ratio". alike_below: the
    ratio below which it is shown to be at the level ALIKE. marked: bad requests of the strata that both served.
    """

    arms: Arms
    ratio: float
    low: float
    high: float
    alike_below: float
    marked: int

    @property
    def log_e(self) -> float:
        """The evidence after the last window, natural log."""
        return float(self.arms.log_e[-1]) if len(self.arms.log_e) else 0.0


def compare_arms(
    bad: Ints, n: Ints, *, tolerated: float, phi: float, block: int, latency: bool = False
) -> Control | None:
    """Return the comparison of two arms; None where fewer than FEWEST_WINDOWS windows have requests of both, or no stratum has.

    bad, n: shape (2, windows, parts of the traffic), the others first. phi: overdispersion before it is measured. block: windows of a
    block in which it is measured.
    """
    if int((n.sum(axis=2) > 0).all(axis=0).sum()) < FEWEST_WINDOWS:
        return None
    joined_bad, joined_n = _strata(bad, n)
    both = (joined_n > 0).all(axis=0)
    if not both.any():
        return None
    window = np.arange(bad.shape[1])
    # what clusters does so in several parts at once: φ is that of their sum
    sums = [values.sum(axis=1, keepdims=True) for values in excess_and_variance(joined_bad, joined_n)]
    curves = _curves(joined_bad, joined_n) / Dispersion(phi, block).update(window, *sums)[:, None]
    mixture = LATENCY if latency else ERRORS
    test = Test(tolerated, mixture)
    log_e = test.martingale().update(window, test.steps(curves))
    curve = curves.sum(axis=0)[None, :]
    (low,), (high,) = confidence(curve, mixture, 0.025, 0.025)
    _, (alike_below,) = confidence(curve, mixture, 0.025, ALIKE)
    informative = bool(np.abs(curve).max() > 0)
    return Control(
        arms=Arms(bad.sum(axis=2), n.sum(axis=2), log_e),
        ratio=float(estimate(curve)[0]) if informative else 1.0,
        low=float(low),
        high=float(high),
        alike_below=float(alike_below),
        marked=int(joined_bad[:, both].sum()),
    )


def _strata(bad: Ints, n: Ints) -> tuple[Ints, Ints]:
    """Windows with few requests joined, each stratum in the window that closed it; the last window closes all."""
    windows = bad.shape[1]
    after = np.append(np.arange(windows), windows - 1 + LONGEST)
    found = Strata().join(after, *(np.pad(values, ((0, 0), (0, 1), (0, 0))) for values in (bad, n)))
    for values in found:
        values[:, -2] += values[:, -1]
    return found[0][:, :-1], found[1][:, :-1]


def _curves(bad: Ints, n: Ints) -> Floats:
    """Curves by window, the sum of those of its strata, shape (windows, K)."""
    total, marked = n.sum(axis=0), bad.sum(axis=0)
    tells = (marked > 0) & (marked < total) & (n > 0).all(axis=0)
    curves = np.zeros((bad.shape[1], K))
    found = bad[1, tells][:, None] * NODES - psi_at_nodes(total[tells], marked[tells], n[1, tells])
    np.add.at(curves, np.nonzero(tells)[0], found)
    return curves


def needed_more(control: Control) -> int:
    """Return about how many bad requests are lacking until the comparison tells something."""
    return max(FEWEST_BAD - control.marked, math.ceil(control.marked * 0.5), 1)
