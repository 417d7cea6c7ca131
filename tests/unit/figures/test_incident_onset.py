"""When it began: the possible starts are shaded, and every service's changes have a lane."""

from dataclasses import replace

import numpy as np

from pratique import figures
from pratique.incident.model import Span
from support.incident_values import at, nothing_shown, sample_change, sample_incident, sample_investigation


def shaded(chart):
    return [shape for shape in chart.layout.shapes if shape.type == "rect"]


def test_the_possible_starts_are_shaded_from_the_first_to_the_end_of_the_last():
    (only,) = shaded(figures.onset(sample_investigation()))
    assert str(only.x0) == "2026-11-20T14:01:00.000"
    assert str(only.x1) == "2026-11-20T14:05:00.000"


def test_separate_sets_of_starts_have_separate_shades():
    found = sample_investigation()
    starts = np.isin(np.arange(120), [40, 41, 82])
    chart = figures.onset(replace(found, measures=replace(found.measures, in_starts=starts)))
    assert len(shaded(chart)) == 2


def test_an_end_is_shaded_and_named():
    onset = replace(sample_incident().onset, ended=Span(at(95), at(97)))
    found = sample_investigation(sample_incident(onset=onset))
    chart = figures.onset(
        replace(found, measures=replace(found.measures, in_ends=np.isin(np.arange(120), [95, 96, 97])))
    )
    assert len(shaded(chart)) == 2
    assert "ended 14:15–14:17" in [one.text for one in chart.layout.annotations]


def test_the_incidents_service_has_the_first_lane():
    chart = figures.onset(sample_investigation())
    assert chart.layout.yaxis3.ticktext == ("shop", "search")


def test_many_services_share_the_last_lane():
    found = sample_investigation()
    changes = [sample_change(10 + number, f"s{number}") for number in range(20)]
    chart = figures.onset(replace(found, changes=changes))
    assert len(chart.layout.yaxis3.ticktext) == 6
    assert chart.layout.yaxis3.ticktext[-1] == "other services"
    assert len(chart.data[-1].x) == 20


def test_requests_are_drawn_beside_the_share():
    chart = figures.onset(sample_investigation())
    assert next(trace for trace in chart.data if trace.yaxis == "y2").y.sum() > 100_000


def test_without_a_rise_nothing_is_shaded_and_the_text_says_what_would_have_been_seen():
    chart = figures.onset(nothing_shown())
    assert not chart.layout.shapes
    assert "no rise is shown" in [one.text for one in chart.layout.annotations]
    assert "would have been seen within 9 minutes" in chart.text


def test_windows_without_requests_have_no_share():
    found = sample_investigation()
    service = replace(found.measures.service, n=found.measures.service.n * (np.arange(120) < 60))
    chart = figures.onset(replace(found, measures=replace(found.measures, service=service)))
    assert np.isnan(chart.data[3].y[60:]).all()


def test_no_windows_at_all_is_said():
    found = sample_investigation()
    service = replace(found.measures.service, n=found.measures.service.n * 0)
    chart = figures.onset(replace(found, measures=replace(found.measures, service=service)))
    assert "No window" in chart.text or "No window" in chart.layout.annotations[0].text
