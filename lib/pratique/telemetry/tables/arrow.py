"""Arrow columns as those of the readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl
import pyarrow as pa

from pratique.errors import DataError

ROWS = 1 << 15
"""Rows of a batch."""


def places_of(schema: pa.Schema) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the columns by their dotted names, with where they stand; a nested column has those within it."""
    stack: list[tuple[tuple[str, ...], pa.Field]] = [((field.name,), field) for field in reversed(schema)]
    while stack:
        place, field = stack.pop()
        if pa.types.is_struct(field.type):
            stack += [((*place, inner.name), inner) for inner in reversed(list(field.type))]
        yield ".".join(place), place


def frame_of(table: pa.Table, names: Sequence[str]) -> pl.DataFrame:
    """Return Arrow columns as a frame with these names. Raises: DataError for a type that cannot be read."""
    series = []
    for name, column in zip(names, table.columns, strict=True):
        try:
            series.append(pl.Series(name, pl.from_arrow(column)))
        except (pl.exceptions.PolarsError, TypeError, ValueError, pa.ArrowException, NotImplementedError) as error:
            raise DataError(f"column {name!r} has a type that cannot be read: {column.type}") from error
    return pl.DataFrame(series)
