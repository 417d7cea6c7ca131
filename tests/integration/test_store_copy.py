"""A copy that is killed again and again loses no row and doubles none."""

import json
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from contract.store_contract import by_key, content, rollups, row
from pratique.store import open_store

pytestmark = pytest.mark.slow

HOUR = 360
"""Windows in an hour."""
ROWS = [
    row(hour * HOUR + window, revision, n=hour + 1, service=service, histogram=((window, 2),))
    for service in ("shop", "till")
    for revision in ("r1", "r2")
    for hour in range(48)
    for window in range(3)
]


@pytest.fixture
def copy(tmp_path):
    """Start `pratique store copy a b` as a process."""
    started = []

    def start():
        command = [sys.executable, "-m", "pratique", "store", "copy", "a", "b"]
        started.append(
            subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ends(folder):
    """What the file of the position says."""
    for file in (folder / ".pratique" / "copies").glob("*.json"):
        return json.loads(file.read_text())["ends"]
    return {}


def test_killed_copy_continues_and_every_row_is_there_once(tmp_path, copy):
    source, target = open_store(str(tmp_path / "a")), open_store(str(tmp_path / "b"))
    source.write(rollups(*ROWS))
    chance = random.Random(20261130)
    for _ in range(4):
        before, process = ends(tmp_path), copy()
        while ends(tmp_path) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
        there = content(target, ("shop", "till"))
        assert there.items() <= by_key(ROWS).items()
    killed = len(content(target, ("shop", "till")))
    assert 0 < killed < len(ROWS), "the copies were killed too early or too late"
    out, errors = (last := copy()).communicate(timeout=120)
    assert last.returncode == 0, errors
    assert content(target, ("shop", "till")) == by_key(ROWS)
    written = int(re.search(r"\(([\d,]+) rows", out)[1].replace(",", ""))
    assert "the rest by an earlier run" in out
    assert len(ROWS) - killed <= written < len(ROWS)
    assert ends(tmp_path) == {}
