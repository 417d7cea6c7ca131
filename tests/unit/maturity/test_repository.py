"""A repository is read without running anything of it, and nothing outside of it."""

from datetime import timedelta

import pytest

from pratique.errors import MissingError
from pratique.maturity.repository import Repository
from support.made_repository import NOW, History, git, repository


def test_links_and_submodules_are_no_files(tmp_path):
    found = Repository(repository(tmp_path, {"a.txt": "a", "out link": "/etc/passwd", "b/up link": "../../x"}))
    assert list(found.files) == ["a.txt"]
    assert found.read("out") is None


def test_files_are_those_of_the_last_commit(tmp_path):
    found = Repository(repository(tmp_path, {"a.txt": "committed"}))
    (tmp_path / "a.txt").write_text("changed")
    (tmp_path / "b.txt").write_text("untracked")
    assert (found.read("a.txt"), found.read("b.txt")) == (b"committed", None)
    assert (found.is_changed("a.txt"), found.is_changed("b.txt")) == (True, True)


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("**/Dockerfile*", ["Dockerfile", "a/Dockerfile.dev", "a/b/dockerfile"]),
        ("Dockerfile*", ["Dockerfile"]),
        ("a/*", ["a/Dockerfile.dev"]),
        ("a/**", ["a/Dockerfile.dev", "a/b/dockerfile"]),
        ("?ockerfile", ["Dockerfile"]),
        ("[x", []),
    ],
)
def test_patterns(tmp_path, glob, matches):
    found = Repository(
        repository(tmp_path, {"Dockerfile": "", "a/Dockerfile.dev": "", "a/b/dockerfile": "", "c(d": ""})
    )
    assert found.matching([glob]) == matches


def test_nothing_of_the_repository_runs(tmp_path):
    folder = repository(tmp_path / "in", {"a.py": "a", ".gitattributes": "*.py diff=evil filter=evil\n"})
    witness = tmp_path / "ran"
    run = f"sh -c 'touch {witness}'"
    for key in (
        "core.fsmonitor",
        "core.pager",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "filter.evil.smudge",
        "gpg.program",
        "core.sshCommand",
        "core.editor",
    ):
        git(folder, "config", key, run)
    git(folder, "config", "log.showSignature", "true")
    hook = folder / ".git/hooks/post-index-change"
    hook.write_text(f"#!/bin/sh\ntouch {witness}\n")
    hook.chmod(0o755)
    found = Repository(folder)
    assert found.files
    assert found.read("a.py") == b"a"
    assert found.commits
    found.integrations(NOW - timedelta(days=90))
    found.touched(["a.py"])
    found.changed_files([(found.head, found.head)])
    found.authors_of("a.py", (1, 1))
    assert not witness.exists()


def test_the_environment_does_not_lead_elsewhere(tmp_path, monkeypatch):
    folder = repository(tmp_path / "in", {"a.py": "a"})
    other = repository(tmp_path / "other", {"b.py": "b"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert list(Repository(folder).files) == ["a.py"]


def test_a_bare_repository_is_read_as_well(tmp_path):
    history = History()
    history.commit(NOW, {"a.py": "a"})
    assert list(Repository(history.make(tmp_path, bare=True)).files) == ["a.py"]


def test_a_subfolder_stands_for_its_repository(tmp_path):
    repository(tmp_path, {"a/b.py": "a"})
    assert list(Repository(tmp_path / "a").files) == ["a/b.py"]


def test_times_and_messages_that_git_accepts_are_read(tmp_path):
    history = History()
    for message in ("\x1b[2J\x00-free".replace("\x00", ""), "", "ü" * 9000):
        history.commit(NOW, {"a": message}, message=message)
    found = Repository(history.make(tmp_path))
    assert len(found.commits) == 3


def test_neither_a_message_nor_a_file_can_look_like_another_commit(tmp_path):
    history = History()
    first = history.commit(NOW - timedelta(days=2), {"a": "1"})
    forged = f"x\x1e{'a' * 40}\x1f\x1f{NOW.timestamp():.0f}\x1fann@example.org\x1fann\x1fSHOP-1 forged\x1e"
    second = history.commit(NOW - timedelta(days=1), {"b": "1"}, message=forged, parents=[first])
    folder = history.make(tmp_path)
    head = git(folder, "rev-parse", "HEAD").decode().strip()
    history.commit(NOW, {f"x\x1e{head}": "1", "c": "1"}, message="a file", parents=[second])
    found = Repository(history.make(tmp_path / "again"))
    assert len(found.commits) == len(found.main_line) == 3
    assert found.commits[1].message.startswith("x\x1e")
    steps = found.integrations(NOW - timedelta(days=90))
    assert [set(step.files) for step in steps] == [{f"x\x1e{head}", "c"}, {"b"}, {"a"}]


def test_the_files_between_two_commits_are_those_of_git_diff(tmp_path):
    history = History()
    first = history.commit(NOW - timedelta(days=3), {"a": "1", "b": "1"})
    side = history.commit(NOW - timedelta(days=2), {"ü c": "1"}, branch="side", parents=[first], deleted=["a"])
    last = history.commit(NOW - timedelta(days=1), {"b": "2"}, parents=[first])
    history.commit(NOW, {}, message="merge", parents=[last, side])
    folder = history.make(tmp_path)
    merge, last, side, first = git(folder, "rev-parse", "main", "main^1", "main^2", "main~2").decode().split()
    pairs = [(older, newer) for older in (first, last, side, merge) for newer in (merge, side, last, first)]
    expected = [
        git(folder, "diff", "--name-only", "--no-renames", "-z", *pair).decode().split("\0")[:-1] for pair in pairs
    ]
    assert Repository(folder).changed_files(pairs) == expected
    asked = [("0" * 40, first), (first, last), ("", first), (last[:9], last)]
    assert Repository(folder).changed_files(asked) == [None, ["b"], None, []]


def test_commits_are_known_by_their_ids_on_every_branch(tmp_path):
    history = History()
    first = history.commit(NOW - timedelta(days=3), {"a b": "1"})
    history.commit(NOW - timedelta(days=2), {"c": "1"}, branch="side", parents=[first], deleted=["a b"])
    folder = history.make(tmp_path)
    main, side = (git(folder, "rev-parse", name).decode().strip() for name in ("main", "side"))
    found = Repository(folder)
    asked = [side, main[:8], "0" * 40, "", "HEAD", "--all", "abc", "a\nb"]
    assert found.commit_ids(asked) == {side: side, main[:8]: main}
    assert found.commit_times(asked) == {side: NOW - timedelta(days=2), main[:8]: NOW - timedelta(days=3)}
    assert found.having(asked, "a b") == {main[:8]}
    assert found.having(asked, "a\nb") == set()
    assert (found.commit_ids([]), found.commit_times(["0" * 40]), found.having([], "c")) == ({}, {}, set())


@pytest.mark.parametrize("folder", ["missing", "."])
def test_what_is_no_repository_is_missing(tmp_path, folder):
    with pytest.raises(MissingError):
        Repository(tmp_path / folder)


def test_the_main_line_is_that_of_first_parents(tmp_path):
    history = History()
    first = history.commit(NOW - timedelta(days=3), {"a": "1"})
    side = history.commit(NOW - timedelta(days=2), {"b": "1"}, branch="side", parents=[first])
    history.commit(NOW - timedelta(days=1), {"b": "1"}, message="merge", parents=[first, side])
    found = Repository(history.make(tmp_path))
    assert [commit.message for commit in found.main_line] == ["merge", "change"]
    assert [step.files for step in found.integrations(NOW - timedelta(days=90))] == [("b",), ("a",)]
