"""Rows of an answer, however it is cut into pieces; and points of other programs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.store_contract import by_key, rollups, row
from pratique.errors import DataError
from pratique.store.influxdb import answer, lines
from pratique.store.influxdb.names import encoded
from pratique.store.rows import READ_SCHEMA, normal
from pratique.telemetry.rollups import Rollups

HEADER = "result,table,_time,_value,action,code,host,revision,service,source"


def text_of(*rows):
    """The answer to a read of these rows, as the server gives it."""
    told = [line for request in lines.requests(normal(rollups(*rows))) for line in request.decode().split("\n")]
    packed = [line.partition('hist="')[2].partition('"')[0] for line in told]
    found = []
    for values, hist in zip(rows, packed, strict=True):
        tags = [encoded(str(values[name])) for name in lines.TAGS]
        quoted = [f'"{tag}"' if "," in tag else tag for tag in tags]
        found.append(f"_result,0,{values['window']:%Y-%m-%dT%H:%M:%SZ},{hist},{','.join(quoted)}")
    return "\r\n".join([HEADER, *found]) + "\r\n\r\n"


def read(text, size=1 << 20):
    data = text.encode()
    return answer.rows(iter([data[start : start + size] for start in range(0, len(data), size)]), "the store")


_rows = st.lists(
    st.builds(
        row,
        st.integers(0, 5),
        n=st.integers(1, 2**60),
        action=st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
        sum_ms=st.floats(0, 1e300),
        histogram=st.lists(st.tuples(st.integers(-160, 511), st.integers(1, 2**60)), max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@given(_rows, st.sampled_from([1, 2, 3, 7, 64, 1 << 20]))
def test_rows_are_read_as_they_were_written(rows, size):
    found = Rollups(read(text_of(*rows), size)).table
    assert found.schema == READ_SCHEMA
    assert found.to_pylist() == rows


@pytest.mark.parametrize("text", ["", "\r\n", "\r\n\r\n"])
def test_an_answer_without_rows_is_empty(text):
    assert read(text).num_rows == 0
    assert read(text).schema == READ_SCHEMA


SIZES = pytest.mark.parametrize("size", [1, 5, 1 << 20])


@SIZES
@pytest.mark.parametrize("end", ["", "\r\n", "\r\n\r\n", "error,reference\r\nquery failed,897\r\n"])
def test_blank_lines_and_an_error_after_the_table_are_no_rows(size, end):
    rows = [row(0), row(1)]
    assert by_key(read(text_of(*rows) + end, size).to_pylist()) == by_key(rows)
    assert by_key(read(text_of(*rows) + ",error,reference\r\n,query failed,897\r\n", size).to_pylist()) == by_key(rows)


@SIZES
@pytest.mark.parametrize(
    "second",
    [
        text_of(row(2)),
        text_of(row(2)).replace(",host", ""),
        "result,table,_time,_value\r\n_result,1,2026-03-01T23:59:30Z,1\r\n\r\n",
        "\r\n" + text_of(row(2)),
        "error,other\r\nx,1\r\n",
        text_of(row(2)) + ",error,reference\r\n,query failed,897\r\n",
    ],
)
def test_a_second_table_is_an_error_whose_rows_would_be_missing(size, second):
    with pytest.raises(DataError, match="not Pratique's: points with other tags or fields"):
        read(text_of(row(0), row(1)) + second, size)


@pytest.mark.parametrize(
    "packed", ["", "3", "3 1.5", "3 1.5 10 7", "x 1.5 10", "3 y 10", "3 1.5 10 7 z", "64:3 65:2", "3  1.5 10"]
)
def test_points_of_others_are_refused(packed):
    text = f"{HEADER}\r\n_result,0,2026-03-01T23:59:30Z,{packed},a,200,h,r,s,c\r\n\r\n"
    with pytest.raises(DataError, match="not Pratique's") as raised:
        read(text)
    assert "\n" not in str(raised.value)


def test_an_answer_without_our_columns_is_refused():
    with pytest.raises(DataError, match="not Pratique's"):
        read("result,table,_time,_value\r\n_result,0,2026-03-01T23:59:30Z,1\r\n\r\n")
