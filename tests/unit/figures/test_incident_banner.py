"""The banner of an incident: the sentence, five facts, and words that claim no more than the grade allows."""

import pytest

from pratique import figures
from support.incident_values import nothing_shown, sample_incident, sample_investigation


def test_the_banner_has_the_sentence_and_the_command_that_undoes_it():
    panel = figures.incident_banner(sample_investigation())
    html = panel.html.replace("\u00a0", " ")
    assert "r42 caused it: 12x [6, 25]" in html
    assert "<code>pratique rollback shop</code>" in html
    assert "within 14:01–14:04 with 95 %, as a step; evidence 10^9 of 100" in html
    assert "212 bad of 1,900, 9 expected" in html
    assert panel.text.startswith("a release of ours: 5xx of shop: since 14:02")


def test_nothing_shown_is_said_as_such_and_is_not_green():
    panel = figures.incident_banner(nothing_shown())
    assert 'class="verdict quiet"' in panel.html
    assert "a rise to 2x would have been seen within 9 minutes at this traffic." in panel.html
    assert "no proof that nothing happened" in panel.html


@pytest.mark.parametrize("answer", ["a change fits", "no change of ours explains it", "cannot tell", "nothing shown"])
def test_only_a_shown_release_is_called_the_cause(answer):
    panel = figures.incident_banner(sample_investigation(sample_incident(answer=answer, sentence="5xx rose.", undo="")))
    assert "aused" not in panel.html
    assert "no change to undo is shown" in panel.html
