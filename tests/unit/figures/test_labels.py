"""Text from a log line is safe and short when it is shown."""

import html
import unicodedata

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
