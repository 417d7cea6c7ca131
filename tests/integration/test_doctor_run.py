"""An examination as a run: killed at each step, it is resumed under its name, and each result is kept once."""

import json
import subprocess
import sys

import pytest

from pratique.outcomes import open_outcomes
from pratique.runbook.runs import list_runs
from pratique.subject_lock import Lock

RUN = """
import os, signal
from pratique import open_doctor
from pratique.runbook.engine.journal import Journal
event_at, step_at = os.environ.get("FAULT_AT", " ").split(" ")
before = Journal.append
def append(self, event, step="", data=None):
    if (event, step) == (event_at, step_at):
        if event == "begun":
            before(self, event, step, data)
        os.kill(os.getpid(), signal.SIGKILL)
    return before(self, event, step, data)
Journal.append = append
session = open_doctor(run_id="look-1", why="a test")
session.examine(), session.keep()
assert session.contradictions() == []
session.record()
"""
MOMENTS = [f"{event} {step}" for step in ("examine", "keep", "record") for event in ("begun", "done")]


@pytest.fixture
def folder(tmp_path):
    """A service file whose only engine does not answer."""
    (tmp_path / "pratique.toml").write_text('[doctor]\nhosts = ["unix:///nowhere/docker.sock"]\ndisk_percent = 100\n')
    return tmp_path


def run(folder, at=" "):
    return subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "FAULT_AT": at},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_is_resumed_and_keeps_each_result_once(folder, moment):
    assert run(folder, moment).returncode == -9
    again = run(folder)
    assert again.returncode == 0, again.stderr
    state = folder / ".pratique"
    result = json.loads((state / "runs/look-1/result.json").read_text())
    assert (result["outcome"], result["exit_status"], result["subject"]) == ("inconclusive", 2, "doctor@all")
    kept = [record.subject for record in open_outcomes(state).read(kind="check")]
    assert sorted(kept) == ["host@/nowhere/docker.sock", "host@records"]
    # nothing is left over: the lock is free, and no run waits to be ended
    assert Lock(state, "doctor@all").holder() is None
    assert [(one.subject, one.state) for one in list_runs(state)] == [("doctor@all", "ended")]


@pytest.mark.slow
def test_an_engine_that_cannot_be_asked_is_never_good(folder):
    command = [sys.executable, "-m", "pratique", "doctor", "--json", "--only", "privileged", "--only", "conntrack"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    states = {one["check"]: one for one in json.loads(done.stdout)["hosts"][0]["results"]}
    assert states["privileged"]["state"] == "not looked at"
    assert "no Docker engine answers" in states["privileged"]["not_looked_at"]
    assert states["conntrack"]["state"] == "good"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--only", "privileged"], 2, ""),
        (["--only", "conntrack"], 0, ""),
        (["--only", "disk", "--fail-on", "critical"], 2, ""),
        (["--only", "nothing"], 64, "no check 'nothing'"),
        (["--host", "web1"], 64, "is no engine"),
        (["--json", "--sarif"], 64, "exclude each other"),
        (["--compare-with", "run-9"], 64, "no earlier examination"),
    ],
)  # fmt: skip
def test_the_exit_status_says_what_happened(folder, words, status, message):
    done = subprocess.run(
        [sys.executable, "-m", "pratique", "doctor", *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert message in done.stderr
    assert done.stderr.count("\n") <= 1


@pytest.mark.kernel
def test_the_notebook_writes_a_page_that_opens_offline(folder):
    command = [
        sys.executable,
        "-m",
        "pratique",
        "doctor",
        "--out",
        "hosts.html",
        "--only",
        "disk",
        "--only",
        "privileged",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    page = (folder / "hosts.html").read_text()
    assert "Cannot be decided" in page
    assert "no Docker engine answers" in page
    assert json.loads((folder / "hosts.json").read_text())["exit_status"] == 2


@pytest.mark.kernel
def test_a_dry_run_writes_nothing(folder):
    command = [sys.executable, "-m", "pratique", "run", "doctor", "-p", "dry_run", "true"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "read /nowhere/docker.sock: 53 checks" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == ["pratique.toml"]
