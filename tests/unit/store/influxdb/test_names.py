"""Names as tag values: exact, unambiguous, and harmless in line protocol, deletes and CSV."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pratique.store.influxdb.names import decoded, encoded, in_line

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(NAMES)
@example("")
@example("%")
@example("%25")
@example("\\")
@example('GET /a"b\\')
@example("a\nb\r\0c")
@example('") |> drop() //')
@example("_field")
@example("\u2028\ufeff\u0085")
def test_a_name_is_read_as_it_was_written(name):
    tag = encoded(name)
    assert decoded(tag) == name
    assert tag
    assert tag.isprintable()
    assert not set(tag) & set('"\\\r\n')


@given(NAMES, NAMES)
def test_two_names_have_two_tags(first, second):
    assert (encoded(first) == encoded(second)) == (first == second)


@pytest.mark.parametrize("name", ["GET /cart", "é漢字🚢", "a,b=c d", "it's"])
def test_ordinary_names_stay_readable(name):
    assert encoded(name) == name


@given(NAMES)
def test_a_tag_in_a_line_ends_where_it_ends(name):
    line = in_line(encoded(name))
    assert re.fullmatch(r"(?:[^,= \\]|\\[,= ])+", line)
    assert re.sub(r"\\([,= ])", r"\1", line) == encoded(name)
