"""The panels of a maturity review: everything is in words and signs, and hostile text stays text."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique import figures
from pratique.maturity.load import load_model
from pratique.maturity.review import Change, make_review
from pratique.maturity.sources import Sources
from pratique.report.markup import sanitized
from support.made_repository import NOW, repository

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def review(tmp_path):
    folder = repository(
        tmp_path,
        {
            "Makefile": "",
            f".github/workflows/{HOSTILE.replace('/', '')}.yml": f"on: push\njobs: {{a: {{steps: [{{uses: actions/checkout@v4}}, {{run: 'pytest {HOSTILE}'}}]}}}}\n",
        },
    )
    return make_review(Sources(load_model(), NOW, folder=folder))


def test_the_map_has_a_square_for_each_practice_and_marks_levels_without_colour(review):
    panel = figures.maturity_map(review)
    squares = re.findall(r'<span class="[a-z-]+" title="[\w.-]+">(.)</span>', panel.html)
    assert len(squares) == 78
    assert {"✕", "○", "▨"} <= set(squares)
    assert panel.html.count('<td class="') == 25
    assert "possible</small>" in panel.html
    assert "Culture &amp; Organization" in panel.html
    assert "Culture & Organization: below Base" in panel.text


def test_next_steps_and_questions(review):
    panel = figures.next_steps(review)
    assert panel.html.count("<li><strong>") == 3
    assert "To answer now" in panel.html
    assert "culture.prioritised" in panel.html


def test_the_table_has_every_practice_with_its_place(review):
    panel = figures.item_table(review)
    assert panel.html.count('<th scope="row">') == 78
    assert len(panel.text.splitlines()) == 78
    assert "yml:2" in panel.html


def test_changes_are_those_since_the_review_before(review):
    assert figures.review_changes(review).text == "There is no earlier review to compare with."
    moved = replace(
        review,
        before=NOW - timedelta(days=90),
        changes=(
            Change("test.unit", "▲", "unknown", "met", f"evidence: {HOSTILE}"),
            Change("a.b", "new", "", "met", "new in the model"),
        ),
    )
    panel = figures.review_changes(moved)
    assert "▲ test.unit" in panel.html
    assert "New in the model: 1 practice." in panel.html
    assert "<script" not in panel.html


def test_hostile_text_is_text_and_the_page_keeps_all_of_it(review):
    for draw in (figures.maturity_map, figures.next_steps, figures.item_table, figures.review_changes):
        html = draw(review).html
        assert "<script" not in html
        assert re.sub(r"<[^>]+>", "", sanitized(html)) == re.sub(r"<[^>]+>", "", html)
