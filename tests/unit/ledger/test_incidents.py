"""Incidents as entries of the ledger: folded, last wins, nothing erased."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import MissingError, UsageError
from pratique.ledger import Entry, open_ledger
from pratique.ledger import incidents as module
from pratique.ledger.incidents import Incidents, incidents_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = datetime(2926, 11, 20, 12, tzinfo=UTC)


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


@pytest.mark.parametrize(
    ("times", "named"),
    [
        ({"began": LATER}, "began .* is in the future"),
        ({"began": NOON, "detected": LATER}, "detected .* is in the future"),
        ({"began": NOON, "detected": NOON - timedelta(minutes=1)}, "began 2026-11-20 12:00:00Z and cannot be detected"),
        ({"detected": NOON}, "cannot be detected 2026-11-20 12:00:00Z"),
    ],
)
def test_an_incident_with_impossible_times_is_not_opened(incidents, times, named):
    with pytest.raises(UsageError, match=named):
        incidents.open("shop", "x", **times)
    assert incidents.all() == []


@pytest.mark.parametrize(
    ("event", "times", "named"),
    [
        ("restored", {"restored": LATER}, "restored .* is in the future"),
        ("closed", {"closed": LATER}, "closed .* is in the future"),
        ("closed", {"closed": NOON + timedelta(minutes=29)}, "was restored .* cannot be closed 2026-11-20 12:29"),
        ("closed", {"closed": NOON - timedelta(minutes=1)}, "cannot be closed 2026-11-20 11:59"),
        ("corrected", {"began": NOON + timedelta(minutes=31)}, "began .* cannot be detected"),
        ("corrected", {"detected": NOON - timedelta(minutes=1)}, "cannot be detected"),
    ],
)
def test_an_impossible_time_is_not_recorded(incidents, event, times, named):
    opened = incidents.open("shop", "x", began=at(0), detected=at(5))
    restored = incidents.record(opened, "restored", restored=at(30))
    with pytest.raises(UsageError, match=named):
        incidents.record(restored, event, **times)
    assert incidents.all() == [restored]
    assert incidents.record(restored, "closed", closed=at(30)).state == "closed"


def test_a_clock_that_is_a_little_ahead_is_accepted(incidents, monkeypatch):
    monkeypatch.setattr(module, "utc_now", lambda: at(0))
    assert incidents.open("shop", "x", began=at(5)).began == at(5)
    with pytest.raises(UsageError, match="in the future"):
        incidents.open("shop", "x", began=at(6))


def test_a_record_of_an_earlier_version_with_impossible_times_gets_a_cause(ledger, incidents):
    data = {"event": "opened", "id": "7", "title": "x", "began": at(0).isoformat(), "detected": at(-9).isoformat()}
    ledger.append("incident", "shop", who="me", data=data)
    assert incidents.record(incidents.find("7"), "cause", cause="r1").cause == "r1"


@pytest.mark.parametrize("text", ["7\x07", "\x1b7", "7\ud800", " 7 ", "7" * 300])
def test_an_id_is_found_by_the_text_it_was_given_as(incidents, text):
    opened = incidents.open("shop", "x", id=text, source=f"a\n{text}")
    assert incidents.find(text, f"a\n{text}") == incidents.find(opened.id) == opened


@pytest.mark.parametrize("fields", [{"title": "\0"}, {"id": "\0"}, {"source": "\ud800"}])
def test_texts_that_nobody_can_read_are_refused(incidents, fields):
    with pytest.raises(UsageError, match=next(iter(fields))):
        incidents.open("shop", **{"title": "x", **fields})
    assert incidents.all() == []


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
