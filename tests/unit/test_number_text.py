"""Numbers are written the same way everywhere, and never say more than is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique import number_text


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (2.94, "2.9x"),
        (1.0, "1.0x"),
        (0.97, "0.97x"),
        (0.064, "0.064x"),
        (11.2, "11x"),
        (9.97, "10x"),
        (20.1, "> 20x"),
        (0.0, "0x"),
        (0.0498, "below 0.05x"),
        (math.inf, "∞"),
        (math.nan, "unknown"),
        (None, "unknown"),
    ],
)
def test_a_ratio_has_two_digits_or_says_why_not(ratio, shown):
    assert number_text.factor(ratio) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0153, "1.5 %"), (0.00031, "0.031 %"), (0.0, "0 %"), (1.0, "100 %"), (0.99996, "99.996 %"), (0.996, "99.6 %")],
)
def test_a_share_is_formatted_as_percent(share, shown):
    assert number_text.percent(share) == shown


@pytest.mark.parametrize(
    ("shares", "shown"),
    [
        ((0.29, 0.003), ("29 %", "0.30 %")),
        ((0.85, 0.38), ("85 %", "38 %")),
        ((1.0, 0.0), ("100 %", "none")),
        ((0.0012, 0.0003), ("12 in 10,000", "3.0 in 10,000")),
        ((0.00003, 0.000001), ("30 in 1,000,000", "1.0 in 1,000,000")),
        ((0.0151, 0.0149), ("1.51 %", "1.49 %")),
        ((0.0, 0.0), ("none", "none")),
    ],
)
def test_two_shares_are_written_in_one_unit_and_differ_where_they_differ(shares, shown):
    assert number_text.two_shares(*shares) == shown


@given(st.floats(0, 1), st.floats(0, 1))
def test_two_shares_are_short_and_only_a_whole_is_100_percent(one, other):
    for share, text in zip((one, other), number_text.two_shares(one, other), strict=True):
        assert len(text) < 30
        assert (share == 0) == (text == "none")
        if text == "100 %":
            assert share > 1 - 1e-7


def test_an_unbounded_interval_says_so():
    assert number_text.interval(1.72, 5.1) == "[1.7, 5.1]"
    assert number_text.interval(None, None) == "[0, ∞]"
    assert number_text.interval(0.0, math.inf) == "[0, ∞]"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.001, "0"),
        (0.051, "0.051"),
        (2.5, "2.5"),
        (99.97, "99"),
        (412.4, "412"),
        (12_345.0, "12,345"),
        (3.14e9, "10^9"),
        (1e304, "10^304"),
        (math.inf, "∞"),
    ],
)
def test_evidence_is_short_and_never_rounded_up_to_enough(value, shown):
    assert number_text.evidence(value) == shown


@pytest.mark.parametrize(
    ("number", "nouns", "shown"),
    [(1, ("guard",), "1 guard"), (0, ("line",), "0 lines"), (1234, ("entry", "entries"), "1,234 entries")],
)
def test_a_count_agrees_with_its_noun(number, nouns, shown):
    assert number_text.plural(number, *nouns) == shown


@pytest.mark.parametrize(("ms", "shown"), [(0.83, "830 µs"), (25.0, "25 ms"), (1234.0, "1.23 s")])
def test_a_duration_has_its_unit(ms, shown):
    assert number_text.duration(ms) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(10, "10 s"), (300, "5 min"), (3600, "1 h"), (129600, "1.5 d")])
def test_a_length_of_time_has_its_unit(seconds, shown):
    assert number_text.span(seconds) == shown
