"""Reports that run at the same time all succeed: kernels do not share ports, writers do not share files."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pratique.config import Config, StoreSettings
from pratique.report import write_report
from pratique.store import open_store
from support.report_samples import START, sample_rollups

pytestmark = pytest.mark.kernel

AT_ONCE = 6
ROUNDS = 2


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    url = str(tmp_path_factory.mktemp("parallel") / "store")
    open_store(url).write(sample_rollups(minutes=10, rate=10.0, history=5))
    return url


REPORTS = """
import sys
from datetime import datetime
from pathlib import Path
from pratique.config import load
from pratique.report import write_report
for _ in range(int(sys.argv[4])):
    config, start = load(None, store=sys.argv[1]), datetime.fromisoformat(sys.argv[2])
    print(write_report(config, "shop", "r2", "r3", start=start, out_dir=Path(sys.argv[3])).json)
"""


@pytest.mark.slow
def test_6_reports_at_the_same_time_succeed_twice(store, tmp_path):
    """Each report in its own process, as a scheduler runs them; half of them write the same files."""
    folders = [tmp_path / ("same" if number % 2 else f"own{number}") for number in range(AT_ONCE)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", REPORTS, store, START.isoformat(), folder, str(ROUNDS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    said = [process.communicate(timeout=280) for process in running]
    assert [errors[-500:] for _, errors in said if errors] == []
    assert [len(written.split()) for written, _ in said] == [ROUNDS] * AT_ONCE
    for folder in folders:
        assert {path.suffix for path in folder.iterdir()} == {".html", ".json", ".ipynb"}, "an unfinished file was left"
        assert all(json.loads(path.read_text())["service"] == "shop" for path in folder.glob("*.json"))


def test_reports_in_threads_of_one_process_succeed(store, tmp_path):
    config = Config(store=StoreSettings(url=store), state=str(tmp_path))
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda n: write_report(config, "shop", "r2", "r3", start=START, out_dir=tmp_path / str(n)), range(4)
            )
        )
    assert all(json.loads(paths.json.read_text())["canary"] == "r3" for paths in found)
    assert time.monotonic() - began < 120
