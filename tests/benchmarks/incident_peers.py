"""Peers of the incident analysis, on the same streams: "first above 3 sigma", ruptures where it is installed, and Adtributor.

Adtributor is written from its paper (Bhagwan and others, NSDI 2014, section 4) for counts, with its published thresholds. ruptures is
BSD-2-Clause: `pip install ruptures` adds its rows.
"""

from __future__ import annotations

import numpy as np

from pratique.incident.cells import Cells

try:
    import ruptures
except ModuleNotFoundError:
    ruptures = None

ELEMENT, WHOLE, SETS = 0.1, 0.67, 3
"""Least explanatory power of an element and of a set, and how many sets are answered."""


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


def adtributor(cells: Cells) -> list[tuple[int | None, ...]]:
    """The places that Adtributor names, the most surprising dimension first; each has one dimension."""
    found: list[tuple[float, list[tuple[int | None, ...]]]] = []
    for dimension, size in enumerate(cells.sizes):
        forecast, actual = (np.bincount(cells.keys[dimension], values, size) for values in (cells.expected, cells.bad))
        change = actual.sum() - forecast.sum()
        p, q = forecast / max(forecast.sum(), 1e-9), actual / max(actual.sum(), 1e-9)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [np.where(x > 0, x * np.log(2.0 * x / (p + q)), 0.0) for x in (p, q)]
        surprise, power = 0.5 * (parts[0] + parts[1]), (actual - forecast) / (change or 1e-9)
        chosen, told = [], 0.0
        for value in np.argsort(-surprise).tolist():
            if power[value] <= ELEMENT:
                continue
            chosen.append(value)
            told += power[value]
            if told > WHOLE:
                names = [tuple(value if at == dimension else None for at in range(4)) for value in chosen]
                found.append((float(surprise[chosen].sum()), names))
                break
    found.sort(key=lambda item: -item[0])
    return [place for _, places in found[:1] for place in places]
