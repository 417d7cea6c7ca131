"""The leaf cells before and after a start: what the search for places works on, and the series of a place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pratique.incident.cells import Cells, clustering, cuboids_of, expected_shares, members, spreads
from pratique.incident.earlier_incidents import usual_entries
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
    """What the history tells of each leaf: bad, n and the expected share of leaves, and the blocks that were used.

    entries: the counts of each leaf in each of these blocks, without those of earlier incidents of a part of the traffic.
    partly: blocks that hold such an incident.
    """

    bad: Ints
    n: Ints
    share: Floats
    used: Mask
    entries: _Entries
    partly: int


@dataclass(frozen=True)
class _Entries:
    """Counts by leaf and block, one entry for each leaf in each block in which it was served; blocks are numbered from 0."""

    leaf: Ints
    block: Ints
    bad: Ints
    n: Ints

    def only(self, chosen: Mask) -> _Entries:
        """Return the chosen entries."""
        return _Entries(self.leaf[chosen], self.block[chosen], self.bad[chosen], self.n[chosen])


def history_of(observed: Observed, used: Mask, *, alpha: float, tolerated: float) -> History:
    """Return what the used blocks of history tell of each leaf. used: shape (blocks,). alpha, tolerated: as in `usual_entries`."""
    keys, sizes = observed.keys, _sizes(observed)
    all_of = _entries(observed, used)
    usual = usual_entries(
        keys,
        sizes,
        cuboids_of(sizes),
        leaf=all_of.leaf,
        block=all_of.block,
        bad=all_of.bad,
        n=all_of.n,
        alpha=alpha,
        tolerated=tolerated,
    )
    # the codes of a serving cell have the same requests, and are left out together
    usual = np.repeat(usual.reshape(-1, observed.codes).all(axis=1), observed.codes)
    entries = all_of.only(usual)
    bad, n = (np.bincount(entries.leaf, of, observed.leaves).astype(np.int64) for of in (entries.bad, entries.n))
    partly = len(np.unique(all_of.block[~usual]))
    return History(bad, n, expected_shares(keys, sizes, bad, n), used, entries, partly)


def _sizes(observed: Observed) -> tuple[int, ...]:
    return tuple(len(names) for names in observed.names)


def _entries(observed: Observed, used: Mask) -> _Entries:
    past, codes = observed.history, observed.codes
    served = np.flatnonzero(used[past.at])
    number = np.cumsum(used) - 1
    of_leaf = (past.group[served, None] * codes + np.arange(codes)).ravel()
    place = np.full(observed.groups.shape[1] * past.steps, -1)
    place[past.group[served] * past.steps + past.at[served]] = np.arange(len(served))
    failed = place[past.bad_leaf // codes * past.steps + past.bad_at]
    there = failed >= 0
    bad = np.bincount(failed[there] * codes + past.bad_leaf[there] % codes, past.bad[there], len(of_leaf))
    return _Entries(
        of_leaf,
        np.repeat(number[past.at[served]], codes),
        bad.astype(np.int64),
        np.repeat(past.n[served], codes),
    )


def cells_after(observed: Observed, history: History, windows: Mask) -> Cells:
    """Return the leaf cells of the chosen windows beside what the history leads to expect. windows: shape (windows,)."""
    n, bad = observed.range.between(windows, observed.groups.shape[1], observed.leaves)
    of_leaves = np.asarray(observed.of_leaves(n), np.int64)
    seen = (of_leaves > 0) | (history.n > 0)
    entries = history.entries
    mean = entries.n * history.share[entries.leaf]
    found = spreads(
        observed.keys,
        _sizes(observed),
        cuboids_of(_sizes(observed)),
        leaf=entries.leaf,
        block=entries.block,
        bad=entries.bad,
        mean=mean,
    )
    longer = observed.history.step_s / max(float(windows.sum()) * observed.range.step_s, 1.0)
    return Cells(
        names=observed.names,
        keys=observed.keys[:, seen],
        bad=bad[seen],
        n=of_leaves[seen],
        bad_before=history.bad[seen],
        n_before=history.n[seen],
        expected=of_leaves[seen] * history.share[seen],
        spread={key: value * min(max(longer, 1.0), MOST_LONGER) for key, value in found.items()},
        blocks=int(history.used.sum()),
        clustered=clustering(entries.bad, mean),
    )


def series_of(observed: Observed, history: History, values: tuple[int | None, ...]) -> tuple[Series, float]:
    """Return the series of a place in the range, and φ of its blocks of history."""
    inside = members(observed.keys, values)
    groups = observed.serving(inside)
    share = np.asarray(observed.of_groups(np.where(inside, history.share, 0.0)), np.float64)
    bad, mean = observed.history.bad_requests(inside), observed.history.expected(share)
    phi = phi_of_blocks(bad[history.used], mean[history.used])
    now = observed.range
    return series(now.requests(groups), now.bad_requests(inside), now.expected(share), phi), phi
