"""A process that Pratique starts loads nothing from its working folder that hides another module."""

import os
import subprocess
import sys

import pytest

from pratique.isolated import isolated_command

HIDDEN = ("queue", "types", "calendar", "selectors", "click", "runpy", "encodings")


def run(tmp_path, module, *arguments, env=None):
    words = isolated_command(module, *map(str, arguments))
    return subprocess.run(
        words, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | (env or {})
    )


def test_no_file_of_the_working_folder_hides_a_module(tmp_path):
    for name in HIDDEN:
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('mine')\n")
    done = run(tmp_path, "pratique.cli", "--version")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", ["", ".", "{folder}"])
@pytest.mark.slow
def test_a_python_path_that_names_the_working_folder_hides_nothing(tmp_path, path):
    (tmp_path / "click.py").write_text("raise RuntimeError('mine')\n")
    env = {"PYTHONPATH": path.format(folder=tmp_path) + os.pathsep}
    words = [
        sys.executable,
        "-c",
        "import sys; from pratique.isolated import isolated_command as c; print(*c('m'), sep='\\n')",
    ]
    made = subprocess.run(words, cwd="/", capture_output=True, text=True, check=True, env=os.environ | env)
    command = [*made.stdout.splitlines()[:-1], "pratique.cli", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | env)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_module_of_the_working_folder_is_found(tmp_path):
    (tmp_path / "beside.py").write_text("print('found')\n")
    assert "No module named beside" in run(tmp_path, "beside").stderr


def test_the_arguments_are_those_of_the_module(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "beside.py").write_text("import sys\nprint(sys.argv[1:], __name__)\n")
    script = (
        "import sys; from pratique.isolated import isolated_command as c; print(*c('beside', 'a', '-b'), sep='\\n')"
    )
    words = [sys.executable, "-c", script]
    env = os.environ | {"PYTHONPATH": str(folder)}
    made = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True, env=env).stdout.splitlines()
    done = subprocess.run(made, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "['a', '-b'] __main__\n"
