"""One data file: rollups in Parquet, which Spark, Trino and Dask read too.

A file holds rows of one service and one UTC day, sorted by window, each key once. Strings are
dictionary-encoded. The table's log has the statistics of the columns that reads and writes filter by.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction
from pyarrow import fs

from pratique.store import summary
from pratique.telemetry.rollups import SCHEMA

PARTITIONS = ("service", "day")
MAX_ROWS = 1 << 20
"""Most rows of a file, and so the most that a late row causes to be rewritten."""

_ROW_GROUP = 1 << 17
_BOUNDED = ("window", "revision", "code", "host", "source")
_MAX_BOUND = 100
"""Longer strings get no bounds: a hostile one would stay in the log permanently."""

DAY_MS = 86_400_000


def _as_filed(field: pa.Field) -> pa.Field:
    # Delta has microseconds only; columns and elements that are never null are quicker to read
    kind = pa.timestamp("us", tz="UTC") if pa.types.is_timestamp(field.type) else field.type
    if pa.types.is_list(kind):
        kind = pa.list_(pa.field("element", kind.value_type, nullable=False))
    return pa.field(field.name, kind, nullable=False)


def _as_declared(field: pa.Field) -> pa.Field:
    return pa.field(field.name, pa.list_(field.type.value_type) if pa.types.is_list(field.type) else field.type)


FILE_SCHEMA = pa.schema([_as_filed(field) for field in SCHEMA if field.name != "service"])
"""The schema of a file: everything but the partition columns."""

TABLE_SCHEMA = pa.schema([_as_declared(_as_filed(field)) for field in SCHEMA]).append(pa.field("day", pa.date32()))
"""The schema in the table's log: all columns nullable, which every engine accepts."""


def write(where: fs.FileSystem, service: str, day: int, table: pa.Table, written_ms: int) -> tuple[AddAction, ...]:
    """Write sorted rows of one service and day (days since 1970) as data files, without adding them to the log.

    written_ms: time of arrival of the newest row, epoch ms; retention counts from it. Raises: OSError.
    """
    rows = table.num_rows
    pieces = -(-rows // MAX_ROWS)
    cuts = [rows * piece // pieces for piece in range(pieces + 1)]
    return tuple(
        _write_one(where, service, day, table.slice(start, end - start), written_ms) for start, end in pairwise(cuts)
    )


def _write_one(where: fs.FileSystem, service: str, day: int, table: pa.Table, written_ms: int) -> AddAction:
    iso = date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()
    folder = f"service={service}/day={iso}"
    path = f"{folder}/part-{uuid.uuid4()}.zstd.parquet"
    where.create_dir(folder, recursive=True)
    plain = _filed(table)
    try:
        with where.open_output_stream(path) as sink:
            _fill(sink, plain, summary.note(table))
            size = sink.tell()
    except OSError:
        discard(where, [path])
        raise
    partition = {"service": service, "day": iso}
    return AddAction(path, size, partition, written_ms, True, json.dumps(statistics(table)))


def _fill(sink: pa.NativeFile, plain: pa.Table, note: dict[str, str]) -> None:
    with pq.ParquetWriter(
        sink,
        plain.schema,
        compression="zstd",
        use_dictionary=[name for name in plain.column_names if name != "sum_ms"],
        store_schema=False,
    ) as writer:
        writer.write_table(plain, row_group_size=_ROW_GROUP)
        writer.add_key_value_metadata(note)


def _filed(table: pa.Table) -> pa.Table:
    columns = []
    for field in FILE_SCHEMA:
        column = table[field.name]
        # Parquet writes dictionaries without decoding them
        columns.append(column if pa.types.is_dictionary(column.type) else column.cast(field.type))
    fields = [
        pa.field(field.name, column.type, nullable=False) for field, column in zip(FILE_SCHEMA, columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def discard(where: fs.FileSystem, paths: list[str]) -> None:
    """Delete files that never entered the log. The vacuum finds those that cannot be deleted now."""
    for path in paths:
        try:
            where.delete_file(path)
        except OSError:
            continue


def statistics(table: pa.Table) -> dict[str, Any]:
    """Return the statistics of a file in the form of Delta's log."""
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    for name in _BOUNDED:
        low, high = bounds(table[name])
        if isinstance(low, str) and max(len(low), len(high)) > _MAX_BOUND:
            continue
        lowest[name], highest[name] = _json(low), _json(high)
    return {
        "numRecords": table.num_rows,
        "minValues": lowest,
        "maxValues": highest,
        "nullCount": dict.fromkeys(lowest, 0),
    }


def bounds(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """Return the least and the greatest value of a column that is not empty."""
    if pa.types.is_dictionary(column.type):
        column = pc.unique(column.unify_dictionaries()).dictionary_decode()
    found = pc.min_max(column).as_py()
    return found["min"], found["max"]


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    return value


def check_stored(schema: pa.Schema) -> str | None:
    """Return why a schema is not that of a store; None when it is."""
    for field in TABLE_SCHEMA:
        if field.name not in schema.names:
            return f"it has no column {field.name!r}"
        if not _alike(schema.field(field.name).type, field.type):
            return f"its column {field.name!r} is {schema.field(field.name).type}, not {field.type}"
    return None


def _alike(left: pa.DataType, right: pa.DataType) -> bool:
    if pa.types.is_list(right):
        return bool((pa.types.is_list(left) or pa.types.is_large_list(left)) and left.value_type == right.value_type)
    return bool(left == right or (pa.types.is_large_string(left) and pa.types.is_string(right)))
