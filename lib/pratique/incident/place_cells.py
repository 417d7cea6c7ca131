"""The leaf cells before and after a start: what the search for places works on, and the series of a place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pratique.incident.cells import Cells, expected_shares, spreads
from pratique.incident.first_pass import series
from pratique.incident.history import phi_of_blocks
from pratique.incident.measures import Series
from pratique.incident.observed import Observed
from pratique.incident.shapes import Mask
from pratique.judge.hypergeometric import Floats, Ints

MOST_LONGER = 10.0
"""How many times longer than an incident a block may count; beyond it the variation of short spans is not known."""


@dataclass(frozen=True)
class History:
    """What the history tells of each leaf: bad, n and the expected share of leaves, and the blocks that were used."""

    bad: Ints
    n: Ints
    share: Floats
    used: Mask


def history_of(observed: Observed, used: Mask) -> History:
    """Return what the used blocks of history tell of each leaf. used: shape (blocks,)."""
    n, bad = observed.history.between(used, observed.groups.shape[1], observed.leaves)
    of_leaves = np.asarray(observed.of_leaves(n), np.int64)
    sizes = tuple(len(names) for names in observed.names)
    return History(bad, of_leaves, expected_shares(observed.keys, sizes, bad, of_leaves), used)


def cells_after(observed: Observed, history: History, windows: Mask) -> Cells:
    """Return the leaf cells of the chosen windows beside what the history leads to expect. windows: shape (windows,)."""
    n, bad = observed.range.between(windows, observed.groups.shape[1], observed.leaves)
    of_leaves = np.asarray(observed.of_leaves(n), np.int64)
    seen = (of_leaves > 0) | (history.n > 0)
    keys = observed.keys
    cells = Cells(
        names=observed.names,
        keys=keys[:, seen],
        bad=bad[seen],
        n=of_leaves[seen],
        bad_before=history.bad[seen],
        n_before=history.n[seen],
        expected=of_leaves[seen] * history.share[seen],
        spread={},
        blocks=int(history.used.sum()),
    )
    found = _spreads(observed, history, cells.cuboids())
    longer = observed.history.step_s / max(float(windows.sum()) * observed.range.step_s, 1.0)
    return replace(cells, spread={key: value * min(max(longer, 1.0), MOST_LONGER) for key, value in found.items()})


def _spreads(observed: Observed, history: History, cuboids: list[tuple[int, ...]]) -> dict[tuple[int, ...], float]:
    """The spread of each cuboid's cells, from the blocks of the history."""
    past, codes = observed.history, observed.codes
    number = np.cumsum(history.used) - 1
    served = history.used[past.at]
    # one entry for each leaf that was served, and one for each with bad requests: sums over cells add them up
    group, n = past.group[served], past.n[served]
    leaf = (group[:, None] * codes + np.arange(codes)).ravel()
    mean = np.repeat(n, codes) * history.share[leaf]
    failed = history.used[past.bad_at]
    sizes = tuple(len(names) for names in observed.names)
    return spreads(
        observed.keys,
        sizes,
        cuboids,
        leaf=np.concatenate([leaf, past.bad_leaf[failed]]),
        block=number[np.concatenate([np.repeat(past.at[served], codes), past.bad_at[failed]])],
        bad=np.concatenate([np.zeros(len(leaf), np.int64), past.bad[failed]]),
        mean=np.concatenate([mean, np.zeros(int(failed.sum()))]),
    )


def series_of(observed: Observed, history: History, values: tuple[int | None, ...]) -> tuple[Series, float]:
    """Return the series of a place in the range, and φ of its blocks of history."""
    inside = np.ones(observed.leaves, bool)
    for key, value in zip(observed.keys, values, strict=True):
        if value is not None:
            inside &= key == value
    groups = observed.serving(inside)
    share = np.asarray(observed.of_groups(np.where(inside, history.share, 0.0)), np.float64)
    bad, mean = observed.history.bad_requests(inside), observed.history.expected(share)
    phi = phi_of_blocks(bad[history.used], mean[history.used])
    now = observed.range
    return series(now.requests(groups), now.bad_requests(inside), now.expected(share), phi), phi
