"""Every figure draws what it is given, in the roles' colours, and shows an absence instead of leaving it out."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique import figures
from pratique.figures.theme import BLUE, VERMILION
from pratique.telemetry.rollups import Rollups
from report_samples import HOSTILE, MINUTES, START, WEIGHTS, sample_guard, sample_rollups, sample_verdict

END = START + timedelta(minutes=MINUTES)


@pytest.fixture(scope="module")
def measures():
    return figures.measure(sample_rollups(), "r2", "r3", START, END)


@pytest.fixture(scope="module")
def nothing():
    return figures.measure(Rollups.empty(), "r2", "r3", START, END)


def charts(measures, verdict):
    return {
        "heatmap": figures.ratio_heatmap(verdict),
        "codes": figures.status_codes(measures),
        "traffic": figures.traffic(measures, WEIGHTS),
        "quantiles": figures.latency_quantiles(measures),
        "distribution": figures.latency_distribution(measures, verdict),
        "evidence": figures.evidence(verdict),
    }


def texts(value):
    """Every text anywhere in a figure."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("bdata", "template"):
                yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def test_each_figure_has_a_sentence_for_who_cannot_see_it(measures):
    for name, chart in charts(measures, sample_verdict()).items():
        assert chart.layout.meta["alt"].endswith("."), name


def test_a_revision_has_one_colour_in_every_figure(measures):
    for name in ("codes", "traffic", "quantiles", "distribution"):
        chart = charts(measures, sample_verdict())[name]
        for trace in chart.data:
            if trace.name and trace.name.startswith(("baseline", "canary")):
                color = trace.line.color or trace.marker.color
                assert color == (BLUE if trace.name.startswith("baseline") else VERMILION), name


def test_hostile_text_is_never_markup_in_a_figure():
    rollups = sample_rollups(names={"r2": HOSTILE[1], "r3": HOSTILE[4]})
    verdict = sample_verdict(actions=HOSTILE[:5], baseline=HOSTILE[1], canary=HOSTILE[4])
    measures = figures.measure(rollups, HOSTILE[1], HOSTILE[4], START, END)
    for name, chart in charts(measures, verdict).items():
        for text in texts(json.loads(chart.to_json())):
            assert "<script" not in text.lower(), name
            assert "<a " not in text.lower(), name
            assert "<img" not in text.lower(), name
            assert len(text) < 1200, name


def test_nothing_from_the_data_stands_in_a_template():
    """plotly fills in %{…} of a hovertemplate only, and those are constants."""
    verdict = sample_verdict(actions=HOSTILE[:5], baseline=HOSTILE[0], canary=HOSTILE[2])
    for trace in figures.ratio_heatmap(verdict).data:
        assert "pwned" not in trace.hovertemplate


def test_an_empty_range_says_so(nothing):
    for name in ("codes", "traffic", "quantiles", "distribution"):
        chart = charts(nothing, sample_verdict())[name]
        assert not chart.data
        assert "No request" in chart.layout.annotations[0].text


def test_a_cell_that_was_not_evaluated_is_crossed_out_and_has_no_ratio():
    chart = figures.ratio_heatmap(sample_verdict())
    blank, colours = chart.data
    missing = [(row, column) for row, cells in enumerate(blank.z) for column, z in enumerate(cells) if z is not None]
    assert len(missing) == 1
    row, column = missing[0]
    assert colours.z[row][column] is None
    assert any(shape.x0 < column < shape.x1 and shape.y1 < row < shape.y0 for shape in chart.layout.shapes)


def test_the_colour_is_the_least_that_is_shown():
    chart = figures.ratio_heatmap(
        replace(sample_verdict(), guards=(sample_guard(), sample_guard("4xx", ratio_low=0.5)))
    )
    shown, unsure = chart.data[1].z[0]
    assert shown == pytest.approx(0.7655, abs=1e-3)  # log2 of 1.7, the lower end of 2.9 [1.7, 5.1]
    assert unsure == 0


def test_a_worse_action_among_two_hundred_is_drawn():
    calm = [sample_guard(action=f"GET /{n}", state="met", e_value=0.1, flagged=False) for n in range(200)]
    worse = sample_guard(action="GET /worse", e_value=150.0, flagged=True)
    chart = figures.ratio_heatmap(replace(sample_verdict(), guards=(sample_guard(), *calm, worse)))
    assert chart.layout.yaxis.ticktext[:2] == ("<b>whole service</b>", "GET /worse")
    assert len(chart.layout.yaxis.ticktext) == 30
    assert "172 further actions" in chart.layout.xaxis.title.text


def test_the_moment_it_fired_is_marked():
    verdict = sample_verdict()
    chart = figures.evidence(verdict)
    assert any(note.text == f"<b>fired {verdict.fired:%H:%M:%S}</b>" for note in chart.layout.annotations)
    assert any(shape.y0 == shape.y1 == 100.0 for shape in chart.layout.shapes)


def test_evidence_without_a_window_says_so():
    verdict = sample_verdict()
    trace = replace(verdict.trace, times=verdict.trace.times[:0], combined=verdict.trace.combined[:0], guards={})
    assert "No window" in figures.evidence(replace(verdict, trace=trace)).layout.annotations[0].text


def test_changes_of_weight_are_marked_and_the_first_is_not_a_change(measures):
    chart = figures.traffic(measures, WEIGHTS)
    assert len(chart.layout.shapes) == 2
    assert {"25 %", "50 %"} <= {note.text for note in chart.layout.annotations}


def test_traffic_without_weights_says_so(measures):
    assert any("no weights are known" in note.text for note in figures.traffic(measures).layout.annotations)


def test_thresholds_are_marked_in_the_distribution(measures):
    chart = figures.latency_distribution(measures, sample_verdict())
    assert [shape.x0 for shape in chart.layout.shapes] == [26.0, 120.0, 240.0]


@pytest.mark.parametrize("verdict", ["promote", "rollback", "continue", "inconclusive"])
def test_the_banner_says_verdict_reason_and_exposure(verdict):
    panel = figures.verdict_banner(sample_verdict(verdict=verdict))
    assert f'class="verdict {verdict}"' in panel.html
    assert "11,880 requests" in panel.html
    assert "5xx of POST /checkout" in panel.html


@pytest.mark.parametrize("make", [figures.verdict_banner, figures.guard_table, figures.findings])
def test_hostile_text_is_never_markup_in_a_panel(make):
    verdict = sample_verdict(actions=HOSTILE[:5], baseline=HOSTILE[1], canary=HOSTILE[4], reason=" ".join(HOSTILE))
    html = make(verdict).html
    for bad in ("<script", "<img", "<a ", "<i>"):
        assert bad not in html


def test_the_table_holds_every_guard_the_worst_first():
    panel = figures.guard_table(sample_verdict())
    assert panel.html.count("<tr") == 1 + 30
    assert panel.html.index("POST /checkout") < panel.html.index("GET /product")


def test_no_finding_says_what_was_looked_for():
    verdict = sample_verdict()
    fine = replace(verdict, findings=(), guards=tuple(g for g in verdict.guards if g.state != "not evaluated"))
    assert "every guard was evaluated" in figures.findings(fine, WEIGHTS).text
    assert "No weights are known" in figures.findings(fine).html


def test_what_was_not_evaluated_is_a_finding():
    assert "p99 of POST /checkout" in figures.findings(replace(sample_verdict(), findings=())).html
