"""Read rows from the points of windows, see `window_points`: as their text arrives, and without a loop over points or rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pratique.store import row_keys
from pratique.store.influxdb import answer, window_points, window_values
from pratique.store.influxdb.window_points import NUMBERS
from pratique.store.rows import DICTIONARY, READ_SCHEMA

TYPES = {
    "_time": pa.timestamp("ns", tz="UTC"),
    "_value": pa.string(),
    "_field": DICTIONARY,
    **dict.fromkeys(window_points.TAGS, DICTIONARY),
}
AHEAD = NUMBERS // 10
"""How far the number of a write may be beyond that of the mark: of two writers at the same time, one may have the mark, and the other the greater number."""
_WRITE, _WRITER = "write", "writer"
_WINDOW = ("window", "revision", "source")
_NAMES = ("revision", "source", _WRITER)
Ints = npt.NDArray[np.int64]


def rows(pieces: Iterator[bytes], name: str, newest: Mapping[str, int]) -> pa.Table:
    """Return the rows of an answer for one service with READ_SCHEMA. name: the store, for messages. newest: see `latest`.

    Raises: as `answer.rows`.
    """
    found = answer.tables(pieces, TYPES, unpacked, name)
    return latest(pa.concat_tables(found).unify_dictionaries(), newest) if found else READ_SCHEMA.empty_table()


def rows_of(points: pa.RecordBatch, newest: Mapping[str, int]) -> pa.Table:
    """Return the rows of points of one service, whose columns are TYPES, with READ_SCHEMA. newest: see `latest`. Raises: as `unpacked`."""
    return latest(unpacked(points), newest) if len(points) else READ_SCHEMA.empty_table()


def unpacked(points: pa.RecordBatch) -> pa.Table:
    """Return the rows of some points: READ_SCHEMA, and the number and the writer of their write. Raises: ValueError, errors of Arrow."""
    rows, point = window_values.rows(points["_value"])
    ns = np.asarray(points["_time"].cast(pa.int64()))[point]
    columns = {name: rows[name] for name in rows.column_names}
    columns["window"] = pa.chunked_array([pa.array(ns // NUMBERS).view(pa.timestamp("ms", tz="UTC"))])
    for name in window_points.TAGS:
        of_points = points[name]
        of_rows = pa.DictionaryArray.from_arrays(np.asarray(of_points.indices)[point], of_points.dictionary)
        columns[name] = answer.decoded_names(pa.chunked_array([of_rows]))
    found = pa.Table.from_arrays([columns[field.name] for field in READ_SCHEMA], schema=READ_SCHEMA)
    return found.append_column(_WRITE, pa.array(ns % NUMBERS)).append_column(_WRITER, _writers(points["_field"], point))


def _writers(fields: pa.DictionaryArray, point: Ints) -> pa.DictionaryArray:
    """The writer of each row, from the names of fields."""
    names = [field.rpartition("_")[0] for field in fields.dictionary.to_pylist()]
    writers, at = np.unique(np.array(names, object), return_inverse=True)
    of_points = at.astype(np.int32)[np.asarray(fields.indices)]
    return pa.DictionaryArray.from_arrays(of_points[point], pa.array(writers, pa.string()))


def latest(table: pa.Table, newest: Mapping[str, int]) -> pa.Table:
    """Return the rows without those that a later write of their window replaced. table: of one service, as `unpacked` gives them.

    newest: the number of the last write of each source, by its mark. Of two writes with the same number, either may be the later one.
    """
    rows = table.drop_columns([_WRITE, _WRITER])
    first = np.flatnonzero(_begins_a_write(table))
    heads = table.take(pa.array(first))
    (code,), (writer,) = row_keys.codes([heads], _WINDOW), row_keys.codes([heads], [_WRITER])
    _, window = np.unique(code, return_inverse=True)
    order = -_age(heads, newest) * (int(writer.max()) + 1) + writer
    low, high = (_of_each(of, window, order) for of in (np.minimum, np.maximum))
    lengths = np.diff(first, append=table.num_rows)
    written_again = np.repeat((low < high)[window], lengths)
    if not written_again.any():
        return rows
    by_write = np.argsort(np.repeat(order, lengths)[written_again], kind="stable")
    again = rows.filter(pa.array(written_again)).take(pa.array(by_write))
    (code,) = row_keys.codes([again])
    return pa.concat_tables([rows.filter(pa.array(~written_again)), again.take(pa.array(row_keys.last_of_each(code)))])


def _begins_a_write(table: pa.Table) -> npt.NDArray[np.bool_]:
    """Whether a row is the first one of the rows of a write in a window; fields of a point may count as writes."""
    begins = np.ones(table.num_rows, bool)
    names = [np.concatenate([np.asarray(chunk.indices) for chunk in table[name].chunks]) for name in _NAMES]
    parts = [np.asarray(table[_WRITE]), np.asarray(table["window"].cast(pa.int64())), *names]
    begins[1:] = np.logical_or.reduce([part[1:] != part[:-1] for part in parts])
    return begins


def _age(heads: pa.Table, newest: Mapping[str, int]) -> Ints:
    """How many writes of its source came after each write, and AHEAD: numbers start again at 0."""
    sources = heads["source"].combine_chunks()
    last = np.array([newest.get(name, 0) % NUMBERS for name in sources.dictionary.to_pylist()], np.int64)
    return np.asarray((last[np.asarray(sources.indices)] + AHEAD - np.asarray(heads[_WRITE])) % NUMBERS)


def _of_each(of: np.ufunc, window: Ints, values: Ints) -> Ints:
    """The least or greatest value of each window."""
    found = values[np.unique(window, return_index=True)[1]]
    of.at(found, window, values)
    return found
