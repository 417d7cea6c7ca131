"""`make test` runs a failed test once more, within its whole time limit, and lists it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE = """
import time
from pathlib import Path
import pytest

RAN = Path(__file__).with_name("ran")

def nth_run(name):
    with RAN.open("a") as ran:
        print(name, file=ran)
    return RAN.read_text().splitlines().count(name)

@pytest.fixture(scope="module")
def server():
    nth_run("server")

@pytest.mark.slow
def test_slow(server):
    assert nth_run("slow") == 2

def test_fast(server):
    assert nth_run("fast") == 2

@pytest.mark.server
def test_broken(server):
    assert nth_run("broken") > 2

@pytest.mark.server
@pytest.mark.timeout(1)
def test_hangs_when_run_again(server):
    assert nth_run("hangs") == 2
    time.sleep(120)
"""


@pytest.mark.slow
def test_a_failed_test_runs_once_more_with_its_time_limit(tmp_path):
    (tmp_path / "test_some.py").write_text(SUITE)
    options = re.search(r"^RERUN := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", tmp_path, "-p", "conftest"),
            *("-n", "1", "--dist", "loadfile", *options, tmp_path),
        ],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT}/tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    ran = (tmp_path / "ran").read_text().splitlines()
    assert {name: ran.count(name) for name in ran} == {"server": 1, "slow": 2, "fast": 2, "broken": 2, "hangs": 2}
    assert "2 failed, 2 passed, 4 rerun" in done.stdout
    assert "Timeout (>1.0s)" in done.stdout
    listed = done.stdout.partition("rerun test summary info")[2]
    assert re.findall(r"^RERUN .*::(\w+)", listed, re.MULTILINE) == [
        "test_slow",
        "test_fast",
        "test_broken",
        "test_hangs_when_run_again",
    ]
