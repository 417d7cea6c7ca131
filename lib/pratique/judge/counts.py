"""Turn rollups into counts of bad and of all requests per window and action, with whole arrays at a time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pratique.judge.hypergeometric import Ints
from pratique.judge.outcomes import CodeOutcome
from pratique.telemetry.buckets import HIGHEST, LOWEST
from pratique.telemetry.cardinality import OTHER
from pratique.telemetry.rollups import Rollups
from pratique.telemetry.windows import ends_ms, starts_ms

SPAN = HIGHEST - LOWEST + 2
"""Length of a dense histogram: bucket i is at index i - LOWEST, and the last index is for "beyond all buckets"."""


@dataclass(frozen=True)
class Rows:
    """Rollup rows as flat arrays, one element a row.

    time_ms, end_ms: start and end of the row's own window, epoch ms. arm: 0 baseline, 1 canary. action, host: numbers given by `Names`.
    lengths: buckets of each row's histogram; bucket, count: all histograms in a row, buckets counted from 0.
    """

    time_ms: Ints
    end_ms: Ints
    arm: Ints
    action: Ints
    host: Ints
    code: Ints
    n: Ints
    lengths: Ints
    bucket: Ints
    count: Ints

    def __len__(self) -> int:
        return len(self.n)

    def __deepcopy__(self, memo: object) -> Rows:
        """Return itself: rows are never changed."""
        return self

    def where(self, chosen: npt.NDArray[np.bool_]) -> Rows:
        """Return the chosen rows."""
        if chosen.all():
            return self
        if not chosen.any():
            return Rows(**{name: getattr(self, name)[:0] for name in self.__dataclass_fields__})
        flat = np.repeat(chosen, self.lengths)
        names = ("time_ms", "end_ms", "arm", "action", "host", "code", "n", "lengths")
        return Rows(
            **{name: getattr(self, name)[chosen] for name in names}, bucket=self.bucket[flat], count=self.count[flat]
        )

    @classmethod
    def join(cls, parts: Sequence[Rows]) -> Rows:
        """Concatenate rows."""
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


class Names:
    """Number names from 0 in order of appearance. folded: distinct names that have the number of OTHER.

    most: distinct names from which further ones are OTHER; memory and time grow with their number.
    """

    def __init__(self, most: int = sys.maxsize) -> None:
        self.known: dict[str, int] = {}
        self.folded: set[str] = set()
        self._most = most

    def number(self, values: Sequence[str]) -> Ints:
        """Return the numbers of some names; a new name gets the next number."""
        return np.array([self._number(value) for value in values], np.int64)

    def _number(self, name: str) -> int:
        if name not in self.known and len(self.known) >= self._most:
            self.folded.add(name)
            name = OTHER
        return self.known.setdefault(name, len(self.known))

    def learn(self, column: pa.ChunkedArray, n: pa.ChunkedArray) -> None:
        """Number the names with the most requests first, when there are too many."""
        if len(column.unify_dictionaries().unique()) <= self._most - len(self.known):
            return
        totals = pa.table({"name": column.cast(pa.string()), "n": n}).group_by("name").aggregate([("n", "sum")])
        self.number(totals.sort_by([("n_sum", "descending"), ("name", "ascending")])["name"].to_pylist())

    def __len__(self) -> int:
        return len(self.known)


def rows_of(rollups: Rollups, baseline: str, canary: str, actions: Names, hosts: Names) -> Rows:
    """Return the rows of both revisions. actions, hosts: number the names, and learn new ones."""
    table = rollups.table
    actions.learn(table["action"], table["n"])
    arm = _numbers(
        table["revision"],
        lambda names: np.array([(canary, baseline).index(n) if n in (canary, baseline) else 2 for n in names]),
    )
    arm = np.where(arm == 2, -1, 1 - arm)
    buckets, counts = _flat(table["bucket"]), _flat(table["count"])
    rows = Rows(
        time_ms=_one(starts_ms(table)).to_numpy(zero_copy_only=False),
        end_ms=_one(ends_ms(table)).to_numpy(zero_copy_only=False),
        arm=arm,
        action=_numbers(table["action"], actions.number),
        host=_numbers(table["host"], hosts.number),
        code=_one(table["code"]).to_numpy(zero_copy_only=False),
        n=_one(table["n"]).to_numpy(zero_copy_only=False),
        lengths=pc.list_value_length(_one(table["bucket"])).to_numpy(zero_copy_only=False),
        bucket=np.clip(buckets, LOWEST, HIGHEST) - np.int16(LOWEST),
        count=counts,
    )
    return rows.where(arm >= 0)


def _one(column: pa.ChunkedArray) -> Any:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _numbers(column: pa.ChunkedArray, numbered: Any) -> Ints:
    array = _one(column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    numbers = np.asarray(numbered(encoded.dictionary.to_pylist()), np.int64)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return numbers[codes] if len(numbers) else np.zeros(0, np.int64)


def _flat(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    flat: npt.NDArray[Any] = pc.list_flatten(_one(column)).to_numpy(zero_copy_only=False)
    return flat


@dataclass(frozen=True)
class OutcomeCounts:
    """Counts per guard and stratum.

    time_ms: starts of the windows, epoch ms. bad, n: requests with the outcome, and requests that could have had it,
    shape (guards, arms, windows, actions). requests: all requests, timed or not, shape (arms, windows, actions).
    timed: requests with a duration, shape (arms, windows, actions).
    """

    time_ms: Ints
    bad: Ints
    n: Ints
    requests: Ints
    timed: Ints


def count_outcomes(
    rows: Rows,
    outcomes: Sequence[CodeOutcome | None],
    thresholds: Ints | None,
    actions: int,
    *,
    side: Ints | None = None,
) -> OutcomeCounts:
    """Count the outcomes of the guards.

    outcomes: of each guard on codes; None for a latency guard.
    thresholds: per guard and action the first bucket (from 0) that counts as slow, shape (guards, actions);
        None: latency guards count nothing yet. side: the arm of each row, in place of `rows.arm`.
    """
    arm = rows.arm if side is None else side
    time_ms, window = np.unique(rows.time_ms, return_inverse=True)
    shape = (2, len(time_ms), actions)
    stratum = (arm * len(time_ms) + window) * actions + rows.action
    size = 2 * len(time_ms) * actions
    requests = _sum(stratum, rows.n, size)
    bad = np.zeros((len(outcomes), size), np.int64)
    n = np.zeros((len(outcomes), size), np.int64)
    flat = np.repeat(stratum, rows.lengths)
    timed = _sum(flat, rows.count, size)
    for index, outcome in enumerate(outcomes):
        if outcome is not None:
            chosen, among = outcome.masks(rows.code, rows.time_ms)
            bad[index] = _sum(stratum[chosen], rows.n[chosen], size)
            n[index] = requests if among is None else _sum(stratum[among], rows.n[among], size)
        elif thresholds is not None:
            slow = rows.bucket >= np.repeat(thresholds[index].astype(np.int16)[rows.action], rows.lengths)
            bad[index], n[index] = _sum(flat[slow], rows.count[slow], size), timed
    return OutcomeCounts(
        time_ms, bad.reshape(-1, *shape), n.reshape(-1, *shape), requests.reshape(shape), timed.reshape(shape)
    )


def _sum(index: Ints, values: Ints, size: int) -> Ints:
    # exact: a double holds every integer up to 2^53
    return np.bincount(index, weights=values, minlength=size).astype(np.int64)


def histograms(rows: Rows, actions: int) -> Ints:
    """Return dense latency histograms over all of `rows`, shape (actions, SPAN)."""
    index = np.repeat(rows.action, rows.lengths) * SPAN + rows.bucket
    return _sum(index, rows.count, actions * SPAN).reshape(actions, SPAN)
