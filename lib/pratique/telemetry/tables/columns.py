"""What a column of a table may hold, by its type: texts as in a log, numbers, times and durations."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from pratique.errors import DataError
from pratique.telemetry.logs.fields import MEANINGS, Field

MISSING = ("", "-", "null", "NULL", "None", "NaN", "nan", "NA", "N/A", "<NA>", "\\N")
"""Texts that stand for no number."""
NUMBERS = frozenset({"time", "status", "duration", "duration_sum", "n"})
"""Meanings that are numbers, or may be."""
LISTS = frozenset({"bucket", "count"})
_DECIMAL_COMMA = r"^-?[0-9]+,[0-9]+$"
_KINDS = (
    (pl.Boolean, "true or false"),
    (pl.List, "lists"),
    (pl.Array, "lists"),
    (pl.Struct, "nested columns"),
    (pl.Binary, "bytes"),
    (pl.Date, "dates without a time of day"),
    (pl.Time, "times of day without a date"),
    (pl.Duration, "durations"),
    (pl.Datetime, "times"),
    (pl.Object, "objects"),
)


def settled(field: Field, kind: pl.DataType) -> Field:
    """Return the field as its column's type shows it: a time's form, a duration's unit.

    Raises: DataError for a type that cannot mean this.
    """
    is_text = isinstance(kind, pl.String | pl.Null | pl.Categorical | pl.Enum)
    if field.meaning in LISTS:
        fits = isinstance(kind, pl.List) and kind.inner is not None and kind.inner.is_integer()
    elif field.meaning == "time" and not is_text:
        return _time(field, kind)
    elif isinstance(kind, pl.Duration) and field.meaning in {"duration", "duration_sum"}:
        return replace(field, kind="ms")
    else:
        fits = is_text or kind.is_numeric() or (isinstance(kind, pl.Date) and field.meaning not in NUMBERS)
    return field if fits else _refused(field, kind)


def _time(field: Field, kind: pl.DataType) -> Field:
    if isinstance(kind, pl.Datetime):
        return replace(field, kind="local" if kind.time_zone is None else "epoch_ms")
    if not kind.is_numeric():
        return _refused(field, kind)
    if field.kind in {"", "auto"}:
        return replace(field, kind="epoch")
    if not field.kind.startswith("epoch"):
        raise DataError(
            f"column {field.name!r} holds numbers, no times as text: name their unit, as in --field time={field.name}:ms"
        )
    return field


def _refused(field: Field, kind: pl.DataType) -> Field:
    what = next((words for one, words in _KINDS if isinstance(kind, one)), str(kind))
    name = MEANINGS.get(field.meaning, "") or "revision"
    raise DataError(
        f"column {field.name!r} holds {what}, which cannot be the {name} of a request (row 1 and all others): "
        f"name another column, as in --field {field.meaning or 'revision'}=NAME"
    )


def read(column: pl.Series, field: Field) -> pl.Series:
    """Return a column as the readers of logs take it: texts, or numbers where the meaning may be one."""
    kind = column.dtype
    if field.meaning in LISTS:
        return column.cast(pl.List(pl.Int64))
    if isinstance(kind, pl.Categorical | pl.Enum):
        column, kind = column.cast(pl.String), pl.String()
    if isinstance(kind, pl.Datetime):
        return column.dt.epoch("ms")
    if kind == pl.Duration:
        return column.dt.total_nanoseconds().cast(pl.Float64) / 1e6
    if kind.is_decimal():
        column = column.cast(pl.Float64)
    if field.meaning not in NUMBERS:
        return _text(column)
    if column.dtype.is_float():
        column = column.fill_nan(None)
    if column.dtype in {pl.String, pl.Null}:
        column = _number_text(column.cast(pl.String))
    if field.meaning == "status" and column.dtype.is_float():
        return _whole(column)
    return _whole(column.cast(pl.Float64, strict=False)) if field.meaning == "n" else column


def _whole(column: pl.Series) -> pl.Series:
    """Whole numbers of a column of floats; null for others."""
    return column.set(column != column.floor(), None).cast(pl.Int64, strict=False)


def _text(column: pl.Series) -> pl.Series:
    if not column.dtype.is_float():
        return column.cast(pl.String)
    # a column of whole numbers with a missing one comes as floats: 41.0 is the revision 41
    column = column.fill_nan(None).cast(pl.Float64)
    frame = pl.DataFrame({"x": column, "whole": _whole(column)})
    return frame.select(x=pl.coalesce(pl.col("whole").cast(pl.String), pl.col("x").cast(pl.String)))["x"]


def _number_text(column: pl.Series) -> pl.Series:
    text = column.str.strip_chars()
    frame = pl.DataFrame({"x": text})
    known = pl.when(~pl.col("x").is_in(MISSING)).then(pl.col("x"))
    return frame.select(
        x=pl.when(pl.col("x").str.contains(_DECIMAL_COMMA))
        .then(known.str.replace(",", ".", literal=True))
        .otherwise(known)
    )["x"]
