"""Keys as numbers agree with keys as tuples."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.store import row_keys
from pratique.store.row_keys import ORDER, among, codes, last_of_each, rising

TYPES = {
    "window": pa.timestamp("ms", tz="UTC"),
    "revision": pa.string(),
    "action": pa.string(),
    "code": pa.int16(),
    "host": pa.string(),
    "source": pa.string(),
}
_text = st.sampled_from(["", "a", "b", "é", "z" * 40, "漢"])
_key = st.tuples(
    st.datetimes(datetime(1969, 1, 1), datetime(2200, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
    ),
    _text,
    _text,
    st.integers(-(2**15), 2**15 - 1),
    _text,
    _text,
)


def table(rows, encoded=False):
    columns = {}
    for name, values in zip(ORDER, zip(*rows, strict=True) if rows else [()] * len(ORDER), strict=True):
        column = pa.array(values, TYPES[name])
        columns[name] = column.dictionary_encode() if encoded and TYPES[name] == pa.string() else column
    return pa.table(columns)


def in_bytes(key):
    """Strings order by their bytes, as they do in Parquet and Delta."""
    return tuple(part.encode() if isinstance(part, str) else part for part in key)


@given(st.lists(st.lists(_key, max_size=8), min_size=1, max_size=4), st.booleans())
def test_numbers_compare_as_the_keys_do(groups, encoded):
    found = codes([table(rows, encoded) for rows in groups])
    assert [len(part) for part in found] == [len(rows) for rows in groups]
    flat = [in_bytes(key) for rows in groups for key in rows]
    numbers = np.concatenate(found)
    assert [flat[place] for place in np.argsort(numbers, kind="stable")] == sorted(flat)
    assert len(set(numbers.tolist())) == len(set(flat))


@given(st.lists(_key, min_size=1, max_size=12))
def test_keys_of_many_values_are_packed_without_overflow(rows):
    before = codes([table(rows)])[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_keys, "_LIMIT", 1 << 8)
        after = codes([table(rows)])[0]
    assert (np.argsort(before, kind="stable") == np.argsort(after, kind="stable")).all()
    assert len(np.unique(before)) == len(np.unique(after))


@given(st.lists(st.integers(0, 9)))
def test_last_row_of_each_key_is_kept_in_order(numbers):
    code = np.array(numbers, np.int64)
    kept = last_of_each(code)
    last = {number: place for place, number in enumerate(numbers)}
    assert kept.tolist() == [last[number] for number in sorted(last)]
    assert rising(code[kept])


@given(st.lists(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_membership_equals_that_of_a_set(numbers, others):
    found = among(np.array(numbers, np.int64), np.array(sorted(others), np.int64))
    assert found.tolist() == [number in others for number in numbers]


def test_windows_far_apart_fit_into_the_numbers():
    start = datetime(1970, 1, 1, tzinfo=UTC)
    rows = [(start + timedelta(days=36500 * place, milliseconds=place), "r", "a", 200, "h", "s") for place in range(3)]
    assert rising(codes([table(rows)])[0])
