"""Who wrote an answer, by git: of the repository's own file, and of another one."""

import pytest

from pratique.config import load
from pratique.maturity.answer_authors import author_findings
from pratique.maturity.answers import FILE, AnswerFile
from pratique.maturity.load import load_model
from pratique.maturity.repository import Repository
from pratique.maturity.review import make_review
from pratique.maturity.sources import Sources
from pratique.review import review_team
from support.made_repository import NOW, git

BOB = '[[answers]]\nitem = "culture.one-backlog"\nanswer = "yes"\nwho = "Bob"\ndate = 2026-11-01\n'


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "shop"
    (folder / "maturity").mkdir(parents=True)
    git(folder, "init", "-q")
    return folder


def committed(folder, name, text):
    (folder / name).write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "answers")
    return folder / name


def findings(folder, answers=""):

    return review_team(load(None), repository=folder, answers=str(answers) if answers else "").findings


@pytest.mark.parametrize("where", ["same", "other", "linked"])
def test_another_file_is_checked_like_the_own_one(repository, tmp_path, where, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    home = repository
    if where != "same":
        home = tmp_path / "answers"
        home.mkdir()
        git(home, "init", "-q")
    file = committed(home, "team.toml", BOB)
    if where == "linked":
        (tmp_path / "link.toml").symlink_to(file)
        file = tmp_path / "link.toml"
    (found,) = findings(repository, file)
    assert found == f"{file}: culture.one-backlog: answered by Bob, but git says that another author wrote it"
    (home / "team.toml").write_text(BOB + "# more\n")
    (found,) = findings(repository, file)
    assert "team.toml is not committed in its current form" in found or "link.toml is not" in found


def test_a_file_that_no_repository_has_is_a_finding(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    (tmp_path / "team.toml").write_text(BOB)
    assert findings(repository, tmp_path / "team.toml") == (
        f"{tmp_path / 'team.toml'} is not committed: nobody else can see who answered",
    )


def test_answers_that_are_deleted_and_not_committed_are_a_finding(repository):
    file = committed(repository, FILE, BOB)
    for text in ("", None):
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        (found,) = make_review(Sources(load_model(), NOW, folder=repository)).findings
        assert found.startswith(f"{FILE} is not committed in its current form")


def test_without_answers_there_is_nothing_to_find(repository):
    git(repository, "commit", "-q", "--allow-empty", "-m", "first")

    assert author_findings(Repository(repository), AnswerFile({}), NOW.date()) == []
    assert author_findings(None, AnswerFile({}), NOW.date()) == []
