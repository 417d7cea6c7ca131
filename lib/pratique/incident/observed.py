"""What an analysis reads of a store: two tables of counts, as arrays of whole numbers.

The history is counted by block and leaf, the range by window and leaf. Names occur in the arrays as numbers only; none of
them becomes part of a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import EPOCH
from pratique.incident.cells import CODE, DIMENSIONS
from pratique.incident.measures import Times
from pratique.incident.outcome import Outcome
from pratique.incident.shapes import Mask
from pratique.judge.hypergeometric import Floats, Ints
from pratique.store.base import Store

SERVED_BY = ("revision", "action", "host")


@dataclass(frozen=True)
class Counts:
    """Counts by time and cell, in coordinates: one entry for each cell in each step that has requests.

    steps: number of steps; step_s: length of one. at, group, n: step, serving cell (revision, action, host) and requests.
    bad_at, bad_leaf, bad: step, leaf and bad requests.
    """

    steps: int
    step_s: int
    at: Ints
    group: Ints
    n: Ints
    bad_at: Ints
    bad_leaf: Ints
    bad: Ints

    def requests(self, chosen: Mask | None = None) -> Ints:
        """Return requests by step, of the chosen serving cells. chosen: shape (groups,); None: all."""
        n = self.n if chosen is None else np.where(chosen[self.group], self.n, 0)
        return np.bincount(self.at, n, self.steps).astype(np.int64)

    def bad_requests(self, chosen: Mask | None = None) -> Ints:
        """Return bad requests by step, of the chosen leaves. chosen: shape (leaves,); None: all."""
        bad = self.bad if chosen is None else np.where(chosen[self.bad_leaf], self.bad, 0)
        return np.bincount(self.bad_at, bad, self.steps).astype(np.int64)

    def expected(self, share: Floats) -> Floats:
        """Return the sum of requests × share by step. share: of each serving cell, shape (groups,)."""
        return np.asarray(np.bincount(self.at, self.n * share[self.group], self.steps), np.float64)

    def between(self, steps: Mask, groups: int, leaves: int) -> tuple[Ints, Ints]:
        """Return requests by serving cell and bad ones by leaf, of the chosen steps."""
        n = np.bincount(self.group, np.where(steps[self.at], self.n, 0), groups)
        bad = np.bincount(self.bad_leaf, np.where(steps[self.bad_at], self.bad, 0), leaves)
        return n.astype(np.int64), bad.astype(np.int64)


@dataclass(frozen=True)
class Observed:
    """The history and the range of one service, in the same cells.

    names: of the values of each dimension, in the order of DIMENSIONS. groups: values of each serving cell, shape (3, groups).
    Leaves are serving cell × code, the codes next to each other. times: starts of the range's windows.
    """

    names: tuple[tuple[str, ...], ...]
    groups: Ints
    history: Counts
    range: Counts
    times: Times
    start: datetime
    end: datetime
    before: datetime

    @property
    def codes(self) -> int:
        """Number of bad codes."""
        return len(self.names[CODE])

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return int(self.groups.shape[1]) * self.codes

    @property
    def keys(self) -> Ints:
        """Values of each leaf, shape (4, leaves)."""
        revision, action, host = np.repeat(self.groups, self.codes, axis=1)
        return np.stack([revision, action, np.tile(np.arange(self.codes), self.groups.shape[1]), host])

    def serving(self, leaves: Mask) -> Mask:
        """Return which serving cells have a chosen leaf. leaves: shape (leaves,)."""
        return np.asarray(leaves.reshape(-1, self.codes).any(axis=1), np.bool_)

    def of_leaves(self, values: Ints) -> Ints:
        """Return counts of serving cells for each of their leaves."""
        return np.repeat(values, self.codes).astype(np.int64)

    def of_groups(self, values: Ints | Floats) -> Ints | Floats:
        """Return the sum over the codes of values of leaves."""
        return np.asarray(values.reshape(-1, self.codes).sum(axis=1))


def observe(
    store: Store,
    service: str,
    outcome: Outcome,
    *,
    start: datetime,
    end: datetime,
    before: datetime,
    window_s: int,
    block_s: int,
) -> Observed:
    """Count a service's requests in the range, and in the history before it.

    window_s: length of a window; longer where the store's windows are. block_s: length of a block of history; the history begins a
    whole number of blocks before the start, not before `before`.
    """
    blocks = max(int((start - before).total_seconds()) // block_s, 0)
    begins = start - timedelta(seconds=blocks * block_s)
    by = [*SERVED_BY, *outcome.columns]
    asked = {"by": by, "slower_than_ms": outcome.slower_than_ms}
    past = store.counts(service, begins, start, step_s=block_s, **asked) if blocks else None  # type: ignore[arg-type]
    present = store.counts(service, start, end, step_s=window_s, **asked)  # type: ignore[arg-type]
    window_s = _true_window_s(present, start, window_s)
    windows = max(-(-int((end - start).total_seconds()) // window_s), 1)
    past = present.schema.empty_table() if past is None else past
    both = pa.concat_tables([past, present])
    rows = past.num_rows
    group, groups, names = _serving_cells(both)
    bad_names, bad_code, bad, n = outcome.split(both)
    leaf = group * max(len(bad_names), 1) + bad_code

    def counts(part: slice, origin: datetime, step_s: int, steps: int) -> Counts:
        at = (_epoch_s(both["step"])[part] - int((origin - EPOCH).total_seconds())) // step_s
        served = np.bincount(at * groups.shape[1] + group[part], n[part])
        cells = np.flatnonzero(served)
        some = bad[part] > 0
        return Counts(
            steps=steps,
            step_s=step_s,
            at=cells // groups.shape[1],
            group=cells % groups.shape[1],
            n=served[cells].astype(np.int64),
            bad_at=at[some],
            bad_leaf=leaf[part][some],
            bad=bad[part][some],
        )

    times = np.datetime64(int(start.timestamp() * 1000), "ms") + np.arange(windows) * np.timedelta64(window_s, "s")
    return Observed(
        names=(names[0], names[1], bad_names or ("",), names[2]),
        groups=groups,
        history=counts(slice(0, rows), begins, block_s, blocks),
        range=counts(slice(rows, None), start, window_s, windows),
        times=times,
        start=start,
        end=end,
        before=begins,
    )


def first_served(observed: Observed, revision: str) -> datetime | None:
    """Return the start of the first window, or block of history, with requests of a revision; None where it has none."""
    if revision not in observed.names[0]:
        return None
    own = observed.groups[0] == observed.names[0].index(revision)
    for counts, begins in ((observed.history, observed.before), (observed.range, observed.start)):
        served = counts.at[own[counts.group] & (counts.n > 0)]
        if len(served):
            return begins + timedelta(seconds=int(served.min()) * counts.step_s)
    return None


def _epoch_s(step: pa.ChunkedArray) -> Ints:
    return np.asarray(step.cast(pa.int64()).to_numpy() // 1000, np.int64)


def _true_window_s(present: pa.Table, start: datetime, window_s: int) -> int:
    """The step of the counts, or the longer one at which the store's windows begin."""
    if not present.num_rows:
        return window_s
    steps = (np.unique(_epoch_s(present["step"])) - int((start - EPOCH).total_seconds())) // window_s
    apart = int(np.gcd.reduce(np.diff(steps))) if len(steps) > 3 else 1
    return window_s * max(apart, 1)


def _serving_cells(table: pa.Table) -> tuple[Ints, Ints, tuple[tuple[str, ...], ...]]:
    """The serving cell of each row, the values of each cell, and the names of the values of each dimension."""
    number = np.zeros(table.num_rows, np.int64)
    values: list[Ints] = []
    names: list[tuple[str, ...]] = []
    for name in SERVED_BY:
        encoded = pc.dictionary_encode(table[name]).combine_chunks()
        encoded = encoded if isinstance(encoded, pa.DictionaryArray) else encoded.chunk(0)
        words = encoded.dictionary.to_pylist()
        order = sorted(range(len(words)), key=words.__getitem__)
        rank = np.empty(len(words), np.int64)
        rank[order] = np.arange(len(words))
        names.append(tuple(words[index] for index in order))
        values.append(rank[encoded.indices.to_numpy(zero_copy_only=False)] if len(words) else number)
        number = number * max(len(words), 1) + values[-1]
    found, first, group = np.unique(number, return_index=True, return_inverse=True)
    cells = np.stack([value[first] for value in values]) if len(found) else np.zeros((3, 0), np.int64)
    return group.astype(np.int64), cells, tuple(names)


def values_of(observed: Observed, dimension: str) -> Sequence[str]:
    """Return the names of the values of a dimension."""
    return observed.names[DIMENSIONS.index(dimension)]
