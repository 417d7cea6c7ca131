"""The form of rows that a store takes and gives: checked columns, times with a zone, strings dictionary-encoded."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from pratique.errors import DataError, UsageError
from pratique.telemetry.rollups import SCHEMA, Rollups

STRINGS = ("revision", "action", "host", "source")
DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def _as_read(field: pa.Field) -> pa.Field:
    return pa.field(field.name, DICTIONARY, nullable=False) if pa.types.is_string(field.type) else field


READ_SCHEMA = pa.schema([_as_read(field) for field in SCHEMA])
"""The schema of a read: SCHEMA with its strings dictionary-encoded."""


def normal(rollups: Rollups) -> pa.Table:
    """Return the rows with the columns and types of READ_SCHEMA.

    Raises: DataError when columns are missing, of another type, or hold nulls.
    """
    table = rollups.table
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise DataError(f"rollups without the column {missing[0]!r} cannot be stored")
    table = table.select(SCHEMA.names)
    empty = next((name for name in SCHEMA.names if _has_null(table[name])), None)
    if empty is not None:
        raise DataError(f"rollups with a null in column {empty!r} cannot be stored")
    try:
        return table.cast(READ_SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise DataError(
            f"rollups with types other than those of SCHEMA cannot be stored: {str(error)[:200]}"
        ) from error


def require_zone(*bounds: datetime | None) -> None:
    """Refuse times without a zone. Raises: UsageError."""
    for bound in bounds:
        if bound is not None and bound.tzinfo is None:
            raise UsageError(f"time {bound.isoformat()!r} has no time zone: give it in UTC")


def _has_null(column: pa.ChunkedArray) -> bool:
    is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
    return bool(column.null_count or (is_list and any(chunk.flatten().null_count for chunk in column.chunks)))
