"""Where the commit of a revision is taken from."""

import subprocess

import pytest

from pratique.release.commit import CommitOf, find_commit


@pytest.fixture
def repository(tmp_path):
    def git(*words):
        name = ["-c", "user.name=ann", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *name, *words], check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    git("tag", "-a", "v1", "-m", "first")
    git("commit", "-q", "--allow-empty", "-m", "two")
    return tmp_path, git("rev-parse", "v1^{commit}"), git("rev-parse", "HEAD")


def test_a_given_commit_wins(repository):
    folder, _first, second = repository
    assert find_commit("v1", folder, second[:10]) == CommitOf(second, "parameter")


def test_a_given_commit_that_git_does_not_know_is_kept(repository):
    assert find_commit("v1", repository[0], "abcdef0123") == CommitOf("abcdef0123", "parameter")


def test_a_revision_named_by_its_commit(repository):
    folder, _first, second = repository
    assert find_commit(second[:12], folder) == CommitOf(second, "revision")


def test_a_revision_named_by_a_tag(repository):
    folder, first, _ = repository
    assert find_commit("v1", folder) == CommitOf(first, "tag")


@pytest.mark.parametrize("revision", ["r9", "HEAD", "../x", "0123456789"])
def test_anything_else_is_unknown(repository, revision):
    assert find_commit(revision, repository[0]) == CommitOf("", "")


def test_a_folder_without_a_repository_is_unknown(tmp_path):
    assert find_commit("v1", tmp_path) == CommitOf("", "")
