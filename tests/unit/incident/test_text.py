"""An incident in words: names, times and numbers, and at most 20 lines of a terminal, whatever the data calls itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pratique.incident.model import Span
from pratique.incident.text import (
    before_text,
    change_name,
    contributions,
    equation,
    onset_text,
    part_of_excess,
    place_name,
    place_numbers,
    service_line,
    summary_lines,
    suspect_numbers,
)
from support.incident_values import (
    at,
    hostile_investigation,
    nothing_shown,
    sample_change,
    sample_incident,
    sample_place,
    sample_suspect,
)
from support.report_samples import HOSTILE


def test_a_part_of_the_excess_is_no_more_exact_than_it_is_known():
    parts = [part_of_excess(sample_place(part=part)) for part in (0.99999991, 0.9994, 0.994, 0.051, 0.0)]
    assert parts == ["100 %", "99.90 %", "99 %", "5.1 %", "0 %"]


def test_a_start_is_written_with_both_ends():
    incident = sample_incident()
    assert onset_text(incident.onset, incident.end) == "since 14:02 (14:01–14:04), still going on"


def test_an_end_is_written_with_both_ends_and_another_day_with_its_date():
    onset = replace(sample_incident().onset, ended=Span(at(90), at(93)))
    assert onset_text(onset, at(120)) == "since 14:02 (14:01–14:04), ended 14:10–14:13"
    assert onset_text(onset, at(120) + timedelta(days=1)).startswith("since 2026-11-20 14:02 (2026-11-20 14:01–")


def test_a_place_is_named_by_its_parts():
    assert place_name(sample_place()) == "POST /checkout · 503 · revision r42"
    assert place_name(sample_place(revision=None, action=None, code=None)) == "the whole service"
    assert place_name(sample_place(action=None, code=None, revision=None, host="web2")) == "host web2"


def test_the_numbers_of_a_place_never_show_an_infinite_ratio():
    assert place_numbers(sample_place()) == "212 bad of 1,900, 9 expected; 0.47 % → 11 %, 24x"
    assert place_numbers(sample_place(ratio=None, expected=0.0, before=0.0)).endswith("0 % → 11 %, new")


def test_the_parts_of_the_equation_sum_to_the_bad_requests():
    places = sample_incident().places
    assert places.expected + places.mix + sum(contributions(places)) + places.rest == pytest.approx(places.bad)
    assert equation(places) == "231 bad = 26 expected + 2 mix of traffic + 193 place 1 + 6 place 2 + 4 not explained"


@pytest.mark.parametrize(
    ("minutes", "text"), [(1.2, "1 min before"), (0.5, "30 s before"), (-18, "18 min after"), (150, "2.5 h before")]
)
def test_how_long_before_the_start(minutes, text):
    assert before_text(sample_suspect(minutes_before=minutes)) == text


def test_the_ratio_of_a_suspect_has_its_limits_or_no_control():
    assert suspect_numbers(sample_suspect()) == "12x [6.0, 25]"
    assert suspect_numbers(sample_suspect(ratio=None)) == "no control"


def test_a_terminal_shows_three_places_and_three_suspects_in_at_most_20_lines():
    incident = sample_incident()
    many = replace(
        incident,
        places=replace(incident.places, found=(sample_place(),) * 8),
        suspects=(sample_suspect(),) * 30,
        findings=("a", "b", "c"),
    )
    lines = summary_lines(many)
    assert len(lines) <= 20
    assert "3 of 8 places" in "\n".join(lines)
    assert "3 of 30 changes" in "\n".join(lines)
    assert lines[-1] == "distrust  a (and 2 others)"
    assert "undo      pratique rollback shop" in lines


def test_nothing_shown_says_what_would_have_been_seen():
    lines = summary_lines(nothing_shown().incident)
    assert lines == [f"nothing shown: {nothing_shown().incident.sentence}"]
    assert "No rise beyond 1.5x is shown" in service_line(nothing_shown().incident)


def test_text_from_the_data_stays_in_its_line():
    for line in summary_lines(hostile_investigation(HOSTILE).incident):
        assert line.isprintable(), line
        assert len(line) < 700


def test_a_change_without_a_revision_is_named_by_its_text():
    flag = sample_change(kind="flag", revision="", why="new-cart on")
    assert change_name(flag) == "flag new-cart on of shop"
    assert change_name(sample_change()) == "release r42 of shop"
    hostile = change_name(replace(flag, why="\x1b[31m\n" + "x" * 500))
    assert hostile.isprintable()
    assert len(hostile) < 60
    assert hostile.endswith("… of shop")
