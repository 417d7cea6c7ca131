"""Buttons that record an incident: nothing is written before it is confirmed, and the command line writes the same."""

import shlex
from dataclasses import replace
from html import unescape

import pytest

from pratique.cli import pratique as program
from pratique.config import load
from pratique.errors import UsageError
from pratique.ledger import open_ledger
from pratique.ledger.incidents import Incidents
from pratique.report import IncidentQuestion
from pratique.report.opened_incident import OpenedIncident
from pratique.widgets import record_incident
from pratique.widgets.record import NEW, STATIC, IncidentRecorder, cause_of, title_of
from pratique.widgets.typed_time import time_text, typed_time
from support.incident_values import at, nothing_shown, sample_incident, sample_investigation, sample_place
from support.report_samples import HOSTILE

TIMELESS = {"number": 0, "detected": None}


def opened_in(folder, found=None):
    folder.mkdir(exist_ok=True)
    (folder / "pratique.toml").write_text("[services.shop]\n")
    found = found or sample_investigation()
    config = load(str(folder / "pratique.toml"))
    return OpenedIncident(found.incident, found.measures, found.changes, IncidentQuestion("shop"), config)


def recorded(folder):
    return Incidents(open_ledger(folder / ".pratique")).all()


@pytest.fixture
def recorder(tmp_path):
    return IncidentRecorder(opened_in(tmp_path / "a"))


def test_without_a_person_it_says_where_one_can_record(tmp_path):
    assert record_incident(opened_in(tmp_path)).text == STATIC


def test_the_fields_begin_with_the_findings(recorder):
    assert recorder.title.value == "5xx of shop: POST /checkout · 503 · revision r42"
    assert (recorder.began.value, recorder.cause.value) == ("2026-11-20T14:02", "r42")
    assert {"none", "r42", "r7"} <= set(recorder.cause.options)
    assert not recorder.open.disabled
    assert recorder.restore.disabled
    assert title_of(nothing_shown().incident) == "5xx of shop"
    assert cause_of(nothing_shown().incident) == ""


def test_nothing_is_written_before_it_is_confirmed(recorder, tmp_path):
    recorder.open.click()
    assert "Record in the ledger: a new incident of shop since 2026-11-20T14:02:00Z" in recorder.said.value
    assert recorder._ask_first.layout.display is None
    recorder.cancel.click()
    recorder.record.click()
    assert recorder.said.value == ""
    assert recorded(tmp_path / "a") == []


def test_an_incident_is_recorded_from_its_beginning_to_its_end(recorder, tmp_path):
    recorder.severity.value = "SEV-1"
    commands = [click(recorder, recorder.open)]
    # the new incident is chosen, and the other steps belong to it
    assert recorder.which.value == ("pratique", "I1")
    recorder.cause.value = "none"
    commands.append(click(recorder, recorder.name_cause))
    recorder.restored.value = "2026-11-20T14:31"
    commands.append(click(recorder, recorder.restore))
    commands.append(click(recorder, recorder.close))
    (record,) = recorded(tmp_path / "a")
    assert (record.id, record.severity, record.cause, record.state) == ("I1", "SEV-1", "none", "closed")
    assert (record.began, record.restored) == (at(82), at(111))
    assert recorder.which.label == NEW
    # each command line records the same
    other = tmp_path / "b"
    opened_in(other)
    for command in commands:
        words = [word.replace(str(tmp_path / "a"), str(other)) for word in shlex.split(command)]
        program.main(words[1:], "pratique", standalone_mode=False)
    (again,) = recorded(other)
    assert replace(again, **TIMELESS) == replace(record, **TIMELESS)


def click(recorder, button):
    """Press a button and confirm; the command line that was said."""
    button.click()
    recorder.record.click()
    assert recorder.said.value.startswith("Recorded: I1")
    return unescape(recorder.said.value.split("<code>")[1].split("</code>")[0])


@pytest.mark.parametrize("title", ["--help", "- 'quoted' $(touch x)", HOSTILE[0]])
def test_text_of_a_person_is_escaped_and_quoted(recorder, tmp_path, title):
    recorder.title.value = title
    recorder.open.click()
    assert "<script" not in recorder.said.value
    command = click(recorder, recorder.open)
    other = tmp_path / "b"
    opened_in(other)
    words = [word.replace(str(tmp_path / "a"), str(other)) for word in shlex.split(command)]
    program.main(words[1:], "pratique", standalone_mode=False)
    assert [one.title for one in recorded(other)] == [one.title for one in recorded(tmp_path / "a")]


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("began", "soon", "began 'soon' is not a time"),
        ("began", "", "began is empty"),
        ("began", "2999-01-01T00:00", "is in the future"),
        ("title", " ", "the incident has no title"),
    ],
)
def test_a_wrong_field_is_said_in_one_line_and_nothing_is_written(recorder, tmp_path, field, text, message):
    getattr(recorder, field).value = text
    recorder.open.click()
    recorder.record.click()
    assert message in unescape(recorder.said.value)
    assert "\n" not in recorder.said.value
    assert "<br>" not in recorder.said.value
    assert recorded(tmp_path / "a") == []


def test_an_open_incident_of_the_range_is_chosen_instead_of_a_second_one(tmp_path):
    opened = opened_in(tmp_path)
    incidents = Incidents(open_ledger(tmp_path / ".pratique"))
    incidents.open("shop", "an old one", id="old", source="pager", began=opened.incident.start.replace(hour=1))
    assert IncidentRecorder(opened).which.label == NEW
    incidents.open("shop", "checkout fails", began=at(83))
    recorder = IncidentRecorder(opened)
    assert recorder.which.value == ("pratique", "I2")
    assert recorder.open.disabled
    recorder.cause.value = ""
    recorder.name_cause.click()
    assert "cause is empty" in recorder.said.value
    # one of another program is named with its source
    recorder.which.value = ("pager", "old")
    recorder.close.click()
    assert "--source pager" in recorder.said.value


def test_a_cause_that_was_never_released_is_noted(tmp_path):
    opened = opened_in(tmp_path)
    open_ledger(tmp_path / ".pratique").bind("shop", "r1", "digest")
    recorder = IncidentRecorder(opened)
    recorder.cause.value = "r9"
    recorder.open.click()
    recorder.record.click()
    assert "never had a revision &#x27;r9&#x27;" in recorder.said.value


def test_a_service_that_the_service_file_does_not_name_is_said(tmp_path):
    place = sample_place()
    found = sample_investigation(replace(sample_incident(), service="till", suspects=()))
    recorder = IncidentRecorder(opened_in(tmp_path, found))
    assert place.action in recorder.title.value
    recorder.open.click()
    recorder.record.click()
    assert "no service &#x27;till&#x27;" in recorder.said.value
    assert not (tmp_path / ".pratique" / "ledger.sqlite").exists()


def test_a_time_is_shown_as_short_as_it_is_exact():
    assert [time_text(moment) for moment in (at(82), at(82).replace(second=7))] == [
        "2026-11-20T14:02",
        "2026-11-20T14:02:07",
    ]
    assert typed_time("from", " 2026-11-20T15:02+01:00 ") == at(82)
    with pytest.raises(UsageError, match="from is empty"):
        typed_time("from", " ")


def test_a_ledger_that_cannot_be_read_is_said(tmp_path):
    opened = opened_in(tmp_path)
    (tmp_path / ".pratique").mkdir()
    (tmp_path / ".pratique" / "ledger.sqlite").write_bytes(b"no ledger" * 200)
    assert str(tmp_path) in IncidentRecorder(opened).said.value
