"""What to leave alone: revisions, hosts and actions that are shown not to be worse, and those that are not known to be."""

from __future__ import annotations

import numpy as np

from pratique.incident.cells import ACTION, CODE, HOST, REVISION, Cells
from pratique.incident.model import Unaffected
from pratique.judge.hypergeometric import Floats

MOST_EACH = 12
"""Values of a dimension that are listed, those with the most requests."""
UPPER = 1.96
FEWEST_EXPECTED = 1.0
KINDS = {REVISION: "revision", HOST: "host", ACTION: "action"}


def unaffected(cells: Cells, *, tolerated: float) -> tuple[Unaffected, ...]:
    """Return the revisions, hosts and actions that are not shown to be worse.

    The upper limit of the ratio is that of a Poisson mean with variance φ times as large, by the square-root transformation
    (Anscombe 1948): (√(o + 3/8) + 1.96/2 √φ)² / e.
    """
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
        high = (np.sqrt(bad + 0.375) + UPPER / 2.0 * np.sqrt(phi)) ** 2 / np.maximum(mean, 1e-12)
        low = np.maximum(np.sqrt(bad + 0.375) - UPPER / 2.0 * np.sqrt(phi), 0.0) ** 2 / np.maximum(mean, 1e-12)
        for value in np.argsort(-requests, kind="stable")[:MOST_EACH].tolist():
            if not requests[value] or (low[value] > tolerated):
                continue
            known = bool(mean[value] >= FEWEST_EXPECTED)
            limit = float(high[value]) if known else None
            name = cells.names[dimension][value]
            shown = limit is not None and limit <= tolerated
            found.append(Unaffected(kind, name, int(requests[value]), limit, shown))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda one: (not one.shown, one.dimension, -one.requests)))
