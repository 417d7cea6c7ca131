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

    def start(source="a", target="b"):
        command = [sys.executable, "-m", "pratique", "store", "copy", source, target]
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


def kill_and_continue(folder, copy, target):
    """Copy the store "a" of a folder, killed four times; return the output of the run that ends."""
    store = open_store(target)
    chance = random.Random(20261130)
    for _ in range(4):
        before, process = ends(folder), copy(target=target)
        while ends(folder) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.wait()
    out, errors = (last := copy(target=target)).communicate(timeout=120)
    assert last.returncode == 0, errors
    assert content(store, ("shop", "till")) == by_key(ROWS)
    assert "the rest by an earlier run" in out, "the copies were killed too early"
    assert 0 < int(re.search(r"\(([\d,]+) rows", out)[1].replace(",", "")) < len(ROWS)
    assert ends(folder) == {}


def test_killed_copy_continues_and_every_row_is_there_once(tmp_path, copy):
    open_store(str(tmp_path / "a")).write(rollups(*ROWS))
    kill_and_continue(tmp_path, copy, str(tmp_path / "b"))


def test_killed_copy_into_influxdb_continues(tmp_path, copy, influxd):
    open_store(str(tmp_path / "a")).write(rollups(*ROWS))
    kill_and_continue(tmp_path, copy, influxd.address(influxd.new_bucket()))


def test_copy_to_influxdb_and_back_is_the_same(tmp_path, copy, influxd):
    hostile = [
        row(0, action=text, host=text, source=text or "x") for text in ("", "a b,c=d", "\\", '"|> drop()', "é\n")
    ]
    middle = influxd.address(influxd.new_bucket())
    open_store(str(tmp_path / "a")).write(rollups(*ROWS, *hostile))
    for source, target in (("a", middle), (middle, "b")):
        process = copy(source, target)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert content(open_store(str(tmp_path / "b")), ("shop", "till")) == by_key([*ROWS, *hostile])


def test_windows_that_the_bucket_would_drop_are_one_line(tmp_path, copy, influxd):
    open_store(str(tmp_path / "a")).write(rollups(*ROWS))
    process = copy("a", influxd.address(influxd.new_bucket(retention_s=3600)))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 65
    assert "older than the bucket's retention" in errors.splitlines()[-1]
