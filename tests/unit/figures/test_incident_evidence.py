"""How sure: beside the control window by window, or among other times where nothing ran beside it."""

from dataclasses import replace

import numpy as np
import pytest

from pratique import figures
from support.incident_values import nothing_shown, sample_incident, sample_investigation, sample_suspect


def test_with_a_control_both_are_drawn_from_the_windows_that_both_served():
    found = sample_investigation()
    others, own, e_values = figures.evidence(found).data
    arms = found.measures.suspects[0].arms
    both = (arms.n > 0).all(axis=0)
    for row, trace in enumerate((others, own)):
        shown = sum(int(words[1].replace(",", "")) for words in trace.customdata)
        assert shown == arms.n[row][both].sum()
    assert e_values.yaxis == "y2"
    assert any(one.text == "needed: 100" for one in figures.evidence(found).layout.annotations)


def test_without_a_control_the_change_stands_among_other_times():
    found = sample_investigation(sample_incident(suspects=(sample_suspect("fits", ratio=None),)))
    chart = figures.evidence(found)
    assert "its rank is 1 of 61" in chart.text
    assert "0 times of 60 at least as large" in chart.layout.annotations[0].text


def test_a_chosen_suspect_is_drawn_instead_of_the_first():
    found = sample_investigation()
    assert "nothing ran beside it" in figures.evidence(found, number=1).layout.annotations[0].text


def test_without_suspects_the_figure_says_so():
    assert "No change is suspected" in figures.evidence(nothing_shown()).layout.annotations[0].text


@pytest.mark.parametrize("log_e", [np.full(120, np.inf), np.full(120, -np.inf), np.full(120, np.nan)])
def test_evidence_beyond_numbers_is_drawn_at_the_edge(log_e):
    found = sample_investigation()
    arms = replace(found.measures.suspects[0].arms, log_e=log_e)
    measured = (replace(found.measures.suspects[0], arms=arms), *found.measures.suspects[1:])
    chart = figures.evidence(replace(found, measures=replace(found.measures, suspects=measured)))
    assert np.isfinite(chart.data[2].y).all()
