"""The form for answers: nothing without a person; with one, each row writes maturity/answers.toml."""

from datetime import date

import pytest

from pratique.maturity.load import load_model
from pratique.maturity.review import make_review
from pratique.maturity.sources import Sources
from pratique.widgets.answer_form import STATIC, AnswerForm, answer_questions
from support.made_repository import NOW, git, repository


@pytest.fixture
def review(tmp_path):
    repository(tmp_path, {"Makefile": ""})
    git(tmp_path, "config", "user.name", "Ann")
    return make_review(Sources(load_model(), NOW, folder=tmp_path))


def test_without_a_person_nothing_is_asked(review, tmp_path):
    assert answer_questions(review).text == STATIC
    assert not (tmp_path / "maturity").exists()


@pytest.mark.slow
def test_a_row_writes_its_answer(review, tmp_path):
    form = AnswerForm(review)
    row = form.rows["culture.one-backlog"]
    assert form.who.value == "Ann"
    row.save.click()
    assert row.said.value == "choose an answer first"
    row.answer.value, row.why.value, row.link.value = "yes", "one board", "https://tracker.example/7"
    row.save.click()
    assert row.said.value.startswith("said yes (Ann, until ")
    assert 'link = "https://tracker.example/7"' in (tmp_path / "maturity/answers.toml").read_text()
    assert (
        'item = "culture.one-backlog"\nanswer = "yes"\nwho = "Ann"' in (tmp_path / "maturity/answers.toml").read_text()
    )


def test_a_wrong_answer_is_said_beside_its_row(review, tmp_path):
    row = AnswerForm(review).rows["design.modules"]
    row.answer.value, row.until.value = "yes", date(2999, 1, 1)
    row.save.click()
    assert "for a year at most" in row.said.value
    row.answer.value, row.until.value = "not wanted", None
    row.save.click()
    assert "needs a reason" in row.said.value
    assert not (tmp_path / "maturity/answers.toml").exists()


def test_a_folder_without_git_cannot_be_answered_in(tmp_path, monkeypatch):
    monkeypatch.setattr("pratique.widgets.answer_form.person_is_here", lambda: True)
    found = answer_questions(make_review(Sources(load_model(), NOW, folder=tmp_path)))
    assert "is not a git repository" in found.text
