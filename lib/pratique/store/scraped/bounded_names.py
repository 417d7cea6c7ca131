"""Bounds on actions and hosts of rows that other programs measured: anybody's requests may make up new ones."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pratique.telemetry.cardinality import MOST_ACTIONS, MOST_HOSTS, OTHER, BoundedNames
from pratique.telemetry.rollups import Rollups

BOUNDS = {"action": MOST_ACTIONS, "host": MOST_HOSTS}


class BoundedRows:
    """Folds further actions and hosts of a service into OTHER, the rarest of them first; the same ones in every read."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], BoundedNames] = {}

    def fold(self, rollups: Rollups) -> Rollups:
        """Return the rows with bounded names, those with the same key added up. rollups: with the types of SCHEMA."""
        table, folded = rollups.table, False
        for column, most in BOUNDS.items():
            totals = table.group_by(["service", column]).aggregate([("n", "sum")]).sort_by([("n_sum", "descending")])
            kept: dict[tuple[str, str], str] = {}
            for row in totals.to_pylist():
                names = self._names.setdefault((row["service"], column), BoundedNames(most))
                kept[row["service"], row[column]] = names.admit(row[column], row["n_sum"])
            if any(name != stored for (_, name), stored in kept.items()):
                folded = True
                table = _renamed(table, column, kept)
        return Rollups(table, rollups.limits).merge(Rollups.empty()) if folded else rollups

    def notes(self) -> Iterator[str]:
        """Say of which services names were folded."""
        for (service, column), names in self._names.items():
            if names.folded:
                yield f"{service[:80]} has more than {BOUNDS[column]} {column}s, or very long ones: they count as {OTHER!r}"


def _renamed(table: pa.Table, column: str, kept: dict[tuple[str, str], str]) -> pa.Table:
    pairs = zip(table["service"].to_pylist(), table[column].to_pylist(), strict=True)
    renamed = pa.array([kept[pair] for pair in pairs], pa.string())
    return table.set_column(table.column_names.index(column), column, renamed)
