"""What to leave alone: revisions, hosts and actions that are shown not to be worse, and those that are not known to be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pratique.incident.cells import ACTION, CODE, HOST, REVISION, Cells
from pratique.incident.model import Kind, Unaffected
from pratique.judge.hypergeometric import Floats

MOST_EACH = 12
"""Values of a dimension that are listed, those with the most requests."""
UPPER = 1.96
FEWEST_EXPECTED = 1.0
KINDS: dict[int, Kind] = {REVISION: "revision", HOST: "host", ACTION: "action"}


def unaffected(cells: Cells, *, tolerated: float) -> tuple[Unaffected, ...]:
    """Return the revisions, hosts and actions that are not shown to be worse."""
    found: list[Unaffected] = []
    first = cells.keys[CODE] == 0
    for dimension, kind in KINDS.items():
        size = cells.sizes[dimension]
        if size < 2:
            continue
        key = cells.keys[dimension]
        bad = np.bincount(key, cells.bad, size)
        mean: Floats = np.asarray(np.bincount(key, cells.expected, size), np.float64)
        requests = np.bincount(key[first], cells.n[first], size)
        phi = cells.phi((dimension,), mean)
        low = np.maximum(np.sqrt(bad + 0.375) - UPPER / 2.0 * np.sqrt(phi), 0.0) ** 2 / np.maximum(mean, 1e-12)
        for value in np.argsort(-requests, kind="stable")[:MOST_EACH].tolist():
            if not requests[value] or (low[value] > tolerated):
                continue
            limit = upper_limit(float(bad[value]), float(mean[value]), float(phi[value]))
            name = cells.names[dimension][value]
            found.append(left_alone(kind, name, int(requests[value]), limit, tolerated=tolerated))
    return in_order(found)


def upper_limit(bad: float, expected: float, phi: float) -> float | None:
    """Return the upper 97.5 % limit of the ratio of bad requests to the expected ones; None where too few are expected.

    It is that of a Poisson mean with variance φ times as large, by the square-root transformation (Anscombe 1948):
    (√(o + 3/8) + 1.96/2 √φ)² / e.
    """
    return (
        float((np.sqrt(bad + 0.375) + UPPER / 2.0 * np.sqrt(phi)) ** 2 / expected)
        if expected >= FEWEST_EXPECTED
        else None
    )


def left_alone(kind: Kind, name: str, requests: int, limit: float | None, *, tolerated: float) -> Unaffected:
    """Return a part that is shown not to be worse where the limit of its ratio is tolerated."""
    return Unaffected(kind, name, requests, limit, shown=limit is not None and limit <= tolerated)


def in_order(found: Iterable[Unaffected]) -> tuple[Unaffected, ...]:
    """Return the parts, those first that are shown not to be worse, by kind and requests."""
    return tuple(sorted(found, key=lambda one: (not one.shown, one.dimension, -one.requests)))
