"""The table of metrics, the questions, and the series."""

from datetime import timedelta

import pytest

from pratique import figures
from pratique.delivery.history import history_of, series
from support.history_samples import START, sample_history, sample_story


@pytest.fixture
def history(tmp_path):
    return sample_history(tmp_path)


def test_the_table_has_value_before_and_what_it_is_made_of(history):
    panel = figures.delivery_metrics([history])
    assert "1 of 2 (50 %" in panel.html
    assert '<th scope="col">period before</th>' in panel.html
    # a narrow page has no head: each cell carries its name, which page.css shows
    assert panel.html.count('<td title="period before">') == panel.html.count('<th scope="row">') > 0
    assert panel.text.startswith("shop: 2 deployments from 2026-03-01")


def test_a_question_names_the_command_and_escapes_what_it_quotes(history):
    panel = figures.delivery_questions([history])
    assert "pratique incident cause" in panel.html
    assert "<script" not in panel.html
    assert "lead times are not known" in panel.text


@pytest.mark.slow
def test_the_series_leaves_out_what_the_ledger_does_not_cover(tmp_path):
    story = sample_story(tmp_path)
    now = START + timedelta(days=20)
    found = history_of("shop", story.ledger.entries("shop"), None, start=START, end=now, now=now)
    chart = figures.delivery_series(series(found, "week", 12))
    well, failed, lead = chart.data
    assert len(well.x) == len(failed.x) == len(lead.x) == 3
    assert (sum(well.y), sum(failed.y)) == (1, 1)
    assert "No deployment" in figures.delivery_series([]).layout.annotations[0].text
