"""Flux's raw answer becomes series, whatever texts it holds."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import DataError
from pratique.store.points.answer import records, series_of, tables

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)


def answer(*found):
    """An answer as InfluxDB writes it: a header wherever the columns change. found: (tags, field, [(time, value)])."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    for number, (tags, field, rows) in enumerate(found):
        writer.writerow(["", "result", "table", "_time", "_value", "_field", *tags])
        for time, value in rows:
            # Go writes line ends within a text like those of rows
            writer.writerow(["", "_result", number, time, _go(value), field, *map(_go, tags.values())])
        text.write("\r\n")
    return text.getvalue().encode()


def _go(text):
    return text.replace("\r", "").replace("\n", "\r\n")


def read(found):
    return [
        (dict(one.tags), one.field, one.time_ns.tolist(), one.values.to_pylist()) for one in series_of(found, "store")
    ]


def test_every_combination_of_tags_and_field_is_a_series():
    found = answer(
        (
            {"host": "a", "sv": "r1"},
            "http_response.2xx",
            [("1970-01-01T00:00:01Z", "5"), ("1970-01-01T00:00:02.000000001Z", "7")],
        ),
        ({"host": "a"}, "up", [("1970-01-01T00:00:01.5Z", "true")]),
    )
    assert read(found) == [
        ({"host": "a", "sv": "r1"}, "http_response.2xx", [1_000_000_000, 2_000_000_001], ["5", "7"]),
        ({"host": "a"}, "up", [1_500_000_000], ["true"]),
    ]


def test_series_under_one_header_are_told_apart_by_their_table():
    header = b",result,table,_time,_value,_field,sv\r\n"
    row = ",_result,{},1970-01-01T00:00:0{}Z,{},n,{}\r\n".format
    found = header + "".join([row(0, 1, 1, "a"), row(0, 2, 2, "a"), row(1, 1, 3, "b")]).encode() + b"\r\n"
    assert [(one.tags["sv"], one.values.to_pylist()) for one in series_of(found, "store")] == [
        ("a", ["1", "2"]),
        ("b", ["3"]),
    ]


@pytest.mark.parametrize("nothing", [b"", b"\r\n", b"\r\n\r\n"])
def test_an_answer_without_rows_has_no_series(nothing):
    assert read(nothing) == []


def test_tags_may_be_named_like_the_columns_of_an_answer():
    assert read(answer(({"result": "x", "table": "y"}, "n", [("1970-01-01T00:00:00Z", "1")])))[0][0] == {
        "result": "x",
        "table": "y",
    }


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5))
def test_no_text_breaks_an_answer(texts):
    found = answer(*(({"tag": tag}, "f" + field, [("1970-01-01T00:00:00Z", value)]) for tag, field, value in texts))
    assert [(tags.get("tag", ""), field, values) for tags, field, _, values in read(found)] == [
        (_go(tag), "f" + field, [_go(value)]) for tag, field, value in texts
    ]


def test_an_answer_of_another_form_is_one_line():
    with pytest.raises(DataError, match="its answer has another form") as raised:
        read(b",result,table,_time,_value,_field\r\n,_result,0,yesterday,1,n\r\n\r\n")
    assert "\n" not in str(raised.value)


def test_small_answers_are_records():
    found = b',result,table,_value\r\n,tag,0,host\r\n\r\n,result,table,_value\r\n,field,0,"a\r\n\r\nb"\r\n\r\n'
    assert list(records(found)) == [{"result": "tag", "_value": "host"}, {"result": "field", "_value": "a\r\n\r\nb"}]
    assert len(list(tables(found))) == 2
