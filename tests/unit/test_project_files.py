"""The project's own files agree with one another."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA_NAMES = {"duckdb": "python-duckdb", "redis": "redis-py", "docker": "docker-py"}


def test_environment_yml_lists_the_dependencies_of_pyproject():
    lines = re.findall(
        r"^  - ([a-z][\w-]*(?:>=[\w.]+)?)$",
        (ROOT / "environment.yml").read_text().partition("dependencies:")[2],
        re.MULTILINE,
    )
    wanted = []
    for dependency in PROJECT["project"]["dependencies"]:
        name, _, version = dependency.partition(">=")
        wanted.append(f"{CONDA_NAMES.get(name, name)}>={version}")
    assert sorted(set(lines) - {"pip", "python>=3.11"}) == sorted(wanted)


def test_constraints_pin_every_direct_dependency():
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    extras = PROJECT["project"]["optional-dependencies"]["dev"]
    named = {re.split(r"[>=\[]", name)[0].lower() for name in PROJECT["project"]["dependencies"] + extras}
    assert named <= pinned


def test_no_committed_file_names_a_registry():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile(
        r"https?://(pypi|files\.pythonhosted|registry\.npmjs|deb\.debian|index\.docker)", re.IGNORECASE
    )
    guilty = [
        name for name in names if (ROOT / name).is_file() and pattern.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert guilty == []


def test_every_make_target_says_what_it_does():
    text = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", text, re.MULTILINE)
    assert targets
    assert all(re.search(rf"^{target}:.*## \w", text, re.MULTILINE) for target in targets)
