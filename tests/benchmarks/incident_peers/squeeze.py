"""Squeeze (Li and others, "Generic and Robust Localization of Multi-Dimensional Root Causes", ISSRE 2019), for counts.

Written from the paper, with its published thresholds: leaves with a large deviation are clustered by it, and each cluster is explained
by the cells of one cuboid with the best generalised potential score. The knee is where the curve is farthest above its chord.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import gaussian_kde

from pratique.incident.cells import Cells

MOST_CELLS, ENOUGH, NORMAL = 12, 0.9, 0.2
"""Cells of one cause, score from which deeper cuboids are not tried, and mean deviation below which a cluster is normal."""

Place = tuple[int | None, ...]


def squeeze(cells: Cells) -> list[Place]:
    """The places of all clusters, those with the most change first."""
    valid = np.flatnonzero(cells.expected > 0)
    keys, actual, forecast = cells.keys[:, valid], cells.bad[valid].astype(float), cells.expected[valid]
    deviation = (forecast - actual) / (forecast + actual)
    clusters = _clusters(deviation, np.abs(actual - forecast))
    if not clusters:
        return []
    nearest = min(np.abs(deviation[cluster]).min() for cluster in clusters)
    normal = np.abs(deviation) < nearest
    values = sum(len(np.unique(key)) for key in keys)
    covered = len(clusters) * sum(map(len, clusters)) / len(valid)
    weight = -np.log(covered) / np.log(values) * values
    clusters.sort(key=lambda cluster: -np.abs(actual - forecast)[cluster].sum())
    found = [_explained(keys, cells.sizes, actual, forecast, cluster, normal, weight) for cluster in clusters]
    return list(dict.fromkeys(place for places in found for place in places))


def _knee(values: np.ndarray) -> float:
    at = np.linspace(values.min(), values.max(), 1000)
    curve = np.cumsum(gaussian_kde(values)(at))
    above = (curve - curve[0]) / max(curve[-1] - curve[0], 1e-12) - np.linspace(0.0, 1.0, 1000)
    return float(at[above.argmax()])


def _clusters(deviation: np.ndarray, change: np.ndarray) -> list[np.ndarray]:
    """Leaves between neighbouring minima of the smoothed histogram of the deviations that are large."""
    if change.std() == 0:
        return []
    chosen = deviation[change > _knee(change)]
    if not len(chosen):
        return []
    edges = np.histogram_bin_edges(chosen, "auto")
    wider = np.arange(1, 6) * 0.1
    density, edges = np.histogram(chosen, np.concatenate([edges[0] - wider[::-1], edges, edges[-1] + wider]))
    middle = (edges[1:] + edges[:-1]) / 2.0
    span = max(int((density > 0).sum()) // 10, 1)
    smooth = np.concatenate([density[: span - 1], np.convolve(density, np.ones(span) / span, "valid")])
    before, after = np.roll(smooth, 1), np.roll(smooth, -1)
    tops = np.flatnonzero((smooth > before) & (smooth > after) & (smooth > 0))
    bounds = np.concatenate([[-np.inf], middle[(smooth <= before) & (smooth <= after)], [np.inf]])
    found = []
    for top in middle[tops]:
        low, high = bounds[np.searchsorted(bounds, top, "right") - 1], bounds[np.searchsorted(bounds, top)]
        own = chosen[(chosen >= low) & (chosen <= high)]
        if len(own) and np.abs(own).mean() >= NORMAL:
            found.append(np.flatnonzero((deviation >= own.min()) & (deviation <= own.max())))
    return found


def _explained(keys, sizes, actual, forecast, cluster, normal, weight) -> list[Place]:
    """The cells of one cuboid that explain a cluster best, few and shallow ones preferred."""
    inside = np.zeros(len(actual), bool)
    inside[cluster] = True
    options: list[tuple[float, list[Place]]] = []
    for layer in range(1, len(keys) + 1):
        enough = False
        for cuboid in combinations(range(len(keys)), layer):
            score, chosen = _in_cuboid(keys, sizes, actual, forecast, inside, normal, cuboid)
            options.append((score * weight - len(chosen) * layer, chosen))
            enough |= score > ENOUGH
        if enough:
            break
    return max(options, key=lambda option: option[0])[1] if options else []


def _in_cuboid(keys, sizes, actual, forecast, inside, normal, cuboid) -> tuple[float, list[Place]]:
    """The cells with the largest parts of their leaves in the cluster, as many as have the best generalised potential score."""
    number = np.zeros(keys.shape[1], np.int64)
    for dimension in cuboid:
        number = number * sizes[dimension] + keys[dimension]
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    hit, all_leaves = np.bincount(number, inside, len(first)), np.bincount(number, minlength=len(first))
    order = np.argsort(-hit / all_leaves)
    order = order[hit[order] > 0][: min(MOST_CELLS, len(first) - 1)]
    used = inside | normal
    best: tuple[float, int] = (-np.inf, 0)
    for count in range(1, len(order) + 1):
        own = used & np.isin(number, order[:count])
        rest = used & ~own
        scaled = forecast[own] * actual[own].sum() / max(forecast[own].sum(), 1e-12)
        apart = _mean(np.abs(actual[own] - scaled)) + _mean(np.abs(actual[rest] - forecast[rest]))
        before = _mean(np.abs(actual[own] - forecast[own])) + _mean(np.abs(actual[rest] - forecast[rest]))
        score = 1.0 - apart / before if before else -np.inf
        best = max(best, (score, count), key=lambda item: item[0])
    places = [
        tuple(int(keys[at, first[cell]]) if at in cuboid else None for at in range(len(keys)))
        for cell in order[: best[1]]
    ]
    return best[0], places


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
