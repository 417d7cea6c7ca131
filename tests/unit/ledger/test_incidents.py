"""Incidents as entries of the ledger: folded, last wins, nothing erased."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import MissingError, UsageError
from pratique.ledger import Entry, open_ledger
from pratique.ledger.incidents import Incidents, incidents_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def ledger(tmp_path):
    return open_ledger(tmp_path)


@pytest.fixture
def incidents(ledger):
    return Incidents(ledger)


def test_an_incident_gets_the_number_of_its_entry_as_id(ledger, incidents):
    ledger.append("release", "shop", revision="r1", data={"event": "first"})
    opened = incidents.open("shop", "checkout fails", began=at(0), detected=at(5), severity="SEV-1")
    assert (opened.id, opened.source, opened.service, opened.state) == ("I2", "pratique", "shop", "open")
    assert (opened.began, opened.detected, opened.severity, opened.cause) == (at(0), at(5), "SEV-1", "")
    assert incidents.find("I2") == opened
    assert incidents.open("shop", "again").id == "I3"


def test_what_becomes_of_an_incident_is_recorded_and_the_last_word_counts(ledger, incidents):
    first = incidents.open("shop", "checkout fails", began=at(0))
    caused = incidents.record(first, "cause", cause="r1")
    restored = incidents.record(caused, "restored", restored=at(30))
    closed = incidents.record(restored, "closed", closed=at(90))
    corrected = incidents.record(closed, "corrected", cause="r2", began=at(-5), why="the log says so")
    assert incidents.all() == [corrected]
    assert (corrected.cause, corrected.began, corrected.restored, corrected.closed) == ("r2", at(-5), at(30), at(90))
    assert [closed.state, restored.state, caused.state] == ["closed", "restored", "open"]
    assert [entry.data["event"] for entry in ledger.entries(kind="incident")] == [
        "opened",
        "cause",
        "restored",
        "closed",
        "corrected",
    ]
    again = incidents.record(corrected, "corrected", restored=None, closed=None)
    assert (again.state, incidents.find("I1")) == ("open", again)
    assert ledger.verify() == 6


def test_ids_of_different_sources_are_different_incidents(incidents):
    incidents.open("shop", "a", id="7", source="pagerduty", began=at(1))
    incidents.open("till", "b", id="7", source="github", began=at(0))
    assert [(record.source, record.title) for record in incidents.all()] == [("github", "b"), ("pagerduty", "a")]
    assert [record.title for record in incidents.all("shop")] == ["a"]
    with pytest.raises(UsageError, match="github, pagerduty"):
        incidents.find("7")
    assert incidents.find("7", "github").title == "b"


def test_an_unknown_incident_and_wrong_times_are_refused(incidents):
    with pytest.raises(MissingError, match="no incident 'I9'"):
        incidents.find("I9")
    with pytest.raises(UsageError, match="title"):
        incidents.open("shop", "  ")
    opened = incidents.open("shop", "x", began=at(0))
    with pytest.raises(UsageError, match="cannot be restored 2026-11-20 11:59:00Z"):
        incidents.record(opened, "restored", restored=at(-1))
    assert incidents.all() == [opened]


def test_titles_are_bounded_and_printable(incidents):
    opened = incidents.open("shop", "a\x1b[2J\nb" + "x" * 1000, id="\x07id", severity="\u202e1")
    assert opened.title.isprintable()
    assert len(opened.title) == 300
    assert opened.id == "id"
    assert incidents.all() == [opened]


def entry(number, **data):
    return Entry(number, at(number), "incident", "shop", "me", "", None, None, "v", "")


_times = st.none() | st.just("") | st.just("noon") | st.integers(0, 99).map(lambda minutes: at(minutes).isoformat())
_entries = st.lists(
    st.fixed_dictionaries(
        {"event": st.sampled_from(["opened", "cause", "restored", "closed", "corrected", "other", None])},
        optional={
            "id": st.sampled_from(["a", "b", "", None]),
            "source": st.sampled_from(["x", ""]),
            "title": st.text() | st.integers(),
            "cause": st.sampled_from(["r1", "r2", "none", ""]),
            **dict.fromkeys(("began", "detected", "restored", "closed"), _times),
        },
    ),
    max_size=12,
)


@given(_entries)
def test_any_entries_fold_to_one_record_for_each_incident_that_was_opened(found):
    entries = [replace(entry(number), data=data) for number, data in enumerate(found, start=1)]
    records = incidents_of(entries)
    keys = [record.key for record in records]
    assert len(set(keys)) == len(keys)
    assert sum(data["event"] == "opened" for data in found) >= len(records)
    assert [record.began for record in records] == sorted(record.began for record in records)
    for record in records:
        causes = [
            data["cause"]
            for one, data in zip(entries, found, strict=True)
            if "cause" in data and one.number >= record.number and key_of(one) == record.key
        ]
        assert record.cause == (causes[-1] if causes else "")


def key_of(one):
    return one.data.get("source") or "pratique", one.data.get("id") or f"I{one.number}"
