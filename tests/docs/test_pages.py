"""The reader of pages finds blocks, commands and differences."""

import pytest

from support.pages import Block, commands, first_missing


def test_a_command_continues_after_a_backslash_and_within_quotes():
    text = "$ one \\\n    two\nits output\n$ jq '{a,\n  b}' file\n$ three\n"
    found = commands(Block("console", "", text, 10))
    assert [(command.text, command.line, command.output) for command in found] == [
        ("one \\\n    two", 10, ["its output"]),
        ("jq '{a,\n  b}' file", 13, []),
        ("three", 15, []),
    ]


@pytest.mark.parametrize(
    ("shown", "lines", "missing"),
    [
        (["a", "b"], ["a", "b", "c"], None),
        (["a", "c"], ["a", "b", "c"], "c"),
        (["a", "…", "c"], ["a", "b", "c"], None),
        (["v1 … first …"], ["v1  2026  first  root"], None),
        (["v1 … first …"], ["v1  2026  failed  root"], "v1 … first …"),
        (["…", "c"], ["a", "b"], "c"),
        (["…"], [], None),
        (["a"], [], "a"),
        (["a", "b"], ["a", "", "b"], None),
    ],
)
def test_shown_lines_are_compared_in_order_with_gaps_only_where_the_page_has_them(shown, lines, missing):
    assert first_missing(shown, lines) == missing
