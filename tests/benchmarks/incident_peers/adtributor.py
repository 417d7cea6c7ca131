"""Adtributor (Bhagwan and others, "Adtributor: Revenue Debugging in Advertising Systems", NSDI 2014, section 4), for counts.

Written from the paper, with its published thresholds.
"""

from __future__ import annotations

import numpy as np

from pratique.incident.cells import Cells

ELEMENT, WHOLE = 0.1, 0.67
"""Least explanatory power of an element and of a set."""


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
                names = [
                    tuple(value if at == dimension else None for at in range(len(cells.sizes))) for value in chosen
                ]
                found.append((float(surprise[chosen].sum()), names))
                break
    found.sort(key=lambda item: -item[0])
    return [place for _, places in found[:1] for place in places]
