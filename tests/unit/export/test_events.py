"""Entries of the ledger as events: what a person reads in a chart."""

import pytest

from pratique.export.events import LONGEST_TEXT, event_of
from pratique.ledger import Ledger


@pytest.fixture
def append(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")

    def append(kind, data, *, revision="r2", why=""):
        return event_of(ledger.append(kind, "shop", who="ann", why=why, revision=revision, data=data))

    return append


@pytest.mark.parametrize(
    ("kind", "data", "title", "text"),
    [
        ("release", {"event": "started", "baseline": "r1"}, "release of r2 against r1", "by ann: because"),
        (
            "release",
            {"event": "started", "runbook": "rollback", "baseline": "r3"},
            "rollback of r2 against r3",
            "by ann: because",
        ),
        ("release", {"event": "first", "digest": "d"}, "first revision r2", "by ann: because"),
        ("release", {"event": "resumed"}, "release of r2 goes on", "by ann: because"),
        ("release", {"event": "ended", "outcome": "promoted", "reason": "good"}, "r2 promoted", "good"),
        ("verdict", {"decision": "promote", "reason": "all met"}, "verdict on r2: promote", "all met"),
        ("weight", {"shares": {"r1": 0.875, "r2": 0.125}}, "weights", "r1 87.5 %, r2 12.5 %"),
        ("lapse", {"shares": {"r1": 1.0, "r2": 0.0}}, "the lease has expired", "r1 100 %, r2 0 %"),
    ],
)
def test_an_event_says_what_happened(append, kind, data, title, text):
    event = append(kind, data, why="because")
    assert (event.title, event.text, event.service, event.revision, event.number) == (title, text, "shop", "r2", 1)
    assert event.shares == data.get("shares", {})
    assert event.kind == ("weight" if "shares" in data else kind)


@pytest.mark.parametrize("kind", ["step", "bind", "lock", "report"])
def test_what_changes_nothing_on_a_chart_gives_no_event(append, kind):
    assert append(kind, {"event": "started"}) is None


def test_texts_are_printable_and_bounded(append):
    event = append("verdict", {"decision": "promote", "reason": "a\n\x1b[31m" + "x" * 5000})
    assert event.text.startswith("a  [31mxxx")
    assert len(event.text) == LONGEST_TEXT


def test_a_release_without_a_reason_names_the_person(append):
    assert append("release", {"event": "first"}).text == "by ann"


@pytest.mark.parametrize("shares", [None, [], "r2", {"r1": None, "r2": "half", "r3": 1e300}])
def test_weights_that_another_version_wrote_otherwise_are_left_out(append, shares):
    event = append("weight", {"shares": shares})
    assert (event.kind, event.shares) == ("weight", {})
