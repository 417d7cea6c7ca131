"""Parsed requests become rollups: names bounded, actions named, and everything counted for the summary."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pyarrow as pa

from pratique.telemetry.actions import Actions
from pratique.telemetry.cardinality import MOST_ACTIONS, MOST_HOSTS, MOST_REVISIONS, BoundedNames
from pratique.telemetry.import_summary import ImportSummary
from pratique.telemetry.parsed import Parsed
from pratique.telemetry.rollups import Rollups

LONGEST_HOST = 100
"""Characters of a host that are stored."""


class RequestCounter:
    """Counts the requests of one import. summary: of everything taken so far."""

    def __init__(self, service: str, actions: Actions, window_s: int) -> None:
        """window_s: length of the windows of single requests."""
        self._service = service
        self._actions = actions
        self._window_s = window_s
        self._bounds = {
            "revision": BoundedNames(MOST_REVISIONS),
            "action": BoundedNames(MOST_ACTIONS),
            "host": BoundedNames(MOST_HOSTS),
        }
        self._last_ms = 0
        self.summary = ImportSummary()

    def begin_file(self) -> None:
        """A new file begins: its clock has nothing to do with that of the file before."""
        self._last_ms = 0

    def take(self, parsed: Parsed, source: str, *, back_ms: int, window_s: int | None = None) -> Rollups:
        """Count parsed rows and return their rollups.

        source: of the rollups. back_ms: how far times may go back without a clock that was set. window_s: of the rows of
        counts, default that of single requests.
        """
        summary, events = self.summary, parsed.events
        summary.lines += parsed.lines
        summary.ignored += parsed.ignored
        summary.without_revision += parsed.without_revision
        summary.other_services += parsed.other_services
        for kind, count in parsed.others.items():
            summary.others[kind] = summary.others.get(kind, 0) + count
        for _, reason, _ in parsed.rejects:
            summary.add_reason(reason)
        if not len(events):
            return Rollups.empty()
        self._watch_clock(events, back_ms)
        events = self._bounded(events)
        self._count(events)
        table = self._table(events, source)
        if "n" in events.columns:
            return Rollups.from_counts(table, window_s=window_s or self._window_s)
        return Rollups.from_events(table, window_s=self._window_s)

    def _watch_clock(self, events: pl.DataFrame, back_ms: int) -> None:
        time_ms = events["time_ms"].to_numpy()
        running = np.maximum.accumulate(np.concatenate([[self._last_ms], time_ms]))
        behind = time_ms < running[:-1] - back_ms
        self.summary.backwards += int((behind & ~np.concatenate([[False], behind[:-1]])).sum())
        self._last_ms = int(running[-1])

    def _bounded(self, events: pl.DataFrame) -> pl.DataFrame:
        """Name the actions, and fold the names beyond the bounds; those with the most requests come first."""
        pairs = events.select("method", "path").unique(maintain_order=True)
        names = [self._actions.action(method, path) for method, path in pairs.iter_rows()]
        events = events.join(
            pairs.with_columns(named=pl.Series(names, dtype=pl.String)),
            on=["method", "path"],
            how="left",
            maintain_order="left",
        ).with_columns(host=pl.col("host").str.slice(0, LONGEST_HOST), action=pl.coalesce("action", "named"))
        for kind, bound in self._bounds.items():
            counts = requests_by(events, kind)
            admitted = [bound.admit(name, count) for name, count in counts.iter_rows()]
            folded = counts.select(kind).with_columns(name=pl.Series(admitted, dtype=pl.String))
            if admitted != counts[kind].to_list():
                events = events.with_columns(pl.col(kind).replace_strict(folded[kind], folded["name"]))
        return events

    def _count(self, events: pl.DataFrame) -> None:
        summary = self.summary
        for name, count in requests_by(events, "revision").iter_rows():
            summary.revisions[name] = summary.revisions.get(name, 0) + count
        summary.events += requests_of(events)
        summary.actions = len(self._bounds["action"])
        summary.folded = {kind: bound.folded for kind, bound in self._bounds.items() if bound.folded}
        first, last = (
            datetime.fromtimestamp(int(str(ms)) / 1000, UTC)
            for ms in (events["time_ms"].min(), events["time_ms"].max())
        )
        summary.first = min(summary.first or first, first)
        summary.last = max(summary.last or last, last)

    def _table(self, events: pl.DataFrame, source: str) -> pa.Table:
        more = [name for name in ("n", "sum_ms", "bucket", "count") if name in events.columns]
        columns = events.select(
            "time_ms",
            pl.lit(self._service).alias("service"),
            *(pl.col(name).cast(pl.Categorical) for name in ("revision", "action", "host")),
            pl.lit(source).alias("source"),
            pl.col("code").cast(pl.Int16),
            "duration_ms",
            *more,
        )
        return _rollup_types(columns.to_arrow())


def requests_of(events: pl.DataFrame) -> int:
    """How many requests rows stand for: one each, or as many as they count."""
    return int(events["n"].sum()) if "n" in events.columns else len(events)


def requests_by(events: pl.DataFrame, column: str) -> pl.DataFrame:
    """The distinct values of a column with their requests, those with the most first."""
    if "n" not in events.columns:
        return events[column].value_counts(sort=True)
    return events.group_by(column).agg(pl.col("n").sum()).sort("n", column, descending=[True, False])


def _rollup_types(table: pa.Table) -> pa.Table:
    """Cast the string and dictionary types of polars to those of rollups."""
    kinds = []
    for column in table.schema:
        kind = column.type
        if pa.types.is_dictionary(kind):
            kind = pa.dictionary(pa.int32(), pa.string())
        elif pa.types.is_large_string(kind) or "string_view" in str(kind):
            kind = pa.string()
        elif pa.types.is_large_list(kind):
            kind = pa.list_(kind.value_type)
        kinds.append(pa.field(column.name, kind))
    return table.cast(pa.schema(kinds)).unify_dictionaries()
