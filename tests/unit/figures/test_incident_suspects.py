"""The suspects: all changes in the order of their grades, with what would settle it."""

from pratique import figures
from support.incident_values import nothing_shown, sample_incident, sample_investigation, sample_suspect


def test_every_change_has_a_row_in_order():
    html = figures.suspects(sample_investigation()).html
    order = [html.index(text) for text in ("▲ shown", "in time only", "elsewhere", "too late")]
    assert order == sorted(order)
    assert "12x [6.0, 25]" in html
    assert "entry 214" in html
    assert "from flags.jsonl" in html


def test_a_grade_that_rests_on_time_has_the_chance_of_coincidence():
    panel = figures.suspects(
        sample_investigation(sample_incident(suspects=(sample_suspect("fits", coincidence=0.07),)))
    )
    assert "coincidence 7.0 %" in panel.html
    assert (
        "coincidence 2"
        not in figures.suspects(sample_investigation(sample_incident(suspects=(sample_suspect(),)))).html
    )


def test_what_would_settle_it_is_shown():
    panel = figures.suspects(sample_investigation(sample_incident(suspects=(sample_suspect(lack="20 more requests"),))))
    assert "would settle it: 20 more requests" in panel.html


def test_without_changes_the_panel_says_so():
    assert "No change is known" in figures.suspects(nothing_shown()).text
