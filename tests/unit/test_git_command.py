"""Git reads a repository, and runs nothing that the repository names."""

import subprocess

import pytest

from pratique.errors import DataError, MissingError
from pratique.git_command import git


@pytest.fixture
def repository(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_it_prints_what_git_says(repository):
    assert git(repository, "rev-parse", "--is-inside-work-tree").strip() == "true"


def test_an_error_is_one_line_with_the_folder(tmp_path):
    with pytest.raises(DataError, match=r"git log in '.*' failed: fatal: not a git repository.*: check the repository"):
        git(tmp_path, "log")


def test_no_program_of_the_repository_runs(repository):
    made = repository / "made"
    program = repository / "program"
    program.write_text(f"#!/bin/sh\ntouch {made}\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand"):
        subprocess.run(["git", "-C", str(repository), "config", name, str(program)], check=True)
    git(repository, "status", "--short")
    assert not made.exists()


def test_the_variables_of_a_hook_name_no_other_repository(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git(repository, "rev-parse", "--git-dir").strip() == ".git"


def test_a_missing_git_is_said(repository, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingError, match="git is not installed"):
        git(repository, "log")
