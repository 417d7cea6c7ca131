"""What an examination keeps, and of what it notifies."""

import pytest

from pratique.config import Config
from pratique.doctor.changes import HostHistory
from pratique.outcomes import open_outcomes
from pratique.runbook.doctor import examination as module
from pratique.runbook.doctor.examination import record_examination
from support.examinations import examination, report
from support.host_facts import NOW, container, look

BEFORE = HostHistory(NOW, "run-1", frozenset())
PAUSED = [container(State={"Paused": True})]


@pytest.fixture
def sent(monkeypatch):
    """The events that are sent."""
    events = []
    monkeypatch.setattr(module, "notify", lambda _config, _state, event: events.append(event))
    return events


def test_a_new_finding_is_sent_with_the_command_that_mends_it(tmp_path, sent):
    config = Config(base=str(tmp_path))
    number = record_examination(config, examination(report(look(containers=PAUSED), BEFORE)), "run-2")
    assert number == 1
    (event,) = sent
    assert (event.kind, event.subject, event.risk) == ("doctor.finding", "host@local", "critical")
    assert event.command == "docker unpause shop"
    assert "it is paused" in event.what
    (kept,) = open_outcomes(config.state_dir).read(kind="check")
    assert (kept.outcome, kept.key, kept.details["found"]) == ("found", "run-2", ["held-still: shop"])


def test_the_same_run_before_gives_the_same_key(tmp_path, sent):
    """A run that dies between sending and keeping is repeated; the outbox knows the key."""
    for run in ("run-2", "run-3"):
        record_examination(Config(base=str(tmp_path)), examination(report(look(containers=PAUSED), BEFORE)), run)
    assert len({event.key for event in sent}) == 1


def test_a_finding_that_was_there_before_is_not_sent(tmp_path, sent):
    known = HostHistory(NOW, "run-1", frozenset({"held-still: shop"}))
    assert (
        record_examination(Config(base=str(tmp_path)), examination(report(look(containers=PAUSED), known)), "run-2")
        == 0
    )
    assert sent == []
