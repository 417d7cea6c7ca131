"""How each canary ended, and what users met."""

from dataclasses import replace

import pytest

from pratique import figures
from support.history_samples import sample_history


@pytest.fixture
def history(tmp_path):
    return sample_history(tmp_path)


def test_each_canary_stands_by_how_it_ended(history):
    chart = figures.canary_outcomes([history])
    assert {trace.name: len(trace.x) for trace in chart.data} == {
        "promoted": 1, "promoted, and failed": 1, "stopped": 1, "no verdict": 1,
    }  # fmt: skip
    assert "stopped: 1" in chart.text


def test_an_overturned_stop_is_a_false_alarm(history):
    stopped = history.metrics.canaries.stopped[0].run
    metrics = replace(history.metrics, canaries=replace(history.metrics.canaries, overturned=(stopped,)))
    chart = figures.canary_outcomes([replace(history, metrics=metrics)])
    assert "stopped, a false alarm" in [trace.name for trace in chart.data]


def test_exposure_is_requests_and_what_failed_beyond_the_baseline(history):
    requests, bad = figures.exposure([history]).data
    assert (list(requests.y), list(requests.x), list(bad.x)) == (
        ["r3", "r5 as canary", "r5 after promotion (not known)"],
        [1000, None, None],
        [30.0, None, None],
    )


def test_without_canaries_both_say_so(history):
    none = replace(history.metrics.canaries, trials=(), exposure=())
    empty = replace(history, metrics=replace(history.metrics, canaries=none))
    assert "No canary" in figures.canary_outcomes([empty]).layout.annotations[0].text
    assert "No canary" in figures.exposure([empty]).layout.annotations[0].text
