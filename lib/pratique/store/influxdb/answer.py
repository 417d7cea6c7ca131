"""Read rows from Flux's raw answer: one line of CSV per point, with the tags and the packed field."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from typing_extensions import Buffer

from pratique.errors import DataError
from pratique.store.influxdb.client import BLOCK_END
from pratique.store.influxdb.lines import TAGS
from pratique.store.influxdb.names import decoded
from pratique.store.rows import DICTIONARY, READ_SCHEMA

COLUMNS = ("_time", "_value", *TAGS)
_TYPES = {"_time": pa.timestamp("ms", tz="UTC"), "_value": pa.string(), **dict.fromkeys(TAGS, DICTIONARY)}
ERROR = b"error,reference\r\n"
"""The header of the block that an error of the server has."""
LONGEST_BEYOND = 1 << 10
"""Bytes after the first table that tell what they are."""
BUFFER_BYTES = 1 << 20
BLOCK_BYTES = 4 << 20
"""Bytes that are parsed at once; a line with long names must fit in."""


class FirstTable(io.RawIOBase):
    """The first table of an answer as a file; what follows it is read to its end when the file is."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._left, self._over = pieces, b"", False
        self._beyond = b""

    def require_no_other(self) -> None:
        """Raises: ValueError when another table with other columns follows, whose rows would be missing. An error may follow."""
        beyond = self._beyond.lstrip(b"\r\n")
        if beyond and not beyond.lstrip(b",").startswith(ERROR):
            raise ValueError("points with other tags or fields")

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Fill a part of `buffer`, at least one byte; return 0 at the end."""
        # the end of the table may be split between two pieces
        held = len(BLOCK_END) - 1
        while len(self._left) <= held and not self._over:
            self._fill()
        view = memoryview(buffer)
        size = min(len(self._left) - (0 if self._over else held), len(view))
        view[:size] = self._left[:size]
        self._left = self._left[size:]
        return size

    def _fill(self) -> None:
        piece = next(self._pieces, b"")
        self._left += piece
        end = self._left.find(BLOCK_END)
        if end >= 0:
            self._beyond = self._left[end + len(BLOCK_END) :]
            self._left = self._left[: end + len(BLOCK_END) // 2]
            for more in self._pieces:
                if len(self._beyond) < LONGEST_BEYOND:
                    self._beyond += more
        self._over = end >= 0 or not piece


def rows(pieces: Iterator[bytes], name: str) -> pa.Table:
    """Return the rows of an answer with READ_SCHEMA. name: the store, for messages. Raises: as `tables`."""
    found = tables(pieces, _TYPES, lambda block: rollups(pa.Table.from_batches([block])), name)
    return pa.concat_tables([READ_SCHEMA.empty_table(), *found]).unify_dictionaries()


def tables(
    pieces: Iterator[bytes],
    types: Mapping[str, pa.DataType],
    unpack: Callable[[pa.RecordBatch], pa.Table],
    name: str,
) -> list[pa.Table]:
    """Return what `unpack` makes of each block of an answer. types: of the columns that it needs. name: the store, for messages.

    Raises: what `pieces` raises; DataError for points that are not those of `lines` or `window_points`.
    """
    table = FirstTable(pieces)
    file = io.BufferedReader(table, BUFFER_BYTES)
    try:
        if not file.peek(1).strip():
            table.require_no_other()
            return []
        blocks = csv.open_csv(
            file,
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
            convert_options=csv.ConvertOptions(include_columns=list(types), column_types=dict(types)),
        )
        # each block while the next one arrives
        found = [unpack(block) for block in blocks]
        table.require_no_other()
    except (pa.ArrowInvalid, pa.ArrowKeyError, ValueError) as error:
        # an error of the server at the end of the answer, which this raises, explains more
        for _ in pieces:
            continue
        text = " ".join(str(error).split())[:200]
        raise DataError(f"store {name!r} cannot be read: it has points that are not Pratique's: {text}") from error
    return found


def rollups(table: pa.Table) -> pa.Table:
    """Return the rows of READ_SCHEMA. table: COLUMNS, the tags dictionary-encoded. Raises: ValueError, errors of Arrow."""
    columns = unpacked(table["_value"])
    columns |= {name: decoded_names(table[name]) for name in TAGS}
    columns |= {"window": table["_time"], "code": numbers(columns["code"])}
    return pa.Table.from_arrays([columns[field.name] for field in READ_SCHEMA], schema=READ_SCHEMA)


def decoded_names(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the names of tags, dictionary-encoded."""
    chunks = column.unify_dictionaries().chunks
    if not chunks:
        return pa.chunked_array([], DICTIONARY)
    names = pa.array([decoded(tag) for tag in chunks[0].dictionary.to_pylist()], pa.string())
    return pa.chunked_array([pa.DictionaryArray.from_arrays(chunk.indices, names) for chunk in chunks])


def numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the codes that a column of texts has, dictionary-encoded. Raises: pyarrow.ArrowInvalid."""
    found = [chunk.dictionary.cast(pa.int16()).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(found, pa.int16())


def unpacked(packed: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """Return the columns in the packed field: "n sum_ms window_s bucket count …" of each row. Raises: ValueError, errors of Arrow."""
    parts = [_unpacked(chunk) for chunk in packed.chunks] or [_unpacked(pa.array([], pa.string()))]
    return {name: pa.chunked_array([part[name] for part in parts]) for name in parts[0]}


def _unpacked(packed: pa.Array) -> dict[str, pa.Array]:
    words = pc.split_pattern(packed, " ")
    first = words.offsets.to_numpy()[:-1].astype(np.int64)
    lengths = pc.list_value_length(words).to_numpy(zero_copy_only=False)
    if len(lengths) and (lengths.min() < 3 or (lengths % 2 == 0).any()):
        raise ValueError("a field 'hist' of another form")
    flat = words.values
    rest = np.ones(len(flat), bool)
    for position in range(3):
        rest[first + position] = False
    pairs = flat.filter(pa.array(rest)).cast(pa.int64()).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum((lengths - 3) // 2)]).astype(np.int32))
    return {
        "n": flat.take(pa.array(first)).cast(pa.int64()),
        "sum_ms": flat.take(pa.array(first + 1)).cast(pa.float64()),
        "window_s": flat.take(pa.array(first + 2)).cast(pa.int32()),
        "bucket": pa.ListArray.from_arrays(offsets, pa.array(pairs[0::2]).cast(pa.int16())),
        "count": pa.ListArray.from_arrays(offsets, pa.array(pairs[1::2])),
    }
