"""Rows of points of windows: the last write of each row, however long the points are and however the answer is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.store_contract import by_key, key, rollups, row
from pratique.errors import DataError
from pratique.store.influxdb import window_answer, window_points, window_values
from pratique.store.influxdb.window_points import NUMBERS
from pratique.store.rows import READ_SCHEMA, normal
from support.window_points import HEADER, answer_of, points


def read(text, size=1 << 20, newest=()):
    data = text.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return window_answer.rows(iter(pieces), "the store", dict(newest))


def stored(*writes, first=0):
    """What a server has after writes with rising numbers."""
    found = {}
    for number, rows in enumerate(writes, first):
        found |= points(normal(rollups(*rows)), number)
    return found


_row = st.builds(
    row,
    st.integers(0, 3),
    st.sampled_from(["r1", "r,2 é"]),
    n=st.integers(1, 2**60),
    action=st.one_of(st.sampled_from(["a", "b"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=6)),
    host=st.sampled_from(["", "h 1", '"\\\n']),
    source=st.sampled_from(["collector", "import:a"]),
    code=st.sampled_from([200, 503]),
    sum_ms=st.floats(0, 1e300),
    histogram=st.lists(st.tuples(st.integers(-160, 511), st.integers(1, 2**60)), max_size=3),
)
_writes = st.lists(st.lists(_row, min_size=1, max_size=8), min_size=1, max_size=4)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    _writes,
    st.sampled_from([1, 7, 1 << 20]),
    st.sampled_from([0, 100, 1 << 30]),
    st.sampled_from([50, 180_000]),
    st.sampled_from([0, NUMBERS - 2]),
)
def test_the_last_write_of_each_row_is_read(writes, size, long_text, max_field, first):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_values, "LONG_TEXT", long_text)
        patch.setattr(window_points, "MAX_FIELD", max_field)
        newest = dict.fromkeys(["collector", "import:a"], first + len(writes) - 1)
        found = read(answer_of(stored(*writes, first=first)), size, newest)
    assert found.schema == READ_SCHEMA
    rows = found.to_pylist()
    assert len({key(values) for values in rows}) == len(rows), "a key was read twice"
    assert by_key(rows) == by_key([values for write in writes for values in write])


def test_rows_that_a_late_write_did_not_have_stay():
    writes = [row(0, action="a"), row(0, action="b"), row(1)], [row(0, action="a", n=5)]
    assert by_key(read(answer_of(stored(*writes))).to_pylist()) == by_key([writes[0][1], writes[0][2], writes[1][0]])


@pytest.mark.parametrize("text", ["", "\r\n", "\r\n\r\n"])
def test_an_answer_without_points_is_empty(text):
    assert read(text).num_rows == 0
    assert read(text).schema == READ_SCHEMA


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "",
        "\x1e",
        "a\x1f200\x1e",
        "a\x1f200\x1fh\x1f1 1.5 10 7\x1e",
        "a\x1fx\x1fh\x1f1 1.5 10\x1e",
        "a\x1f200\x1fh\x1f1 1.5 10\x1eb",
        "12 !!!!",
        "12 AAAA",
        "99999999999 AAAA",
        "0 ",
    ],
)
def test_points_of_others_are_refused_in_one_line(value):
    text = f"{HEADER}\r\n,_result,0,2026-03-01T23:59:30.000000001Z,{value},rows_w_0,r1,shop,c\r\n\r\n"
    with pytest.raises(DataError, match="not Pratique's") as raised:
        read(text)
    assert "\n" not in str(raised.value)


def test_a_field_that_was_cut_is_refused():
    found = stored([row(0, action=f"GET /{number}") for number in range(500)])
    ((at, fields),) = found.items()
    for end in (100, len(fields["rows_w_0"]) // 2, len(fields["rows_w_0"]) - 4):
        with pytest.raises(DataError, match="not Pratique's"):
            read(answer_of({at: {"rows_w_0": fields["rows_w_0"][:end]}}))
