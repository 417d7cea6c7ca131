"""Where it is: the bars are an exact sum."""

from dataclasses import replace

import pytest

from pratique import figures
from support.incident_values import nothing_shown, sample_incident, sample_investigation, sample_place


def test_the_bars_add_up_to_the_bad_requests_seen():
    (bars,) = figures.places(sample_investigation()).data
    assert list(bars.base[1:-1]) == pytest.approx([a + b for a, b in zip(bars.base[:-2], bars.x[:-2], strict=True)])
    assert bars.base[-2] + bars.x[-2] == pytest.approx(bars.x[-1])
    assert bars.x[-1] == 231


def test_a_negative_part_goes_to_the_left():
    places = replace(sample_incident().places, mix=-9.0, rest=15.15)
    (bars,) = figures.places(sample_investigation(sample_incident(places=places))).data
    assert bars.x[1] == -9.0
    assert bars.base[-2] + bars.x[-2] == pytest.approx(231)


def test_each_place_has_its_shares_ratio_and_evidence():
    chart = figures.places(sample_investigation())
    words = chart.layout.annotations[2].text
    assert words.startswith("<b>POST /checkout · 503 · revision r42</b>")
    assert "0.47 % → 11 %, 24x, evidence 10^9 of 100" in words


def test_a_chosen_place_is_outlined():
    chart = figures.places(sample_investigation(), chosen=1)
    assert list(chart.data[0].marker.line.width) == [0, 0, 0, 2, 0, 0]


def test_nothing_found_says_why():
    places = replace(sample_incident().places, found=(), reason="no place has the evidence that the search asks for")
    chart = figures.places(sample_investigation(sample_incident(places=places)))
    assert "no place has the evidence" in chart.text
    assert "not looked" not in chart.text
    assert "No place was looked for" in figures.places(nothing_shown()).layout.annotations[0].text


def test_a_place_that_is_new_has_no_ratio():
    places = replace(sample_incident().places, found=(sample_place(ratio=None, expected=0.0, before=0.0),))
    assert (
        "none → 11 %, new"
        in figures.places(sample_investigation(sample_incident(places=places))).layout.annotations[2].text
    )
