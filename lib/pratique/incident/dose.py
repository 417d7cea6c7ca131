"""Does the harm of the others grow with the weight of a revision? Then the two share what it uses up."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from pratique.incident.history import log_ratio_evidence
from pratique.judge.hypergeometric import Ints
from pratique.number_text import percent

LEVELS = (0.0, 0.02, 0.08, 0.2, 0.4, 1.0)
"""Bounds of a revision's share of the requests between which windows count as one level."""
SHOWN = 20.0
"""E-value from which a level is worse than the lowest one."""


def harm_by_weight(bad: Ints, n: Ints, *, phi: float) -> str:
    """Return a sentence where the other arm fares worse the larger the revision's share is; "" otherwise.

    bad, n: shape (2, windows), the others first. phi: overdispersion, at least 1.
    """
    total = n.sum(axis=0)
    level = np.searchsorted(LEVELS, n[1] / np.maximum(total, 1), side="left") - 1
    served = (total > 0) & (n[1] > 0) & (n[0] > 0)
    used = [number for number in range(len(LEVELS) - 1) if n[0][served & (level == number)].sum() > 0]
    if len(used) < 2:
        return ""
    parts = [served & (level == number) for number in used]
    others = [(int(bad[0][part].sum()), int(n[0][part].sum())) for part in parts]
    weights = [float(n[1][part].sum() / total[part].sum()) for part in parts]
    shares = [(count + 0.5) / (requests + 1.0) for count, requests in others]
    rising = all(low < high for low, high in pairwise(shares))
    last_bad, last_n = others[-1]
    evidence = float(log_ratio_evidence(np.array([last_bad]), np.array([last_n * shares[0]]), phi)[0])
    if not rising or evidence < math.log(SHOWN):
        return ""
    steps = ", ".join(
        f"{percent(share)} bad at {percent(weight)}" for share, weight in zip(shares, weights, strict=True)
    )
    return f"the others fared worse the more weight it had ({steps}): that speaks for something that both use"
