"""The table of runbooks, with a third runbook of another package that is killed and recovered in every way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from pratique.config import load
from pratique.errors import DataError
from pratique.runbook.engine.journal import Journal
from pratique.runbook.launcher import _subject
from pratique.runbook.recovery import end_abandoned, finish_dead_run, remove_orphans
from pratique.runbook.registry import BUILT_IN, find_runbook, runbook_of_notebook, runbooks
from support.waiting import eventually

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TOY = HERE / "toy_runbook.py"
# the process that executes the notebook: it starts the run, and dies before it
EXECUTOR = "import subprocess, sys; subprocess.run(sys.argv[1:])"


@pytest.fixture
def packages(tmp_path):
    """A folder with the installed package of the toy runbook."""
    folder = tmp_path / "packages"
    info = folder / "toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[pratique.runbooks]\nresize = toy_runbook:RUNBOOK\n")
    (folder / "toy_runbook.py").write_text(TOY.read_text())
    return folder


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text('[services.shop.runtime]\ncommand = ["{python}"]\n')
    return file


@pytest.fixture
def installed(packages, monkeypatch):
    monkeypatch.syspath_prepend(packages)
    yield
    sys.modules.pop("toy_runbook", None)


class Toy:
    """The toy runbook in a process that other processes kill."""

    def __init__(self, config, packages):
        self.config, self.env = config, os.environ | {"PYTHONPATH": str(packages)}
        self.state = load(config).state_dir
        self.marker = config.parent / "marker"

    def command(self, run_id, *stall):
        return [sys.executable, str(TOY), str(self.config), run_id, *map(str, stall)]

    def run(self, run_id):
        return subprocess.run(self.command(run_id), env=self.env, capture_output=True, text=True, check=False)

    def stalled(self, run_id, step="grow"):
        """The process of a run that waits in the middle of a step."""
        process = subprocess.Popen(self.command(run_id, step, self.marker), env=self.env, stdout=subprocess.DEVNULL)
        eventually(self.marker.exists)
        return process

    def killed(self, run_id, step="grow"):
        process = self.stalled(run_id, step)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def files(self, run_id):
        return sorted(path.name.partition("-")[0] for path in self.state.glob(f"*-{run_id}"))

    def folder(self, run_id):
        return self.state / "runs" / run_id

    def events(self, run_id):
        return [(line.event, line.step) for line in Journal.in_folder(self.folder(run_id)).lines()]

    def result(self, run_id):
        file = self.folder(run_id) / "result.json"
        return json.loads(file.read_text()) if file.exists() else None


@pytest.fixture
def toy(config, packages):
    return Toy(config, packages)


@pytest.mark.slow
def test_the_same_run_id_resumes_a_killed_run(toy):
    toy.killed("one")
    assert toy.files("one") == ["grow", "reserve"]
    done = toy.run("one")
    assert done.returncode == 0, done.stderr
    assert "Reserve: already done in run 'one'" in done.stdout
    assert "Grow: grow the file (resuming)" in done.stdout
    assert Journal.in_folder(toy.folder("one")).data("grow")["interrupted_before"] is True
    assert toy.events("one").count(("begun", "reserve")) == 1
    assert toy.result("one")["outcome"] == "promoted"


@pytest.mark.slow
def test_another_run_undoes_a_killed_run(toy):
    toy.killed("one")
    done = toy.run("two")
    assert done.returncode == 0, done.stderr
    assert "crashed; undoing its changes first" in done.stdout
    assert toy.files("one") == []
    assert toy.files("two") == ["grow", "reserve"]
    assert [event for event in toy.events("one") if event[0] == "undone"] == [("undone", "grow"), ("undone", "reserve")]
    assert (toy.result("one")["outcome"], toy.result("two")["outcome"]) == ("failed", "promoted")
    assert toy.result("one")["runbook"] == "resize"


@pytest.mark.slow
def test_the_watchdog_undoes_a_run_whose_executor_died(toy):
    command = toy.command("one", "grow", toy.marker)
    env = toy.env | {"JPY_PARENT_PID": "1"}  # as in a kernel
    executor = subprocess.Popen([sys.executable, "-c", EXECUTOR, *command], env=env, stdout=subprocess.DEVNULL)
    eventually(toy.marker.exists)
    executor.kill()
    executor.wait()
    eventually(lambda: toy.result("one") is not None)
    assert toy.files("one") == []
    assert toy.result("one")["reason"].endswith("the process that executed the notebook died")
    eventually(lambda: toy.events("one")[-1] == ("ended", ""))
    log = (toy.folder("one") / "watchdog.log").read_text()
    assert "undoing: the process that executed the notebook died" in log


@pytest.mark.slow
def test_orphan_removal_ends_a_killed_run(toy, config, installed):
    toy.killed("one")
    engine = SimpleNamespace(list=lambda _: [], exited=lambda _: [], pool=lambda _: None)
    assert remove_orphans(load(config).target("shop"), engine, engine, who="ann") == []
    assert toy.files("one") == []
    assert toy.result("one")["outcome"] == "failed"


@pytest.mark.slow
def test_a_journal_of_an_unknown_runbook_is_an_error_and_nothing_is_changed(toy, config):
    toy.killed("one")
    expected = "run 'one' cannot be ended: runbook 'resize' is not registered here, known are [a-z_, ]*: install"
    with pytest.raises(DataError, match=expected) as raised:
        finish_dead_run(toy.folder("one"), "a test")
    assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match=expected):
        end_abandoned(load(config).state_dir, "shop", "a test")
    assert toy.files("one") == ["grow", "reserve"]
    assert toy.result("one") is None


def test_every_module_finds_a_registered_runbook(installed):
    assert sorted(runbooks()) == sorted([*(runbook.name for runbook in BUILT_IN), "resize"])
    assert find_runbook("resize").notebook == "resize"
    assert runbook_of_notebook("resize").name == "resize"
    assert _subject("resize", {"service": "shop", "revision": "r2"}) == ["shop", "resize", "r2"]
    assert _subject("release", {"service": "shop", "revision": "r2"}) == ["shop", "", "r2"]


def test_a_registered_object_that_is_no_runbook_is_an_error(packages, installed):
    (packages / "toy-1.0.dist-info/entry_points.txt").write_text("[pratique.runbooks]\nresize = toy_runbook:TOY\n")
    with pytest.raises(DataError, match="runbook 'resize' cannot be loaded from 'toy_runbook:TOY'"):
        runbooks()


def test_a_package_that_cannot_be_loaded_does_not_stop_a_rollback(packages, installed):
    (packages / "toy-1.0.dist-info/entry_points.txt").write_text(
        "[pratique.runbooks]\nresize = no_such_module:RUNBOOK\n"
    )
    assert runbook_of_notebook("rollback").name == "rollback"
    assert find_runbook("rollback").notebook == "rollback"


def test_every_notebook_in_runbooks_is_in_the_table():
    assert {runbook.notebook for runbook in BUILT_IN} == {path.stem for path in ROOT.glob("runbooks/*.ipynb")}
