"""Data frames as batches of columns: pandas, polars, Arrow, DuckDB, and whatever speaks Arrow's PyCapsule interface.

No package of frames is imported: a frame is asked for its Arrow form. Only pandas columns of Python objects are read value
by value: Arrow would take all of them for what the first one is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pratique.errors import DataError
from pratique.telemetry.tables.arrow import ROWS, frame_of, places_of
from pratique.telemetry.tables.parser import BAD

_UNREADABLE = (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError, NotImplementedError)


def opened(frame: Any) -> ArrowFrame | PandasFrame:
    """Return a frame as a table to read. Raises: DataError when it cannot be read."""
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        return PandasFrame(frame)
    try:
        if hasattr(frame, "collect_schema") and hasattr(frame, "collect"):
            frame = frame.collect()  # polars' lazy frame
        table = pa.table(frame) if hasattr(frame, "__arrow_c_stream__") else frame.to_arrow_table()
    except _UNREADABLE as error:
        raise DataError(f"the frame cannot be read as Arrow columns: {str(error)[:300]}") from error
    return ArrowFrame(table)


class ArrowFrame:
    """An Arrow table. names: of its columns, dotted where they are nested."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        found = list(places_of(table.schema))
        self.names: Sequence[str] = [name for name, _ in found]
        self._places = dict(found)

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the named columns of the rows. Raises: DataError for a type that cannot be read."""
        columns = []
        for name in names:
            first, *inner = self._places[name]
            column = self._table[first]
            columns.append(pc.struct_field(column, inner) if inner else column)
        yield from _batches(columns, names)


class PandasFrame:
    """A pandas frame. names: of its columns, and of an index with a name or with times."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names: Sequence[str] = [str(name) for name in frame.columns]
        self._levels: dict[str, Any] = {}
        for level, name in enumerate(frame.index.names):
            values = frame.index.get_level_values(level)
            if (name is not None or values.dtype.kind == "M") and str(name or "index") not in self.names:
                self._levels[str(name or "index")] = values
        self.names = [*self.names, *self._levels]

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield the named columns of the rows, and BAD where a value has a wrong type. Raises: DataError."""
        bad: dict[int, str] = {}
        columns = []
        for name in names:
            column = self._levels[name] if name in self._levels else self._frame.iloc[:, list(self.names).index(name)]
            columns.append(_of_pandas(column, name, bad))
        if bad:
            reasons = [bad.get(row) for row in range(len(self._frame))]
            columns, names = [*columns, pa.array(reasons, pa.large_string())], [*names, BAD]
        yield from _batches(columns, names)


def _batches(columns: list[Any], names: Sequence[str]) -> Iterator[pl.DataFrame]:
    table = pa.Table.from_arrays(columns, [f"x{index}" for index in range(len(columns))])
    for start in range(0, table.num_rows, ROWS):
        yield frame_of(table.slice(start, ROWS), names)


def _of_pandas(column: Any, name: str, bad: dict[int, str]) -> Any:
    """A column as an Arrow array. bad: gets the reasons of rows whose value has a wrong type."""
    is_object = column.dtype == object
    try:
        return pa.array(column, pa.large_string() if is_object else None, from_pandas=True)
    except _UNREADABLE as error:
        if not is_object:
            raise DataError(f"column {name!r} has a type that cannot be read: {column.dtype}") from error
    texts: list[str | None] = []
    for row, value in enumerate(column):
        try:
            texts.append(_text(value))
        except TypeError:
            texts.append(None)
            bad.setdefault(row, f"its value in column {name!r} is a {type(value).__name__}")
    return pa.array(texts, pa.large_string())


def _text(value: Any) -> str | None:
    """A value of a column of Python objects as text; null for pandas' missing values. Raises: TypeError."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, str | bytes):
        return (value if isinstance(value, bytes) else value.encode("utf-8", "replace")).decode("utf-8", "replace")
    if isinstance(value, float):
        return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds() * 1000.0!r}ms"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise TypeError
    return str(value)
