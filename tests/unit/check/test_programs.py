"""Programs are found as the shell finds them, and a missing one is named."""

import sys
from pathlib import Path

import pytest

from pratique.check.programs import find_program, run_on
from pratique.errors import MissingError, UnavailableError


def test_a_program_on_the_path_is_found(tmp_path):
    assert find_program("sh", tmp_path).startswith("sh found at /")


def test_python_is_the_one_that_runs_pratique(tmp_path):
    assert find_program("{python}", tmp_path) == f"{Path(sys.executable).name} found at {sys.executable}"


def test_a_relative_path_is_relative_to_the_folder(tmp_path):
    (tmp_path / "run").write_text("#!/bin/sh\n")
    with pytest.raises(MissingError, match=r"run' is not executable: run chmod \+x"):
        find_program("./run", tmp_path)
    (tmp_path / "run").chmod(0o755)
    assert find_program("./run", tmp_path) == f"run found at {tmp_path}/run"


@pytest.mark.parametrize("word", ["no-such-program", "./nothing", "/no/such/program"])
def test_a_missing_program_is_named(word, tmp_path):
    with pytest.raises(MissingError, match=rf"'{word}' is not installed: install it, or correct the path"):
        find_program(word, tmp_path)


def test_a_host_that_does_not_answer_is_named():
    with pytest.raises(UnavailableError, match=r"^ssh://127\.0\.0\.1:1 cannot be reached over SSH: "):
        run_on("ssh://127.0.0.1:1", ["true"])
