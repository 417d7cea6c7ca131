"""The rows in a field of a point of `window_points`, in the form that is read faster for their number.

Few rows are text, which is read without a loop over the points: each row is "action code host packed", with FIELD_END between them and
ROW_END at its end. More rows are the stream of Arrow: its size, a space, and the stream compressed, in base64.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, ipc

from pratique.store.influxdb import answer, lines
from pratique.store.influxdb.names import encoded
from pratique.store.rows import DICTIONARY, READ_SCHEMA

Ints = npt.NDArray[np.int64]

FIELD_END, ROW_END = "\x1f", "\x1e"
"""No name has them: `names.encoded` encodes all characters that are not printable."""
LONG_TEXT = 8_000
"""Bytes from which the stream of Arrow is read faster than text."""
LARGEST = 1 << 24
"""More bytes than the stream of a field can have."""
CODEC = "zstd"
_ONE_THREAD = ipc.IpcReadOptions(use_threads=False)
_SCHEMA = pa.schema(
    [READ_SCHEMA.field(name) for name in ("action", "code", "host", "window_s", "n", "sum_ms", "bucket", "count")]
)
_TEXT = {"action": DICTIONARY, "code": DICTIONARY, "host": DICTIONARY, lines.PACKED: pa.string()}


def texts(table: pa.Table) -> pa.Array:
    """Return each row with READ_SCHEMA as text."""
    action, host = (_names(table[name].combine_chunks()) for name in ("action", "host"))
    code, end = table["code"].combine_chunks().cast(pa.string()), pa.scalar(FIELD_END)
    return pc.binary_join_element_wise(
        action, end, code, end, host, end, lines.packed(table), pa.scalar(ROW_END), ""
    )  # fmt: skip


def values(table: pa.Table, text: pa.Array, firsts: Ints) -> pa.Array:
    """Return the values of fields. text: of each row. firsts: the first row of each field."""
    ends = np.append(firsts[1:], len(text))
    offsets = pa.array(np.append(firsts, len(text)).astype(np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, text), "")
    long = np.flatnonzero(np.asarray(pc.binary_length(joined)) >= LONG_TEXT)
    if not len(long):
        return joined
    found = joined.to_pylist()
    for at in long:
        found[at] = _stream(table.slice(firsts[at], ends[at] - firsts[at]))
    return pa.array(found, pa.string())


def rows(fields: pa.StringArray) -> tuple[pa.Table, Ints]:
    """Return the rows of fields, without what their points tell, and the number of the field of each row.

    Raises: ValueError, errors of Arrow for values of another form.
    """
    is_text = np.asarray(pc.ends_with(fields, ROW_END), bool)
    short, long = np.flatnonzero(is_text), np.flatnonzero(~is_text)
    table, counts = _of_text(fields.take(pa.array(short)))
    tables = [table, *[_of_stream(fields[int(at)].as_buffer().to_pybytes()) for at in long]]
    counts = np.concatenate([counts, [part.num_rows for part in tables[1:]]]).astype(np.int64)
    found = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    return found, np.repeat(np.concatenate([short, long]), counts)


def _of_text(fields: pa.StringArray) -> tuple[pa.Table, Ints]:
    """The rows of fields, and the number of rows of each."""
    if not len(fields):
        return _SCHEMA.empty_table(), np.zeros(0, np.int64)
    offsets = np.frombuffer(fields.buffers()[1], np.int32)[fields.offset : fields.offset + len(fields) + 1]
    text = np.frombuffer(fields.buffers()[2], np.uint8)[offsets[0] : offsets[-1]].copy()
    breaks = np.flatnonzero(text == ord(ROW_END))
    text[breaks] = ord("\n")
    table = csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=csv.ReadOptions(column_names=list(_TEXT), use_threads=False, block_size=len(text) + 1),
        parse_options=csv.ParseOptions(delimiter=FIELD_END, quote_char=False),
        convert_options=csv.ConvertOptions(column_types=_TEXT),
    )
    if table.num_rows != len(breaks):
        raise ValueError("a field with a row of another form")
    columns = answer.unpacked(table[lines.PACKED])
    columns |= {name: answer.decoded_names(table[name]) for name in ("action", "host")}
    columns["code"] = answer.numbers(table["code"])
    found = pa.Table.from_arrays([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)
    return found, np.diff(np.searchsorted(breaks, offsets[1:] - offsets[0]), prepend=0)


def _of_stream(value: bytes) -> pa.Table:
    size, _, packed = value.partition(b" ")
    if not size.isdigit() or int(size) > LARGEST:
        raise ValueError("a field of another form")
    try:
        raw = pa.decompress(binascii.a2b_base64(packed), int(size), CODEC)
        with ipc.open_stream(raw, options=_ONE_THREAD) as stream:
            if not stream.schema.equals(_SCHEMA):
                raise ValueError("a field with other columns")
            return stream.read_all()
    except OSError as error:
        raise ValueError(f"a field that cannot be unpacked: {error}") from error


def _stream(rows: pa.Table) -> str:
    columns = [_own_names(rows[field.name].combine_chunks()) for field in _SCHEMA]
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, _SCHEMA) as stream:
        stream.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    raw = sink.getvalue()
    return f"{raw.size} {base64.b64encode(pa.compress(raw, CODEC, asbytes=True)).decode()}"


def _own_names(column: pa.Array) -> pa.Array:
    """A column with no names in its dictionary but those of its rows."""
    return column.cast(pa.string()).dictionary_encode() if pa.types.is_dictionary(column.type) else column


def _names(column: pa.DictionaryArray) -> pa.Array:
    return pa.array([encoded(name) for name in column.dictionary.to_pylist()], pa.string()).take(column.indices)
