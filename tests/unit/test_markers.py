"""The markers of the suite: fixtures bring them, and a test without one cannot start its program."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from support.markers import FIXTURES, PROGRAMS, REAL, UNMARKED, started_by

ROOT = Path(__file__).parents[2]
STUBBED = {program: marker for marker, programs in PROGRAMS.items() for program in programs if "/" not in program}


@pytest.mark.parametrize("program", STUBBED)
def test_a_program_does_not_start_without_its_marker(program):
    if shutil.which(program) is None:
        return  # there is nothing to guard
    done = subprocess.run([program, "serve"], capture_output=True, text=True, check=False)
    assert done.returncode == UNMARKED
    assert f"pytest.mark.{STUBBED[program]}" in done.stderr


@pytest.mark.parametrize("command", ["collect", "balancer", "up"])
def test_a_server_does_not_start_without_its_marker(command):
    with pytest.raises(AssertionError, match=r"mark it with pytest\.mark\.server"):
        subprocess.run([sys.executable, "-m", "pratique.cli", command, "shop"], check=False)


def test_a_kernel_does_not_start_without_its_marker():
    with pytest.raises(AssertionError, match=r"mark it with pytest\.mark\.kernel"):
        subprocess.Popen([sys.executable, "-m", "ipykernel_launcher", "-f", "connection.json"])


@pytest.mark.parametrize(
    ("command", "marker"),
    [
        ([sys.executable, "-m", "pratique.cli", "--help"], ""),
        ([sys.executable, "-m", "pratique.cli", "collect"], "server"),
        (["/venv/bin/pratique", "up", "shop"], "server"),
        ([Path("/venv/bin/pratique"), "compare", "shop"], ""),
        ([sys.executable, "-m", "pratique.runtime.supervise", "r1"], "server"),
        ("pratique", ""),
    ],
)
def test_a_command_is_known_by_its_words(command, marker):
    assert started_by(command) == marker


def test_a_fixture_brings_the_marker_of_its_program():
    assert set(FIXTURES.values()) <= set(PROGRAMS)


def test_every_marker_is_described_in_pyproject():
    described = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    assert {line.partition(":")[0] for line in described} == {*REAL, "slow", "fast"}


def test_this_test_is_fast(request):
    assert request.node.get_closest_marker("fast")
    assert not any(request.node.get_closest_marker(marker) for marker in (*REAL, "slow"))
