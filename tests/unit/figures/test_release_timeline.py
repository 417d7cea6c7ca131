"""Releases, canaries and incidents over time."""

import pytest

from pratique import figures
from support.history_samples import START, sample_history


@pytest.fixture
def chart(tmp_path):
    return figures.release_timeline([sample_history(tmp_path)])


def traces(chart, name):
    return [trace for trace in chart.data if trace.name == name]


def test_a_bar_is_the_time_in_which_a_revision_had_all_of_the_traffic(chart):
    (bars,) = traces(chart, "served")
    assert [str(text).partition(":")[0] for text in bars.customdata] == ["r1", "r2", "r5", "r2"]
    hours = [round((base.replace(tzinfo=START.tzinfo) - START).total_seconds() / 3600) for base in bars.base]
    assert hours == [0, 24, 200, 203]
    assert [round(length / 3.6e6) for length in bars.x][:3] == [24, 176, 3]
    assert bars.customdata[3].endswith("to now, after a rollback")


def test_failures_and_canaries_have_their_own_symbols(chart):
    (failed,), (stopped,), (open_,) = (
        traces(chart, name) for name in ("failed", "stopped by the judge", "inconclusive")
    )
    assert "r5 failed: I1" in failed.customdata[0]
    assert (stopped.marker.symbol, open_.marker.symbol) == ("x", "circle-open")


def test_an_open_incident_ends_in_an_arrow_and_its_name_is_escaped(chart):
    (incidents,) = traces(chart, "incident")
    assert list(incidents.marker.symbol)[:2] == ["line-ns", "line-ns"]
    assert incidents.marker.symbol[4] == "triangle-right"
    assert "<script" not in "".join(incidents.customdata)
    assert incidents.hovertemplate == "%{customdata}<extra></extra>"


def test_waiting_commits_have_a_row(chart):
    (waiting,) = traces(chart, "waiting commit")
    assert len(waiting.x) == 1


def test_without_a_ledger_it_says_so():
    assert "No release" in figures.release_timeline([]).layout.annotations[0].text
