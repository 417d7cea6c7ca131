"""Encode the keys of rows as integers, to compare and sort millions of rows without Python objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Codes = npt.NDArray[np.int64]

ORDER = ("window", "revision", "action", "code", "host", "source")
"""KEY within one service, in storage order: time first, so a time range is contiguous."""

_LIMIT = 1 << 62


def codes(tables: Sequence[pa.Table], order: Sequence[str] = ORDER) -> list[Codes]:
    """Return a number for each row; numbers compare as the keys do. order: the parts of the key; by default tables have one service.

    The numbers of one call are comparable across its tables only.
    """
    total = np.zeros(sum(table.num_rows for table in tables), dtype=np.int64)
    span = 1
    for name in order:
        digits, size = _digits([chunk for table in tables for chunk in table[name].chunks])
        if size == 1:
            continue
        if span * size >= _LIMIT:
            distinct, total = np.unique(total, return_inverse=True)
            span = len(distinct)
        total = total * size + digits
        span *= size
    ends = np.cumsum([table.num_rows for table in tables])
    return np.split(total, ends[:-1])


def rising(code: Codes) -> bool:
    """Whether rows are sorted by key, each key once."""
    return bool(np.all(code[1:] > code[:-1]))


def among(code: Codes, rising_keys: Codes) -> npt.NDArray[np.bool_]:
    """Return which numbers are among sorted others; for millions much quicker than hashing."""
    if not len(rising_keys):
        return np.zeros(len(code), dtype=bool)
    position = np.minimum(np.searchsorted(rising_keys, code), len(rising_keys) - 1)
    return np.asarray(rising_keys[position] == code)


def last_of_each(code: Codes) -> npt.NDArray[np.intp]:
    """Return the positions of the last row of each key, sorted by key."""
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    last = np.ones(len(order), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=last[:-1])
    return order[last]


def _digits(chunks: list[pa.Array]) -> tuple[Codes, int]:
    """The values of a column as numbers from 0 in the order of the values, and an upper bound of the numbers."""
    if not sum(len(chunk) for chunk in chunks):
        return np.zeros(0, dtype=np.int64), 1
    if pa.types.is_string(chunks[0].type) or pa.types.is_dictionary(chunks[0].type):
        return _string_digits(chunks)
    numbers = np.concatenate([_integers(chunk) for chunk in chunks])
    numbers = numbers - numbers.min()
    step = max(int(np.gcd.reduce(numbers)), 1)
    if step > 1:
        numbers //= step
    return numbers, int(numbers.max()) + 1


def _integers(chunk: pa.Array) -> Codes:
    if pa.types.is_timestamp(chunk.type):
        chunk = chunk.cast(pa.timestamp("us", tz="UTC")).view(pa.int64())
    return np.asarray(chunk).astype(np.int64)


def _string_digits(chunks: list[pa.Array]) -> tuple[Codes, int]:
    encoded = pa.chunked_array([_encoded(chunk) for chunk in chunks if len(chunk)]).unify_dictionaries()
    values = encoded.chunk(0).dictionary
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.asarray(pc.sort_indices(values))] = np.arange(len(values))
    return np.concatenate([rank[np.asarray(chunk.indices)] for chunk in encoded.chunks]), len(values)


def _encoded(chunk: pa.Array) -> pa.DictionaryArray:
    if pa.types.is_dictionary(chunk.type):
        return chunk
    return chunk.dictionary_encode()
