"""An incident has one page, whatever the number of looks at it."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.clock import stamp
from pratique.config import Config
from pratique.incident.model import Span
from pratique.report import incident_watch
from pratique.report.incident_question import IncidentQuestion
from pratique.report.incident_watch import FILE, LONGEST_GAP, look, seen_incidents
from pratique.report.written_page import ReportPaths
from support.incident_values import at, nothing_shown, sample_incident, sample_investigation

QUESTION = IncidentQuestion("shop")


@pytest.fixture
def config(tmp_path):
    return Config(state=str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Set the time, in minutes after the start of the sample's range; at first it is the end of that range."""

    def set_minute(minute):
        monkeypatch.setattr(incident_watch, "utc_now", lambda: at(minute))

    set_minute(120)
    return set_minute


@pytest.fixture
def pages(monkeypatch, tmp_path):
    """The questions of the pages that were written; a page is an empty file."""
    written = []

    def write(config, question, *, out_dir=None):
        written.append(question)
        path = tmp_path / f"{question.stem}.html"
        path.touch()
        return ReportPaths(path, path)

    monkeypatch.setattr(incident_watch, "write_incident", write)
    return written


@pytest.fixture
def finds(monkeypatch):
    """Set what the next looks find."""

    def set_incident(incident):
        monkeypatch.setattr(incident_watch, "investigate_stored", lambda *_: sample_investigation(incident))

    return set_incident


def moved(minutes, **changes):
    """The sample incident with its start that much later."""
    onset = sample_incident().onset
    step = timedelta(minutes=minutes)
    span = Span(onset.started.first + step, onset.started.last + step)
    return sample_incident(onset=replace(onset, best=onset.best + step, started=span), **changes)


def test_nothing_shown_writes_no_page(config, pages, finds):
    finds(nothing_shown().incident)
    assert look(config, QUESTION).page is None
    assert pages == []
    assert not (config.state_dir / FILE).exists()


def test_an_incident_has_one_page_over_many_looks(config, pages, finds):
    for minutes in (0, 1, -2, 3):
        finds(moved(minutes))
        found = look(config, QUESTION)
    assert len(pages) == 1
    assert not found.written
    assert found.page.exists()


def test_the_same_page_is_written_again_when_the_answer_changes_or_it_ends(config, pages, finds):
    finds(moved(0, answer="cannot tell"))
    first = look(config, QUESTION)
    finds(moved(1))
    changed = look(config, QUESTION)
    ended = moved(1)
    finds(replace(ended, onset=replace(ended.onset, ended=Span(at(110), at(112)))))
    last = look(config, QUESTION)
    assert (first.written, changed.written, last.written) == (True, True, True)
    assert first.page == changed.page == last.page
    assert {question.start for question in pages} == {sample_incident().start}


def test_another_incident_has_another_page(config, pages, finds):
    finds(moved(0))
    first = look(config, QUESTION)
    finds(replace(moved(90), start=at(60)))
    second = look(config, QUESTION)
    assert second.written
    assert second.page != first.page


def test_a_page_that_was_deleted_is_written_again(config, pages, finds):
    finds(moved(0))
    look(config, QUESTION).page.unlink()
    assert look(config, QUESTION).written


def test_a_damaged_state_costs_one_more_page_and_no_error(config, pages, finds):
    finds(moved(0))
    look(config, QUESTION)
    (config.state_dir / FILE).write_text('{"shop 5xx": [1]')
    assert look(config, QUESTION).written
    assert not look(config, QUESTION).written


@pytest.mark.parametrize("name", ["first", "last", "start", "until"])
@pytest.mark.parametrize("time", ["nonsense", "2026", "9999-12-31T23:59-12:00"])
def test_a_kept_time_that_is_none_costs_one_more_page_and_no_error(config, pages, finds, name, time):
    finds(moved(0))
    look(config, QUESTION)
    path = config.state_dir / FILE
    kept = json.loads(path.read_text())
    kept["shop 5xx"][name] = time
    path.write_text(json.dumps(kept))
    assert look(config, QUESTION).written
    assert not look(config, QUESTION).written


def test_a_kept_time_without_a_zone_is_utc(config, pages, finds):
    finds(moved(0))
    look(config, QUESTION)
    path = config.state_dir / FILE
    path.write_text(path.read_text().replace('Z"', '"'))
    assert not look(config, QUESTION).written


def sliding(minutes, ended=None):
    """A look at an incident that is older than its range: the start of the range seems to be the start of the incident."""
    incident = sample_incident()
    onset = replace(incident.onset, best=at(minutes), started=Span(at(minutes), at(minutes + 1)), ended=ended)
    return replace(incident, start=at(minutes), end=at(minutes + 120), onset=onset)


def test_an_incident_that_is_older_than_the_range_keeps_its_page(config, pages, finds):
    finds(moved(0))
    first = look(config, QUESTION)
    for minutes in (95, 150, 220, 330):
        finds(sliding(minutes))
        found = look(config, QUESTION)
        assert (found.page, found.written) == (first.page, False)
    assert len(pages) == 1
    (seen,) = seen_incidents(config.state_dir / FILE).values()
    assert (seen.first, seen.last) == (stamp(at(81)), stamp(at(331)))
    ended = Span(at(440), at(441))
    finds(sliding(340, ended))
    last = look(config, QUESTION)
    assert (last.page, last.written) == (first.page, True)
    # only its end is in the range
    finds(sliding(420, ended))
    assert not look(config, QUESTION).written
    assert {question.start for question in pages} == {sample_incident().start}


def test_an_incident_that_begins_with_a_range_after_the_earlier_one_is_another(config, pages, finds):
    finds(moved(0))
    first = look(config, QUESTION)
    finds(replace(nothing_shown().incident, start=at(150), end=at(270)))
    assert look(config, QUESTION).page is None
    finds(sliding(300))
    assert look(config, QUESTION).page != first.page
    finds(sliding(420 + LONGEST_GAP.total_seconds() / 60 + 1))
    assert look(config, QUESTION).written
    assert len(pages) == 3


def test_a_watcher_keeps_what_another_one_has_seen_meanwhile(config, pages, finds, monkeypatch):
    finds(moved(0))
    write = incident_watch.write_incident

    def write_slowly(config, question, **options):
        monkeypatch.setattr(incident_watch, "write_incident", write)
        finds(replace(moved(0), service="search"))
        look(config, IncidentQuestion("search"))
        return write(config, question, **options)

    monkeypatch.setattr(incident_watch, "write_incident", write_slowly)
    look(config, QUESTION)
    assert set(seen_incidents(config.state_dir / FILE)) == {"shop 5xx", "search 5xx"}


def test_the_state_is_changed_under_its_lock(config, pages, finds, monkeypatch):
    held = []

    @contextmanager
    def locked(path):
        held.append(path)
        yield
        held.append(path.exists())

    monkeypatch.setattr(incident_watch, "locked", locked)
    finds(moved(0))
    (config.state_dir / FILE).parent.mkdir(parents=True)
    look(config, QUESTION)
    assert held == [config.state_dir / FILE, True]


def test_data_that_ended_long_ago_says_nothing_about_now(config, pages, finds, clock):
    finds(nothing_shown().incident)
    clock(240)
    assert look(config, QUESTION).incident.exit_status == 0
    clock(242)
    found = look(config, QUESTION).incident
    assert (found.answer, found.exit_status) == ("cannot tell", 2)
    assert "2026-11-20 14:40 UTC" in found.sentence
    assert look(config, replace(QUESTION, end=at(120))).incident.exit_status == 0


def test_silence_does_not_end_an_incident(config, pages, finds, clock):
    finds(moved(0))
    look(config, QUESTION)
    finds(nothing_shown().incident)
    clock(400)
    look(config, QUESTION)
    (seen,) = seen_incidents(config.state_dir / FILE).values()
    assert not seen.ended
