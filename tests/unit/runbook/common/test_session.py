"""A runbook that works on no service: no balancer, no winner, no traffic."""

import json
from datetime import timedelta

import pytest

from pratique.errors import BusyError, UnavailableError
from pratique.ledger import open_ledger
from pratique.runbook.common.context import RunContext
from pratique.runbook.common.parameters import RunParameters, check_run_parameters
from pratique.runbook.common.session import Session
from pratique.runbook.common.steps import Record, RunStep
from pratique.runbook.opening import open_session
from pratique.runbook.runs import find_run, list_runs


class TidyContext(RunContext):
    """Files that a run moves away."""

    runbook, title, time_limit, reason, exit_status = "tidy", "tidying of lab", timedelta(minutes=1), "tidied", 0

    @property
    def outcome(self):
        return "done" if self.journal.state("tidy") == "done" else "failed"


class Tidy(RunStep):
    key, title, description = "tidy", "Tidy", "tidy up"
    fails = False

    def do(self, attempt):
        attempt.note({"moved": 1})
        if self.fails:
            raise UnavailableError("the lab is locked: open it")
        return {"moved": 2}

    def undo(self, data):
        (self._context.state_dir / "undone").write_text(json.dumps(data))


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "pratique.toml"
    file.write_text("")
    return file


def session_of(config, run_id="t1", **given):
    parameters = check_run_parameters(run_id_words=("lab", "tidy"), config=str(config), run_id=run_id, **given)
    context = TidyContext(parameters, "lab@all")
    return Session(context, [Tidy(context), Record(context)])


@pytest.mark.slow
def test_it_runs_to_its_end_under_its_own_subject(config, tmp_path):
    session = session_of(config, why="a mess", who="ann")
    open_session(session)
    with pytest.raises(BusyError, match="lab@all is held by run 't1' of ann"):
        open_session(session_of(config, "t2"))
    session._run.perform("tidy")
    result = json.loads(session.record().read_text())
    assert (result["subject"], result["outcome"], result["exit_status"]) == ("lab@all", "done", 0)
    assert "service" not in result
    assert "verdict" not in result
    state = session.context.state_dir
    assert [(run.subject, run.outcome) for run in list_runs(state, "lab@all")] == [("lab@all", "done")]
    assert find_run(state, "t1").to_json()["service"] is None
    entries = open_ledger(state).entries("lab@all")
    assert [entry.data["outcome"] for entry in entries if entry.kind == "run"] == ["done"]
    assert not [entry for entry in entries if entry.kind == "release"]


@pytest.mark.slow
def test_a_failure_is_undone_and_recorded(config, monkeypatch):
    monkeypatch.setattr(Tidy, "fails", True)
    session = session_of(config)
    open_session(session)
    with pytest.raises(UnavailableError, match="the lab is locked"):
        session._run.perform("tidy")
    state = session.context.state_dir
    assert json.loads((state / "undone").read_text()) == {"moved": 1}
    assert find_run(state, "t1").outcome == "failed"


@pytest.mark.slow
def test_a_dead_run_is_ended_by_another_process(config):
    dead = session_of(config)
    open_session(dead)
    dead._run.journal.append("begun", "tidy")
    dead._run.lock.abandon()
    dead._run.close({})
    session_of(config).finish_dead_run("its process died")
    state = dead.context.state_dir
    assert (state / "undone").exists()
    assert find_run(state, "t1").outcome == "failed"


def test_a_dry_run_leaves_no_trace(config, capsys):
    session = session_of(config, dry_run=True)
    open_session(session)
    session._run.perform("tidy")
    assert "dry run: run 't1', tidying of lab; nothing is changed" in capsys.readouterr().out
    assert not session.context.state_dir.exists()


def test_parameters_survive_the_journal(config):
    parameters = session_of(config).context.parameters
    assert RunParameters.from_json(parameters.to_json()) == parameters
    assert check_run_parameters(run_id_words=("", "tidy")).run_id.startswith("tidy-")
