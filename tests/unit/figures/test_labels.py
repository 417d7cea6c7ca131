"""Text from a log line is safe and short when it is shown; numbers are formatted for people."""

import html
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.figures import labels
from support.report_samples import HOSTILE


@given(st.text(max_size=500), st.integers(2, 100))
def test_a_label_has_no_markup_no_control_characters_and_a_limited_length(text, limit):
    label = labels.label(text, limit)
    assert not set(label) & set("<>\n\r\t")
    assert len(html.unescape(label)) <= limit
    assert all(unicodedata.category(char)[0] != "C" for char in label)


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=40))
def test_short_clean_text_is_unchanged(text):
    assert html.unescape(labels.label(text, 60)) == text


def test_10_kilobytes_become_one_short_line():
    shown = labels.plain("GET /" + "x\n" * 10_000, 40)
    assert len(shown) <= 40
    assert shown.endswith("…")


def test_direction_marks_are_removed():
    assert "\u202e" not in labels.label(HOSTILE[-1])


@pytest.mark.parametrize(
    ("ratio", "shown"),
    [
        (2.94, "2.9x"),
        (1.0, "1.0x"),
        (0.034, "0.034x"),
        (11.2, "11x"),
        (9.97, "10x"),
        (math.inf, "∞"),
        (None, "too few"),
    ],
)
def test_a_ratio_has_two_digits(ratio, shown):
    assert labels.factor(ratio) == shown


@pytest.mark.parametrize(("share", "shown"), [(0.0153, "1.5 %"), (0.00031, "0.031 %"), (0.0, "0 %"), (1.0, "100 %")])
def test_a_share_is_formatted_as_percent(share, shown):
    assert labels.percent(share) == shown


def test_an_unbounded_interval_says_so():
    assert labels.interval(1.72, 5.1) == "[1.7, 5.1]"
    assert labels.interval(None, None) == "[0, ∞]"
    assert labels.interval(0.0, math.inf) == "[0.0, ∞]"


@pytest.mark.parametrize(
    ("value", "shown"), [(412.3, "412"), (3.14e9, "3.1e9"), (0.001, "<0.01"), (2.5, "2.5"), (math.inf, "∞")]
)
def test_an_e_value_is_short(value, shown):
    assert labels.e_value_text(value) == shown


@pytest.mark.parametrize(("ms", "shown"), [(0.83, "830 µs"), (25.0, "25 ms"), (1234.0, "1.23 s")])
def test_a_duration_has_its_unit(ms, shown):
    assert labels.duration(ms) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(10, "10 s"), (300, "5 min"), (3600, "1 h"), (129600, "1.5 d")])
def test_a_length_of_time_has_its_unit(seconds, shown):
    assert labels.span(seconds) == shown
