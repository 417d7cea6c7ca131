"""One lane a job: each outcome has its own mark, and hostile text stays text."""

from datetime import UTC, datetime, timedelta

from pratique.figures import job_lanes
from pratique.jobs.job_lane import JobLane, LaneRun
from support.report_samples import HOSTILE

NOW = datetime(2026, 11, 20, tzinfo=UTC)
RUNS = [
    LaneRun(NOW + timedelta(hours=number), outcome, took)
    for number, (outcome, took) in enumerate([("ok", 2.0), ("failed", 8.0), ("missed", None), ("ok", 4.0)])
]


def test_each_outcome_has_its_mark_and_its_name():
    chart = job_lanes([JobLane("nightly", "up", RUNS, due=[NOW], usual_s=(2.0, 4.0))], now=NOW)
    marks = {trace.name: trace.marker.symbol for trace in chart.data}
    assert set(marks) == {"due", "ok", "failed", "missed"}
    assert len(set(marks.values())) == 4
    assert chart.text == "nightly: up; 2 ok, 1 failed, 1 missed"


def test_a_longer_run_stands_higher():
    (ok,) = [trace for trace in job_lanes([JobLane("nightly", "up", RUNS)]).data if trace.name == "ok"]
    assert ok.y[1] < ok.y[0]  # the axis points down


def test_many_lanes_are_cut_and_counted():
    chart = job_lanes([JobLane(f"j{number}", "new", []) for number in range(40)])
    assert len(chart.layout.yaxis.ticktext) == 30
    assert "10 more are not shown" in chart.layout.xaxis.title.text


def test_without_jobs_it_says_so():
    assert "no jobs" in job_lanes([]).layout.annotations[0].text


def test_hostile_names_and_reasons_are_text():
    lanes = [JobLane(text, text, [LaneRun(NOW, "failed", 1.0, text)]) for text in HOSTILE]
    text = job_lanes(lanes).to_json()
    assert "<script" not in text
    assert "<img" not in text
