"""Recovery and resuming read the state folder that version 0.1.0 wrote: journals, lock, ledger and results."""

import json
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pratique.balancer.base import ActiveWeights, Pool
from pratique.config import load
from pratique.ledger import open_ledger
from pratique.runbook import open_release, open_rollback
from pratique.runbook.engine.journal import Journal
from pratique.runbook.recovery import _rebuild, end_abandoned, finish_dead_run
from pratique.runbook.release.steps import STEPS as RELEASE_STEPS
from pratique.runbook.rollback.candidates import rollback_candidates
from pratique.runbook.rollback.steps import STEPS as ROLLBACK_STEPS
from pratique.runtime.base import Instance
from pratique.subject_lock import Lock

OLD = Path(__file__).parents[2] / "data/state-0.1"
BASELINE, CANARY = "127.0.0.1:25771", "127.0.0.1:22617"


class Engine:
    """A runtime and a balancer in memory, as the killed run left them."""

    hosts = ("127.0.0.1",)

    def __init__(self):
        started = datetime(2026, 11, 25, tzinfo=UTC)
        self.instances = [
            Instance("8495:425735", "shop", "r1", "reverted", "baseline", BASELINE, started),
            Instance("12851:430162", "shop", "r3", "killed", "canary", CANARY, started),
        ]
        self.current = Pool("shop", {"r1": (BASELINE,), "r3": (CANARY,)}, {"r1": 1.0, "r3": 0.0})

    def list(self, _):
        return list(self.instances)

    def exited(self, _):
        return []

    def remove_exited(self, *_, **__):
        pass

    def stop(self, instance, *, drain_s):
        self.instances.remove(instance)

    def pool(self, _):
        return self.current

    def weights(self, _):
        return ActiveWeights(self.current.weights)

    def apply(self, pool):
        self.current = pool

    def set_weights(self, _, shares):
        self.current = Pool("shop", self.current.servers, dict(shares))


@pytest.fixture
def engine(monkeypatch):
    found = Engine()
    monkeypatch.setattr("pratique.runbook.service.context.open_runtime", lambda _: found)
    monkeypatch.setattr("pratique.runbook.service.context.open_balancer", lambda _: found)
    return found


@pytest.fixture
def config(tmp_path, engine):
    """A service file with the old state folder beside it."""
    file = tmp_path / "pratique.toml"
    file.write_text('[services.shop.runtime]\ncommand = ["{python}"]\n[services.shop.rollout]\nstages = [20, 50]\n')
    state = load(file).state_dir
    shutil.copytree(OLD, state)
    for journal in state.glob("runs/*/journal.jsonl"):
        text = journal.read_text()
        for name in ("pratique.toml", "patient.toml"):
            text = text.replace(f"/srv/shop/{name}", str(file))
        journal.write_text(text)
    database = sqlite3.connect(state / "ledger.sqlite")
    database.executescript((state / "ledger.sql").read_text())
    database.close()
    return file


@pytest.fixture
def state(config):
    return load(config).state_dir


def events(state, run_id, event):
    lines = Journal.in_folder(state / "runs" / run_id).lines()
    return [line.step for line in lines if line.event == event]


def result(state, run_id):
    return json.loads((state / "runs" / run_id / "result.json").read_text())


def require_undone(state, engine):
    """The killed run is undone: the steps that change something first, each in reverse."""
    changing = ["roll out", "take into the pool", "start the canary"]
    assert events(state, "killed", "undone") == [*changing, "acceptance test", "check"]
    assert engine.current.servers == {"r1": (BASELINE,)}
    assert [instance.revision for instance in engine.instances] == ["r1"]
    assert (result(state, "killed")["outcome"], result(state, "killed")["runbook"]) == ("failed", "release")
    assert Lock(state, "shop").abandoned() is None
    ledger = open_ledger(state)
    ledger.verify()
    assert ledger.releases("shop")[-1].outcome == "failed"


def test_the_next_run_ends_an_old_dead_run(config, state, engine):
    assert Lock(state, "shop").abandoned().run == "killed"
    end_abandoned(load(config).state_dir, "shop", "a test")
    require_undone(state, engine)


def test_an_old_journal_without_a_runbook_is_a_release(state, engine):
    journal = state / "runs/killed/journal.jsonl"
    text = journal.read_text()
    assert '"runbook":"release",' in text
    journal.write_text(text.replace('"runbook":"release",', ""))
    finish_dead_run(state / "runs/killed", "a test")
    require_undone(state, engine)


def test_an_old_dead_run_resumes_with_its_run_id(config, state, engine, capsys):
    release = open_release(service="shop", revision="r3", run_id="killed", config=str(config))
    assert "took over the lock of run 'killed' of ann" in capsys.readouterr().out
    done = ("check", "start the canary", "acceptance test", "take into the pool")
    assert [release._run.perform(key) for key in done][1:3] == [
        {"started": 1},
        {"ids": ["12851:430162"], "passed": [CANARY]},
    ]
    assert [events(state, "killed", "begun").count(key) for key in done] == [1, 1, 1, 1]
    assert (release.context.plan.baseline, release.context.arms.canary) == ("r1", "r3")
    release.abort("enough")
    require_undone(state, engine)


@pytest.mark.parametrize(("run_id", "steps"), [("promoted", RELEASE_STEPS), ("reverted", ROLLBACK_STEPS)])
def test_an_old_finished_run_keeps_its_result(state, run_id, steps):
    session, old = _rebuild(state / "runs" / run_id), result(state, run_id)
    assert session.context.outcome == old["outcome"]
    assert session.winner == old["revision"]
    assert {key: old[key] for key in session.context.result} == session.context.result
    for step in steps:
        assert session._run.perform(step.key) == session.context.journal.data(step.key)
    assert session._run.ended == {"outcome": old["outcome"]}


def test_an_old_finished_run_does_nothing_when_repeated(config, state, capsys):
    before = (state / "runs/promoted/journal.jsonl").read_bytes()
    release = open_release(service="shop", revision="r2", run_id="promoted", config=str(config))
    open_rollback(service="shop", run_id="reverted", config=str(config))
    assert capsys.readouterr().out.splitlines() == [
        "run 'promoted', release of shop r2, already finished (promoted); nothing to do",
        "run 'reverted', rollback of shop to the previous revision, already finished (reverted); nothing to do",
    ]
    assert (release.context.reason, release.context.exit_status) == (result(state, "promoted")["reason"], 0)
    assert (state / "runs/promoted/journal.jsonl").read_bytes() == before


def test_rollback_candidates_come_from_an_old_ledger(state):
    ledger = open_ledger(state)
    assert ledger.verify() == 43
    found = rollback_candidates(ledger, "shop")
    assert [(c.revision, [(p.run, p.by_rollback) for p in c.periods]) for c in found] == [
        ("r2", [("promoted", False)]),
        ("r1", [("", False), ("reverted", True)]),
    ]
    assert found[0].digest.startswith("sha256:5338828a")
    assert [record.outcome for record in ledger.releases("shop")][:3] == ["first", "promoted", "reverted"]
