"""`pratique history` and `pratique overturn`."""

import json
from datetime import timedelta

import pytest

from pratique.cli import pratique as program
from pratique.clock import utc_now
from pratique.errors import MissingError
from pratique.ledger import open_ledger
from support.ledger_story import LedgerStory


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".pratique").mkdir()

    def done(*arguments):
        program.main([*arguments], "pratique", standalone_mode=False)
        return capsys.readouterr().out

    return done


@pytest.fixture
def stories(run, tmp_path):
    ledger, start = open_ledger(tmp_path / ".pratique"), utc_now() - timedelta(days=20)
    for service in ("shop", "till"):
        story = LedgerStory(ledger, start, service)
        story.first("r1")
        story.release("r2", 24, run=f"{service}-1")
        story.release("r3", 48, verdict="rollback", run=f"{service}-2")
    return ledger


def test_every_service_is_shown_without_a_name(run, stories):
    said = run("history")
    assert "shop: 1 deployment from" in said
    assert "till: 1 deployment from" in said
    assert "2 canaries had traffic, the judge stopped 1" in said
    assert "lead times are not known" in said


def test_one_service_by_week_and_as_json(run, stories):
    assert run("history", "shop", "--by", "week", "--last", "3").count("\n") == 5
    (found,) = json.loads(run("history", "shop", "--by", "month", "--json"))
    assert (found["service"], found["metrics"]["frequency"]["count"], len(found["series"])) == ("shop", 1, 12)


def test_an_overturned_stop_is_a_false_alarm(run, stories):
    assert "a false alarm" in run("overturn", "shop-2", "--why", "the load test hit it", "--who", "bob")
    assert "1 false alarm" in run("history", "shop")


def test_an_unknown_service_and_an_empty_ledger_are_said(run, stories, tmp_path):
    with pytest.raises(MissingError, match=r"no service 'shup'.*shop"):
        run("history", "shup")
    (tmp_path / ".pratique" / "ledger.sqlite").unlink()
    (tmp_path / ".pratique" / "ledger.heads").unlink()
    with pytest.raises(MissingError, match="no release in"):
        run("history")
