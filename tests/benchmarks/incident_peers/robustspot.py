"""RobustSpot (Sun and others, "Robust Anomaly Clue Localization of Multi-Dimensional Derived Measure for Online Video Services",
IEEE Transactions on Services Computing 2023), for shares.

Written from the paper, with its published thresholds: leaves whose share moved against the others and moved the whole are counted
by how much, the most frequent values and their rules are candidates, and the search goes on without the best one. It ranks clues; the
first is its answer, and the further ones count for "three places".
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from pratique.incident.cells import Cells, members

CONFIDENCE, AMPLIFIED, DEGREE, ROUNDS = 0.8, 100.0, 0.5, 3
"""Least confidence of a rule, copies of a leaf for each unit of weight, least anomaly degree without a knee, and places looked for."""

Place = tuple[int | None, ...]


def robustspot(cells: Cells) -> list[Place]:
    """The clues, the best of each round first."""
    served = cells.n > 0
    left = served.copy()
    found: list[Place] = []
    for _ in range(ROUNDS):
        place = _clue(cells, left)
        if place is None:
            break
        found.append(place)
        left &= ~members(cells.keys, place)
    return found


def _clue(cells: Cells, left: np.ndarray) -> Place | None:
    at = np.flatnonzero(left)
    if len(at) < 3:
        return None
    n, bad, usual = cells.n[at].astype(float), cells.bad[at].astype(float), np.maximum(cells.expected[at], 1e-12)
    share, forecast = bad / n, usual / n
    rest = np.abs((share.sum() - share) - (forecast.sum() - forecast)) / (len(at) - 1)
    degree = 1.0 - 1.0 / (np.abs(share - forecast) / np.maximum(rest, 1e-12) + 1.0)
    ability = (usual.sum() + bad - usual) / usual.sum() - 1.0
    chosen = (degree > _knee(degree[degree > 0])) & (ability > 0)
    copies = (degree * ability * AMPLIFIED)[chosen].astype(int)
    rows = np.repeat(cells.keys[:, at[chosen]], copies, axis=1)
    if not rows.shape[1]:
        return None
    candidates = _candidates(rows)
    before, after = cells.keys[:, at], cells.keys[:, at[chosen]]
    gain = [members(after, place).mean() - members(before, place).mean() for place in candidates]
    return candidates[int(np.argmax(gain))]


def _knee(values: np.ndarray) -> float:
    """Where the distribution function of the degrees is farthest above its chord."""
    values = np.sort(values)
    if len(values) < 3 or values[-1] == values[0]:
        return DEGREE
    above = np.arange(1, len(values) + 1) / len(values) - (values - values[0]) / (values[-1] - values[0])
    return float(values[above.argmax()])


def _candidates(rows: np.ndarray) -> list[Place]:
    """Each dimension's most frequent value, and two or three of them that follow from one another."""
    dimensions = len(rows)
    frequent = [int(np.bincount(row).argmax()) for row in rows]
    found = [_place((at,), frequent) for at in range(dimensions)]
    for size in (2, 3):
        for chosen in combinations(range(dimensions), size):
            whole = members(rows, _place(chosen, frequent)).sum()
            sides = (side for length in range(1, size) for side in combinations(chosen, length))
            if any(whole > CONFIDENCE * members(rows, _place(side, frequent)).sum() for side in sides):
                found.append(_place(chosen, frequent))
    return found


def _place(chosen: tuple[int, ...], values: list[int]) -> Place:
    return tuple(value if at in chosen else None for at, value in enumerate(values))
