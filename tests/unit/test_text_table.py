"""Aligned columns."""

import pytest

from pratique.text_table import aligned


def test_columns_begin_at_the_same_place_and_lines_have_no_blanks_at_their_end():
    assert aligned([("a", "long cell", "x"), ("longer", "b", "")]) == ["a       long cell  x", "longer  b"]


def test_no_row_is_no_line():
    assert aligned([]) == []


def test_rows_of_other_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        aligned([("a", "b"), ("c",)])
