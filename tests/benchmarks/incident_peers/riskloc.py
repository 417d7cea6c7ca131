"""RiskLoc (Kalander, "RiskLoc: Localization of Multi-dimensional Root Causes by Weighted Risk", arXiv 2205.10004), for counts.

Written from the paper, with its published thresholds. Forecast and actual value of a leaf are its expected and its bad requests.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from pratique.incident.cells import Cells, members

RISK, LEAST_POWER, OUTLIERS = 0.5, 0.02, 5
"""Least risk of a cause, least part of the anomaly that is worth an answer, and deviations on either side that are outliers."""

Place = tuple[int | None, ...]


def riskloc(cells: Cells) -> list[Place]:
    """The places in the order in which they are found."""
    actual, forecast = cells.bad.astype(float), cells.expected
    both = actual + forecast
    deviation = np.divide(2.0 * (forecast - actual), both, out=np.zeros_like(both), where=both > 0)
    cutoff = _cutoff(deviation)
    abnormal = deviation > cutoff if cutoff >= 0 else deviation < cutoff
    weight = np.minimum(np.where(abnormal, np.abs(deviation), np.abs(cutoff - deviation)), 1.0)
    weight[both == 0] = 0.0
    power = (actual - forecast) / ((actual - forecast).sum() or 1e-9)
    power = -power if power[abnormal].sum() < 0 else power
    least = LEAST_POWER * power[abnormal].sum()
    left = np.ones(len(actual), bool)
    found: list[Place] = []
    while power[left & abnormal].sum() >= max(least, 1e-12):
        place = _search(cells, left, abnormal, weight, deviation, power, least)
        if place is None:
            break
        found.append(place)
        left &= ~members(cells.keys, place)
    return found


def _cutoff(deviation: np.ndarray) -> float:
    """The deviation beyond which a leaf is abnormal: that of the side without the anomaly, mirrored."""
    levels = np.unique(deviation)
    low, high = levels[min(OUTLIERS, len(levels) - 1)], levels[max(len(levels) - 1 - OUTLIERS, 0)]
    return float(-min(low, high, key=abs))


def _search(cells, left, abnormal, weight, deviation, power, least) -> Place | None:
    """The cell with the most explanatory power and enough risk in the first layer that has one."""
    dimensions = len(cells.sizes)
    kept = left.copy()
    for layer in range(1, dimensions + 1):
        best: tuple[float, Place | None] = (least, None)
        for cuboid in combinations(range(dimensions), layer):
            number, limit = cells.cell_of(cuboid)
            ids, own = number[kept], power[kept]
            of_cell = np.bincount(ids, own, limit)
            marked = np.bincount(ids, abnormal[kept], limit)
            order = np.argsort(-of_cell)
            for cell in order[(marked[order] > 0) & (of_cell[order] > best[0])].tolist():
                inside = kept & (number == cell)
                if _risk(cells, inside, abnormal, weight, deviation) >= RISK:
                    leaf = cells.keys[:, np.flatnonzero(inside)[0]]
                    place = tuple(int(leaf[at]) if at in cuboid else None for at in range(dimensions))
                    best = (float(of_cell[cell]), place)
                    break
            if layer == 1:
                positive = np.bincount(number[left], np.maximum(power[left], 0.0), limit)
                there = np.bincount(number[left], abnormal[left], limit)
                kept &= ~((positive < least) | (there == 0))[number]
        if best[1] is not None:
            return best[1]
    return None


def _risk(cells, inside, abnormal, weight, deviation) -> float:
    """High risk (weight of abnormal leaves) less low risk (deviation from one common factor, beside that from the forecast)."""
    heavy, light = weight[inside & abnormal].sum(), weight[inside & ~abnormal].sum() + 1.0
    high = heavy / (heavy + light)
    some = inside & (cells.bad > 0) & (cells.expected > 0)
    if not some.any():
        return float(high)
    actual, forecast = cells.bad[some], cells.expected[some]
    expected = forecast * actual.sum() / forecast.sum()
    apart, before = np.abs(2.0 * (expected - actual) / (expected + actual)).mean(), np.abs(deviation[some]).mean()
    return float(high - (apart / before if before else 0.0))
