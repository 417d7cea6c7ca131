"""Read rows from the points of windows, see `window_points`: as their text arrives, and without a loop over points or rows."""

from __future__ import annotations

from collections.abc import Iterator

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
    **dict.fromkeys(window_points.TAGS, DICTIONARY),
}
_WRITE = "write"
_WINDOW = ("window", "revision", "source")
Ints = npt.NDArray[np.int64]


def rows(pieces: Iterator[bytes], name: str) -> pa.Table:
    """Return the rows of an answer for one service with READ_SCHEMA. name: the store, for messages. Raises: as `answer.rows`."""
    found = answer.tables(pieces, TYPES, unpacked, name)
    return latest(pa.concat_tables(found).unify_dictionaries()) if found else READ_SCHEMA.empty_table()


def unpacked(points: pa.RecordBatch) -> pa.Table:
    """Return the rows of some points: those of READ_SCHEMA, and the number of their write. Raises: ValueError, errors of Arrow."""
    rows, point = window_values.rows(points["_value"])
    ns = np.asarray(points["_time"].cast(pa.int64()))[point]
    columns = {name: rows[name] for name in rows.column_names}
    columns["window"] = pa.chunked_array([pa.array(ns // NUMBERS).view(pa.timestamp("ms", tz="UTC"))])
    for name in window_points.TAGS:
        of_points = points[name]
        of_rows = pa.DictionaryArray.from_arrays(np.asarray(of_points.indices)[point], of_points.dictionary)
        columns[name] = answer.decoded_names(pa.chunked_array([of_rows]))
    found = pa.Table.from_arrays([columns[field.name] for field in READ_SCHEMA], schema=READ_SCHEMA)
    return found.append_column(_WRITE, pa.array(ns % NUMBERS))


def latest(table: pa.Table) -> pa.Table:
    """Return the rows without those that a later write of their window replaced. table: of one service, with the numbers of writes."""
    rows, write = table.drop_columns(_WRITE), np.asarray(table[_WRITE])
    first = np.flatnonzero(_begins_a_point(rows, write))
    (code,) = row_keys.codes([rows.take(pa.array(first))], _WINDOW)
    _, window = np.unique(code, return_inverse=True)
    order = _in_order(window, write[first])
    earliest, newest = (_of_each(of, window, order) for of in (np.minimum, np.maximum))
    lengths = np.diff(first, append=len(write))
    written_again = np.repeat((earliest < newest)[window], lengths)
    if not written_again.any():
        return rows
    by_write = np.argsort(np.repeat(order, lengths)[written_again], kind="stable")
    again = rows.filter(pa.array(written_again)).take(pa.array(by_write))
    (code,) = row_keys.codes([again])
    return pa.concat_tables([rows.filter(pa.array(~written_again)), again.take(pa.array(row_keys.last_of_each(code)))])


def _begins_a_point(rows: pa.Table, write: Ints) -> npt.NDArray[np.bool_]:
    """Whether a row is the first one of a point; fields of a point may count as points."""
    begins = np.ones(len(write), bool)
    columns = [np.concatenate([np.asarray(chunk.indices) for chunk in rows[name].chunks]) for name in _WINDOW[1:]]
    parts = [write, np.asarray(rows["window"].cast(pa.int64())), *columns]
    begins[1:] = np.logical_or.reduce([part[1:] != part[:-1] for part in parts])
    return begins


def _in_order(window: Ints, write: Ints) -> Ints:
    """The numbers of writes, such that a later write of a window has a greater one although numbers start again at 0."""
    newest = _of_each(np.maximum, window, write)
    return np.where(newest[window] - write > NUMBERS // 2, write + NUMBERS, write)


def _of_each(of: np.ufunc, window: Ints, values: Ints) -> Ints:
    """The least or greatest value of each window."""
    found = values[np.unique(window, return_index=True)[1]]
    of.at(found, window, values)
    return found
