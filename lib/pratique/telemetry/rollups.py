"""Rollups: requests added up per window, as the store keeps them and the judge reads them.

One row is one window × service × revision × action × code × host × source. `bucket` and `count` are
the sparse latency histogram, parallel lists sorted by bucket; bucket i holds durations in
[2^(i/16), 2^((i+1)/16)) ms, OpenTelemetry's exponential histogram at scale 4. Their sum can be below
`n`: a request without a duration is counted in `n` only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pratique.telemetry.buckets import LOWEST, buckets_of

SCHEMA = pa.schema(
    [
        pa.field("window", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("window_s", pa.int32(), nullable=False),
        pa.field("service", pa.string(), nullable=False),
        pa.field("revision", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("code", pa.int16(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("sum_ms", pa.float64(), nullable=False),
        pa.field("bucket", pa.list_(pa.int16()), nullable=False),
        pa.field("count", pa.list_(pa.int64()), nullable=False),
    ]
)
KEY = ("window", "service", "revision", "action", "code", "host", "source")
_BUCKETS = 1024
"""Greater than the number of buckets: (row, bucket) is packed into one integer."""


@dataclass(frozen=True)
class Limits:
    """What rows that another program measured cannot tell.

    bounds_ms: the only durations in ms at which its histogram was counted, rising; all requests of one of its buckets
        are in the bucket just below the upper bound. Empty: durations are known to a bucket.
    notes: sentences for people who read the verdict. unseen: sentences on what would have to be seen before a promotion.
    """

    bounds_ms: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rollups:
    """A table of rollups with the columns of SCHEMA.

    `source` names the counter (a collector, an imported file): rows that differ only in it add up, and a row replaces
    a stored row with the same KEY.
    """

    table: pa.Table
    limits: Limits = Limits()

    def only(self, chosen: Any) -> Rollups:
        """Return the chosen rows. chosen: an Arrow array of booleans."""
        return Rollups(self.table.filter(chosen), self.limits)

    @classmethod
    def empty(cls) -> Rollups:
        """Return rollups without rows."""
        return cls(SCHEMA.empty_table())

    @classmethod
    def from_events(cls, events: pa.Table, *, window_s: int) -> Rollups:
        """Add events up to rollups.

        events: columns `time_ms` (int64, UTC epoch), service, revision, action, host, source (strings,
        dictionary-encoded or not), code (int16) and `duration_ms` (float64; null or negative: no duration).
        """
        if not events.num_rows:
            return cls.empty()
        span = window_s * 1000
        window = events["time_ms"].to_numpy() // span * span
        timed = pc.fill_null(events["duration_ms"], -1.0).to_numpy()
        keys = {name: events[name] for name in KEY if name != "window"}
        keys["window"] = pa.array(window).cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC"))
        row, table = _groups(keys)
        known = timed >= 0
        sums = np.bincount(row[known], weights=timed[known], minlength=len(table)).astype(np.float64)
        parts = _Histogram(row[known], buckets_of(timed[known]), np.ones(int(known.sum()), np.int64))
        return cls(_assemble(table, np.bincount(row, minlength=len(table)), sums, parts, window_s))

    @classmethod
    def from_counts(cls, counts: pa.Table, *, window_s: int) -> Rollups:
        """Add counts of requests up to rollups.

        counts: the columns of `from_events` but for `duration_ms`, and `n` (int64), `sum_ms` (float64), and the lists
        `bucket` (int16, sorted) and `count` (int64); each of the last three may be missing or null.
        """
        rows = counts.num_rows
        if not rows:
            return cls.empty()
        span = window_s * 1000
        window = pa.array(counts["time_ms"].to_numpy() // span * span)
        columns = {name: counts[name] for name in KEY if name != "window"}
        columns |= {
            "window": window.cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC")),
            "window_s": pa.array(np.full(rows, window_s, np.int32)),
            "n": counts["n"],
            "sum_ms": pc.fill_null(counts["sum_ms"], 0.0) if "sum_ms" in counts.column_names else np.zeros(rows),
        }
        for name, kind in (("bucket", pa.list_(pa.int16())), ("count", pa.list_(pa.int64()))):
            no_list = pa.scalar([], kind)
            has_lists = name in counts.column_names
            columns[name] = pc.fill_null(counts[name].cast(kind), no_list) if has_lists else pa.repeat(no_list, rows)
        return cls(pa.table(columns).select(SCHEMA.names)).merge(cls.empty())

    def merge(self, other: Rollups) -> Rollups:
        """Return the sum of both: rows with the same KEY add up exactly, in any order.

        Windows of both sides should have the same length; otherwise each row keeps its `window_s`.
        """
        both = pa.concat_tables([_with_schema(self.table), _with_schema(other.table)]).combine_chunks()
        if not both.num_rows:
            return Rollups.empty()
        row, table = _groups({name: both[name] for name in KEY})
        n = np.zeros(len(table), np.int64)
        np.add.at(n, row, both["n"].to_numpy())
        sums = np.bincount(row, weights=both["sum_ms"].to_numpy(), minlength=len(table)).astype(np.float64)
        lengths = pc.list_value_length(both["bucket"]).to_numpy()
        parts = _Histogram(
            np.repeat(row, lengths),
            pc.list_flatten(both["bucket"]).to_numpy(),
            pc.list_flatten(both["count"]).to_numpy(),
        )
        width = np.zeros(len(table), np.int32)
        width[row] = both["window_s"].to_numpy()
        return Rollups(_assemble(table, n, sums, parts, width))

    def __len__(self) -> int:
        return int(self.table.num_rows)


class Sink(Protocol):
    """A destination of rollups: a store."""

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Write rows durably, all or none. A row replaces a stored row with the same KEY.

        instead_of: sources of the same services whose stored rows are removed in the same step.
        """


@dataclass(frozen=True)
class _Histogram:
    """Counts by (row of the result, bucket), not yet summed; three arrays of one length."""

    row: npt.NDArray[np.int64]
    bucket: npt.NDArray[np.int16]
    count: npt.NDArray[np.int64]

    def lists(self, rows: int) -> tuple[pa.Array, pa.Array]:
        packed = self.row.astype(np.int64) * _BUCKETS + (self.bucket.astype(np.int64) - LOWEST)
        found, inverse = np.unique(packed, return_inverse=True)
        counts = np.zeros(len(found), np.int64)
        np.add.at(counts, inverse, self.count)
        owner = found // _BUCKETS
        offsets = np.searchsorted(owner, np.arange(rows + 1)).astype(np.int32)
        buckets = (found % _BUCKETS + LOWEST).astype(np.int16)
        return pa.ListArray.from_arrays(offsets, buckets), pa.ListArray.from_arrays(offsets, counts)


def _groups(keys: dict[str, Any]) -> tuple[npt.NDArray[np.int64], pa.Table]:
    """The group of each row, and the table of the distinct keys, in order of the keys."""
    row = np.zeros(len(keys[KEY[0]]), np.int64)
    first = row
    for name in KEY:
        codes, size = _codes(keys[name])
        # renumbered after each column, or the product of the sizes would overflow
        _, first, row = np.unique(row * size + codes, return_index=True, return_inverse=True)
    return row, pa.table({name: _decoded(keys[name], first) for name in KEY})


def _codes(column: Any) -> tuple[npt.NDArray[np.int64], int]:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    values = encoded.dictionary
    rank = np.empty(len(values), np.int64)
    rank[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
    return rank[encoded.indices.to_numpy(zero_copy_only=False)], max(len(values), 1)


def _decoded(column: Any, rows: npt.NDArray[np.int64]) -> Any:
    taken = column.take(pa.array(rows))
    return taken.cast(pa.string()) if pa.types.is_dictionary(taken.type) else taken


def _with_schema(table: pa.Table) -> pa.Table:
    return table.select(SCHEMA.names).cast(SCHEMA)


def _assemble(
    keys: pa.Table,
    n: npt.NDArray[np.int64],
    sum_ms: npt.NDArray[np.float64],
    parts: _Histogram,
    window_s: int | npt.NDArray[np.int32],
) -> pa.Table:
    bucket, count = parts.lists(keys.num_rows)
    width = np.broadcast_to(np.asarray(window_s, np.int32), keys.num_rows)
    columns = {name: keys[name] for name in KEY} | {
        "window_s": pa.array(width),
        "n": pa.array(n.astype(np.int64)),
        "sum_ms": pa.array(sum_ms),
        "bucket": bucket,
        "count": count,
    }
    return pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA)
