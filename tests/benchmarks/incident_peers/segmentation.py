"""Peers that date a change: "first above 3 sigma", and ruptures where it is installed.

ruptures is BSD-2-Clause: `pip install ruptures` adds its rows.
"""

from __future__ import annotations

import numpy as np

try:
    import ruptures
except ModuleNotFoundError:
    ruptures = None


def three_sigma(history: np.ndarray, bad: np.ndarray) -> float:
    """The first window more than three standard deviations above the mean of the history's windows, NaN where there is none."""
    above = bad > history.mean() + 3.0 * history.std()
    return float(above.argmax()) if above.any() else np.nan


def binary_segmentation(bad: np.ndarray) -> float:
    """The split that ruptures finds when there has to be one; NaN where it is not installed."""
    if ruptures is None:
        return np.nan
    return float(ruptures.Binseg(model="l2", jump=1, min_size=2).fit(bad.astype(float)).predict(n_bkps=1)[0])


def penalised(bad: np.ndarray, variance: float) -> float:
    """The first split of ruptures' Pelt with penalty 3 log n σ², NaN where it finds none or is not installed."""
    if ruptures is None:
        return np.nan
    penalty = 3.0 * np.log(len(bad)) * variance
    first = ruptures.Pelt(model="l2", jump=1, min_size=2).fit(bad.astype(float)).predict(pen=penalty)[0]
    return float(first) if first < len(bad) else np.nan
