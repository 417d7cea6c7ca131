"""Count requests by step of time and by names: what an analysis of an incident needs of a store.

Every store counts with the same `Counter`, from the rows that it reads. Arrow groups on its dictionaries: no name is part of a
query, and 2 million rows take a fraction of the time that DuckDB needs to decode their strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pratique.errors import UsageError
from pratique.store.base import Store
from pratique.store.rows import require_zone
from pratique.store.snapshot import epoch_ms
from pratique.telemetry.buckets import first_bucket_from
from pratique.telemetry.windows import starts_ms

Ints = npt.NDArray[np.int64]

NAMES = ("service", "revision", "action", "code", "host", "bucket")
"""What requests can be counted by."""
_KINDS = {"code": pa.int64(), "bucket": pa.int64()}
_STEP = pa.timestamp("ms", tz="UTC")


class Counter:
    """Adds rows of rollups up, table by table, and gives what `Store.counts` returns. Memory: of the counts, and of one table.

    start: start of the range, from which steps are counted; None: from 1970, and one step for the whole range begins with the first window.
    """

    def __init__(
        self, start: datetime | None, by: Sequence[str], step_s: int, slower_than_ms: float | None = None
    ) -> None:
        """Raises: UsageError for a name that is not in NAMES or occurs twice, and a negative step."""
        wrong = next((name for at, name in enumerate(by) if name not in NAMES or name in by[:at]), None)
        if wrong is not None:
            raise UsageError(f"requests cannot be counted by {wrong!r}: choose from {', '.join(NAMES)}, each once")
        if step_s < 0:
            raise UsageError(f"a step of {step_s} s is not possible: give 0 for the whole range, or more")
        require_zone(start)
        self._by, self._step_ms = list(by), step_s * 1000
        self._start_ms = None if start is None else epoch_ms(start)
        self._needs_histograms = "bucket" in by or slower_than_ms is not None
        self._slow_from = first_bucket_from(slower_than_ms or 0)
        self._sums = ["n"] if slower_than_ms is None else ["n", "timed", "slow"]
        self._first_ms: int | None = None
        self._parts: list[pa.Table] = []

    @property
    def columns(self) -> list[str]:
        """The columns of SCHEMA that it needs."""
        histograms = ["bucket", "count"] if self._needs_histograms else []
        names = [name for name in self._by if name != "bucket"]
        return ["window", *names, *([] if "bucket" in self._by else ["n"]), *histograms]

    def add(self, rows: pa.Table) -> None:
        """Add rows with at least `columns`; strings may be dictionary-encoded."""
        if not rows.num_rows:
            return
        start = np.asarray(starts_ms(rows))
        first = int(start.min())
        self._first_ms = first if self._first_ms is None else min(first, self._first_ms)
        # by bucket, a row of the store becomes as many as it has buckets
        where, columns = self._histograms(rows) if self._needs_histograms else (None, {"n": rows["n"]})
        names = {name: rows[name] for name in self._by if name != "bucket"}
        if where is not None:
            names = {name: column.take(pa.array(where)) for name, column in names.items()}
            start = start[where]
        self._parts.append(self._grouped(pa.table({"step": self._steps(start), **names, **columns})))

    def table(self) -> pa.Table:
        """Return the counts, sorted by step and names: the columns that `Store.counts` describes."""
        schema = pa.schema(
            [
                pa.field("step", _STEP),
                *(pa.field(name, _KINDS.get(name, pa.string())) for name in self._by),
                *(pa.field(name, pa.int64()) for name in self._sums),
            ]
        )
        if not self._parts:
            return schema.empty_table()
        found = self._parts[0] if len(self._parts) == 1 else self._grouped(pa.concat_tables(self._parts))
        origin = self._start_ms if self._start_ms is not None else 0 if self._step_ms else self._first_ms
        at = pc.add(pc.multiply(found["step"], self._step_ms), origin)
        found = found.set_column(0, "step", at.cast(_STEP)).select(schema.names).cast(schema)
        return found.sort_by([(name, "ascending") for name in ("step", *self._by)])

    def _steps(self, start: Ints) -> Ints:
        return (start - (self._start_ms or 0)) // self._step_ms if self._step_ms else np.zeros(len(start), np.int64)

    def _grouped(self, table: pa.Table) -> pa.Table:
        keys = ["step", *self._by]
        sums = table.unify_dictionaries().group_by(keys).aggregate([(name, "sum") for name in self._sums])
        return sums.rename_columns([name.removesuffix("_sum") for name in sums.column_names])

    def _histograms(self, rows: pa.Table) -> tuple[Ints | None, dict[str, pa.Array | Ints]]:
        """The counts of each row, or of each bucket of each row with the numbers of these rows."""
        lengths = np.asarray(pc.list_value_length(rows["bucket"]), np.int64)
        bucket = np.asarray(pc.list_flatten(rows["bucket"]), np.int64)
        count = np.asarray(pc.list_flatten(rows["count"]), np.int64)
        counts = {"timed": count, "slow": np.where(bucket >= self._slow_from, count, 0)}
        if "bucket" in self._by:
            return np.repeat(np.arange(rows.num_rows), lengths), {"bucket": bucket, "n": count, **counts}
        return None, {"n": rows["n"], **{name: _sums(values, lengths) for name, values in counts.items()}}


class CountedByReading:
    """The base of stores without a quicker way to count than to read."""

    def counts(
        self: Store,
        service: str | None,
        start: datetime | None,
        end: datetime | None,
        *,
        by: Sequence[str],
        step_s: int,
        slower_than_ms: float | None = None,
    ) -> pa.Table:
        """Count the rows that the store reads. See Store. Each service is one consistent state."""
        counter = Counter(start, by, step_s, slower_than_ms)
        revisions: dict[str, list[str]] = {}
        for seen in self.revisions(service, start, end):
            if service in (None, seen.service):
                revisions.setdefault(seen.service, []).append(seen.revision)
        for name, found in revisions.items():
            counter.add(self.read(name, found, start, end).table)
        return counter.table()


def _sums(values: Ints, lengths: Ints) -> Ints:
    """The sum of each part of an array. lengths: of the parts."""
    total = np.concatenate([np.zeros(1, np.int64), np.cumsum(values)])
    sums: Ints = np.diff(total[np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])])
    return sums
