"""Fixed-horizon tests, repeated after every window: the peers of the judge's benchmark.

The z-test is the pooled two-proportion test. The Mann-Whitney test is repeated on the values of windows as
Kayenta's judge does it: 98 % confidence, and "high" only where the interval of the shift (Hodges and Lehmann)
lies beyond a quarter of the estimated shift. Source: Kayenta's MannWhitneyClassifier.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from pratique.judge.hypergeometric import Floats, Ints

TOLERANCE = 0.25


def z_alarm(bad: Ints, n: Ints, *, alpha: float, first_look: int = 1) -> float:
    """The first window (from 1) at which the one-sided pooled z-test rejects, inf where none does.

    bad, n: shape (2, windows), baseline first.
    """
    (bad_b, bad_c), (n_b, n_c) = np.cumsum(bad, axis=1), np.cumsum(n, axis=1)
    total = np.maximum(n_b + n_c, 1)
    pooled = (bad_b + bad_c) / total
    spread = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(n_b, 1) + 1 / np.maximum(n_c, 1)))
    score = np.divide(
        bad_c / np.maximum(n_c, 1) - bad_b / np.maximum(n_b, 1), spread, where=spread > 0, out=np.zeros_like(spread)
    )
    return _first(score > NormalDist().inv_cdf(1 - alpha), first_look)


def mann_whitney_alarm(baseline: Floats, canary: Floats, *, confidence: float = 0.98, first_look: int = 10) -> float:
    """The first window (from 1) at which the canary's windows are called high, inf where none is.

    baseline, canary: one value a window, the same windows.
    """
    critical = NormalDist().inv_cdf(0.5 + confidence / 2)
    high = np.zeros(len(baseline), bool)
    for look in range(first_look, len(baseline) + 1):
        differences = np.sort(np.subtract.outer(canary[:look], baseline[:look]).ravel())
        low = _lower_rank(baseline[:look], canary[:look], critical)
        shift = float(np.median(differences))
        high[look - 1] = shift > 0 and low >= 0 and differences[low] > TOLERANCE * abs(shift)
    return _first(high, first_look)


def _lower_rank(baseline: Floats, canary: Floats, critical: float) -> int:
    """Which of the sorted differences is the lower end of the shift's interval, by the normal approximation with ties."""
    a, b = len(baseline), len(canary)
    _, ties = np.unique(np.concatenate([baseline, canary]), return_counts=True)
    total = a + b
    variance = a * b / 12.0 * (total + 1 - float((ties**3 - ties).sum()) / (total * (total - 1)))
    return math.floor(a * b / 2.0 - critical * math.sqrt(max(variance, 0.0)))


def _first(alarm: np.ndarray[tuple[int], np.dtype[np.bool_]], first_look: int) -> float:
    alarm[: first_look - 1] = False
    return float(alarm.argmax() + 1) if alarm.any() else math.inf
