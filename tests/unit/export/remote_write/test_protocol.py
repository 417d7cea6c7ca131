"""The body of a request, byte by byte and there and back."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.export.remote_write.protocol import Series, decoded, encoded

SERIES = st.builds(
    Series,
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=20), max_size=4),
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.floats(allow_nan=False)), max_size=3).map(tuple),
)


@given(st.lists(SERIES, max_size=4))
def test_series_are_read_back_as_they_were_written(series):
    assert decoded(encoded(series)) == series


def test_the_message_has_the_numbers_of_prometheus_fields():
    body = encoded([Series({"b": "2", "__name__": "n"}, ((1000, 1.0),))])
    message = pa.decompress(body, decompressed_size=body[0], codec="snappy", asbytes=True)
    label = b"\x0a\x0d" + b"\x0a\x08__name__" + b"\x12\x01n"
    other = b"\x0a\x06" + b"\x0a\x01b" + b"\x12\x012"
    sample = b"\x12\x0c" + b"\x09" + b"\x00\x00\x00\x00\x00\x00\xf0\x3f" + b"\x10\xe8\x07"
    inner = label + other + sample
    assert message == b"\x0a" + bytes([len(inner)]) + inner


def test_an_empty_label_is_left_out():
    assert decoded(encoded([Series({"a": "", "b": "x"}, ())])) == [Series({"b": "x"}, ())]


def test_a_message_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="too long"):
        decoded(encoded([Series({"a": "x" * 1000}, ())]), size=100)
