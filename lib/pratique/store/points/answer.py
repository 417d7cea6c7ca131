"""Read Flux's raw answer on points of any form: one series for each combination of tags and field.

Texts in it may hold anything, line ends included, so tables are told apart by their quotes, and columns by their position.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv as arrow_csv

from pratique.errors import DataError
from pratique.store.influxdb.client import BLOCK_END
from pratique.store.rows import DICTIONARY

FIRST = ("", "result", "table")
"""The first columns of every table; what follows are columns of Flux and tags, which may have these names too."""
LONGEST_LINE = 1 << 22


@dataclass(frozen=True)
class Series:
    """The values of one field with the same tags. time_ns: epoch ns, rising. values: as text."""

    tags: Mapping[str, str]
    field: str
    time_ns: npt.NDArray[np.int64]
    values: pa.Array


def series_of(answer: bytes, name: str) -> Iterator[Series]:
    """Yield the series of an answer. name: the store, for messages. Raises: DataError for an answer of another form."""
    for header, rows in tables(answer):
        try:
            yield from _series(header, rows)
        except (pa.ArrowInvalid, pa.ArrowKeyError, ValueError, IndexError) as error:
            text = " ".join(str(error).split())[:200]
            raise DataError(f"store {name!r} cannot be read: its answer has another form: {text}") from error


def tables(answer: bytes) -> Iterator[tuple[list[str], bytes]]:
    """Yield the names of the columns of each table, and its rows in CSV."""
    for block in _blocks(answer):
        end = _end_of_line(block)
        yield next(csv.reader(io.StringIO(block[:end].decode(), newline=""))), block[end + 2 :]


def records(answer: bytes) -> Iterator[dict[str, str]]:
    """Yield the rows of a small answer."""
    for header, rows in tables(answer):
        for row in csv.reader(io.StringIO(rows.decode(), newline="")):
            yield dict(zip(header[len(FIRST) :], row[len(FIRST) :], strict=True)) | {"result": row[1]}


def _blocks(answer: bytes) -> Iterator[bytes]:
    start = 0
    for end in _outside_texts(answer, BLOCK_END):
        if end > start:
            yield answer[start : end + 2]
        start = end + len(BLOCK_END)
    if answer[start:].strip():
        yield answer[start:]


def _end_of_line(block: bytes) -> int:
    return next(_outside_texts(block, b"\r\n"), len(block))


def _outside_texts(content: bytes, mark: bytes) -> Iterator[int]:
    """Yield where a mark stands outside of quoted texts."""
    quotes = begin = 0
    while (at := content.find(mark, begin)) >= 0:
        quotes += content.count(b'"', begin, at)
        if quotes % 2 == 0:
            yield at
        begin = at + len(mark)


def _series(header: list[str], rows: bytes) -> Iterator[Series]:
    if not rows.strip():
        return
    positions = [str(position) for position in range(len(header))]
    place = {name: positions[at] for at, name in reversed(list(enumerate(header))) if at >= len(FIRST)}
    tags = {name: at for name, at in place.items() if name not in ("_time", "_value", "_field")}
    table = arrow_csv.read_csv(
        io.BytesIO(rows),
        read_options=arrow_csv.ReadOptions(column_names=positions, block_size=max(LONGEST_LINE, 1)),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=b'"' in rows),
        convert_options=arrow_csv.ConvertOptions(
            include_columns=["2", place["_time"], place["_value"], place["_field"], *tags.values()],
            column_types={
                "2": pa.int64(),
                place["_time"]: pa.timestamp("ns", tz="UTC"),
                place["_value"]: pa.string(),
                **dict.fromkeys([place["_field"], *tags.values()], DICTIONARY),
            },
        ),
    ).combine_chunks()
    _, first = np.unique(table["2"].to_numpy(), return_index=True)
    first = np.sort(first)
    time_ns = table[place["_time"]].cast(pa.int64()).to_numpy()
    for begin, end in zip(first.tolist(), [*first[1:].tolist(), len(table)], strict=True):
        named = {name: table[at][begin].as_py() for name, at in tags.items()}
        yield Series(
            {name: value for name, value in named.items() if value},
            table[place["_field"]][begin].as_py(),
            time_ns[begin:end],
            table[place["_value"]].chunk(0).slice(begin, end - begin),
        )
