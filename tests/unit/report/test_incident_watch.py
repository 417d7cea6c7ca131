"""An incident has one page, whatever the number of looks at it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.config import Config
from pratique.incident.model import Span
from pratique.report import incident_watch
from pratique.report.incident_question import IncidentQuestion
from pratique.report.incident_watch import FILE, look
from pratique.report.write import ReportPaths
from support.incident_values import at, nothing_shown, sample_incident, sample_investigation

QUESTION = IncidentQuestion("shop")


@pytest.fixture
def config(tmp_path):
    return Config(state=str(tmp_path / "state"))


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
