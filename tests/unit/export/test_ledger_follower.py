"""Each entry reaches the destination, in order, through failures and restarts."""

import pytest

from pratique.errors import UnavailableError
from pratique.export import ledger_follower
from pratique.export.ledger_follower import LedgerFollower
from pratique.ledger import Ledger


class Destination:
    def __init__(self, name="a"):
        self.name, self.got, self.away = name, [], False

    def write_events(self, events):
        if self.away:
            raise UnavailableError("away")
        self.got += [event.text for event in events]


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def judge(ledger, *reasons):
    for reason in reasons:
        ledger.append("verdict", "shop", revision="r2", data={"decision": "promote", "reason": reason})
        ledger.append("step", "shop", data={"step": "check"})


def test_entries_are_passed_on_once_while_nothing_fails(ledger, tmp_path):
    destination = Destination()
    follower = LedgerFollower(ledger, tmp_path / "f.json", destination)
    follower.forward()
    judge(ledger, "1", "2")
    follower.forward()
    follower.forward()
    judge(ledger, "3")
    LedgerFollower(ledger, tmp_path / "f.json", destination).forward()
    assert destination.got == ["1", "2", "3"]


def test_an_outage_loses_nothing(ledger, tmp_path):
    destination = Destination()
    destination.away = True
    judge(ledger, "1")
    follower = LedgerFollower(ledger, tmp_path / "f.json", destination)
    with pytest.raises(UnavailableError):
        follower.forward()
    judge(ledger, "2")
    destination.away = False
    follower.forward()
    assert destination.got == ["1", "2"]


def test_many_entries_are_passed_on_in_parts(ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_follower, "MOST_ENTRIES", 3)
    destination = Destination()
    judge(ledger, *map(str, range(5)))
    LedgerFollower(ledger, tmp_path / "f.json", destination).forward()
    assert destination.got == list("01234")


@pytest.mark.parametrize("kept", ["", "{}", "[1]", '{"sink": "a", "number": "x"}', '{"sink": "b", "number": 2}'])
def test_a_damaged_position_or_that_of_another_destination_begins_again(ledger, tmp_path, kept):
    (tmp_path / "f.json").write_text(kept)
    destination = Destination()
    judge(ledger, "1", "2")
    LedgerFollower(ledger, tmp_path / "f.json", destination).forward()
    assert destination.got == ["1", "2"]


def test_a_ledger_that_was_replaced_by_an_older_one_is_passed_on_again(ledger, tmp_path):
    (tmp_path / "f.json").write_text('{"sink": "a", "number": 100}')
    destination = Destination()
    judge(ledger, "1")
    LedgerFollower(ledger, tmp_path / "f.json", destination).forward()
    assert destination.got == ["1"]
