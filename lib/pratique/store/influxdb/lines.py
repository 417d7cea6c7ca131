"""Rollups in line protocol, built by column.

A row is one point of the measurement `pratique`: the parts of its KEY are tags and the time. Its fields are `n`, `sum_ms` and
`window_s` and those of `thresholds`, for other programs, and `hist`, which holds all of them and the histogram: "n sum_ms window_s bucket count bucket
count …". Every point has all fields, because InfluxDB replaces points field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pratique.errors import DataError
from pratique.store.influxdb.names import encoded, in_line
from pratique.store.influxdb.thresholds import DOUBLINGS, FIELDS
from pratique.telemetry.thresholds import counts_under

MEASUREMENT = "pratique"
PACKED = "hist"
TAGS = ("action", "code", "host", "revision", "service", "source")
"""In the order of their names, in which InfluxDB keeps them."""
MAX_LINES = 10_000
"""Most lines of a request."""
MAX_BYTES = 16_000_000
"""Most bytes of a request, of which names of 10 kB fill many."""
MAX_NAMES = 60_000
"""Most bytes of the names of a row; InfluxDB takes about 65,000."""
EARLIEST_MS, LATEST_MS = -9_223_372_036_854, 9_223_372_036_853
"""The times that InfluxDB can hold, in milliseconds since 1970."""


def requests(table: pa.Table) -> Iterator[bytes]:
    """Yield the lines of rows with READ_SCHEMA in pieces of at most MAX_LINES. Raises: DataError for rows that do not fit."""
    check(table)
    for start in range(0, table.num_rows, MAX_LINES):
        yield from bounded(_lines(table.slice(start, MAX_LINES).combine_chunks()))


def check(table: pa.Table) -> None:
    """Refuse rows that InfluxDB cannot hold. Raises: DataError."""
    if not pc.all(pc.is_finite(table["sum_ms"])).as_py():
        raise DataError("rollups with a sum_ms that is not finite cannot be stored in InfluxDB")
    windows = pc.min_max(table["window"].cast(pa.int64())).as_py()
    if windows["min"] < EARLIEST_MS or windows["max"] > LATEST_MS:
        raise DataError("rollups with a window before 1677 or after 2262 cannot be stored in InfluxDB")
    if _longest(table) > MAX_NAMES:
        raise DataError(
            f"a rollup whose names have more than {MAX_NAMES:,} bytes cannot be stored in InfluxDB: shorten them"
        )


def _longest(table: pa.Table) -> int:
    """The most bytes that the names of a row have together."""
    columns = [pa.chunked_array([pc.binary_length(tag_values(chunk)) for chunk in table[name].chunks]) for name in TAGS]
    if sum(pc.max(column).as_py() for column in columns) <= MAX_NAMES:
        return MAX_NAMES
    return int(pc.max(reduce(pc.add, columns)).as_py())


def bounded(lines: pa.Array) -> Iterator[bytes]:
    """Yield lines in requests of at most MAX_BYTES."""
    size = pc.sum(pc.binary_length(lines)).as_py()
    if size <= MAX_BYTES or len(lines) == 1:
        joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines), "\n")
        yield joined[0].as_buffer().to_pybytes()
        return
    middle = len(lines) // 2
    yield from bounded(lines.slice(0, middle))
    yield from bounded(pa.concat_arrays([lines.slice(middle)]))


def _lines(table: pa.Table) -> pa.Array:
    tags = [tag_values(table[name].combine_chunks()) for name in TAGS]
    parts: list[object] = [pa.scalar(MEASUREMENT)]
    for name, tag in zip(TAGS, tags, strict=True):
        parts += [pa.scalar(f",{name}="), tag]
    names = pc.binary_join_element_wise(*parts, "")
    n, sum_ms, window_s = _numbers(table)
    time = table["window"].combine_chunks().cast(pa.int64()).cast(pa.string())
    bucket, count = (table[name].combine_chunks() for name in ("bucket", "count"))
    counted = counts_under(bucket, count, DOUBLINGS)
    thresholds = [
        part
        for at, name in enumerate(FIELDS)
        for part in (f",{name}=", pa.array(counted[:, at]).cast(pa.string()), "i")
    ]
    fields = (
        " n=",
        n,
        "i,sum_ms=",
        sum_ms,
        ",window_s=",
        window_s,
        "i",
        *thresholds,
        f',{PACKED}="',
        packed(table),
        '" ',
        time,
    )
    return pc.binary_join_element_wise(
        names, *(pa.scalar(part) if isinstance(part, str) else part for part in fields), ""
    )


def packed(table: pa.Table) -> pa.Array:
    """Return what the field PACKED has for each row: "n sum_ms window_s bucket count …"."""
    head = pc.binary_join_element_wise(*_numbers(table), " ")
    bucket, count = (table[name].combine_chunks() for name in ("bucket", "count"))
    return pc.binary_join_element_wise(head, _histograms(bucket, count), "")


def _numbers(table: pa.Table) -> list[pa.Array]:
    return [table[name].combine_chunks().cast(pa.string()) for name in ("n", "sum_ms", "window_s")]


def tag_values(column: pa.Array) -> pa.Array:
    """Return names as they stand in line protocol."""
    if not pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    values = pa.array([in_line(encoded(name)) for name in column.dictionary.to_pylist()], pa.string())
    return values.take(column.indices)


def _histograms(buckets: pa.ListArray, counts: pa.ListArray) -> pa.Array:
    """The buckets and counts of each row, each with a space before it."""
    lengths = pc.list_value_length(buckets).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    bucket, count = buckets.flatten().cast(pa.string()), counts.flatten().cast(pa.string())
    pairs = pc.binary_join_element_wise(pa.scalar(""), bucket, count, " ")
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), pairs), "")
