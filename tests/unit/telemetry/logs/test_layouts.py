"""What a hostile line costs: each line of a log is read in a time that grows linearly with its length."""

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.logs import template
from pratique.telemetry.logs.presets import PRESETS

REPEATED = ("a", "[", "[2 ", "a/", "a=", "a ", '"', '\\"', "DEBUG: ", " DEBUG - ", "] ", "1/1 ", "- ", "[x] a/")
LENGTH = 1 << 20
LAYOUTS = [(name, layout) for name, preset in PRESETS.items() for layout in preset.layouts]


# a quadratic expression takes minutes for a line of this length
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("text", REPEATED)
def test_a_line_of_a_megabyte_is_explained_at_once(text):
    line = (text * LENGTH)[:LENGTH]
    for name, layout in LAYOUTS:
        for hostile in (line, f"[x] {line}", f'"{line}" x'):
            assert layout.why_not(hostile), name
            layout.other_kind(hostile)


@given(
    st.lists(
        st.sampled_from((*REPEATED, "GET / HTTP/1.1", "200", "[24/Nov/2026:10:00:00 +0000]", "é")), max_size=30
    ).map(" ".join)
)
@pytest.mark.slow
def test_both_engines_give_the_same_reason(line):
    templates = [layout.template for _, layout in LAYOUTS if getattr(layout, "template", None) is not None]
    reasons = []
    for short in (0, len(line)):
        with mock.patch.object(template, "SHORT", short):
            reasons.append([one.why_not(line) for one in templates])
    assert reasons[0] == reasons[1]
