"""Every figure draws its data in the colours of the roles, and shows a message when there is nothing to draw."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from pratique import figures
from pratique.figures.theme import BLUE, VERMILION
from pratique.telemetry.rollups import Rollups
from support.incident_values import hostile_investigation, nothing_shown, sample_investigation
from support.report_samples import HOSTILE, MINUTES, START, WEIGHTS, sample_guard, sample_rollups, sample_verdict

END = START + timedelta(minutes=MINUTES)


@pytest.fixture(scope="module")
def series():
    return figures.request_series(sample_rollups(), "r2", "r3", START, END)


@pytest.fixture(scope="module")
def nothing():
    return figures.request_series(Rollups.empty(), "r2", "r3", START, END)


def charts(series, verdict):
    return {
        "heatmap": figures.ratio_heatmap(verdict),
        "codes": figures.status_codes(series),
        "traffic": figures.traffic(series, WEIGHTS),
        "quantiles": figures.latency_quantiles(series),
        "distribution": figures.latency_distribution(series, verdict),
        "evidence": figures.evidence_over_time(verdict),
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


def test_each_figure_has_an_alt_text(series):
    for name, chart in charts(series, sample_verdict()).items():
        assert chart.layout.meta["alt"].endswith("."), name


def test_a_revision_has_the_same_colour_in_every_figure(series):
    for name in ("codes", "traffic", "quantiles", "distribution"):
        chart = charts(series, sample_verdict())[name]
        for trace in chart.data:
            if trace.name and trace.name.startswith(("baseline", "canary")):
                color = trace.line.color or trace.marker.color
                assert color == (BLUE if trace.name.startswith("baseline") else VERMILION), name


def test_hostile_text_never_becomes_markup_in_a_figure():
    rollups = sample_rollups(names={"r2": HOSTILE[1], "r3": HOSTILE[4]})
    verdict = sample_verdict(actions=HOSTILE[:5], baseline=HOSTILE[1], canary=HOSTILE[4])
    series = figures.request_series(rollups, HOSTILE[1], HOSTILE[4], START, END)
    for name, chart in charts(series, verdict).items():
        for text in texts(json.loads(chart.to_json())):
            assert "<script" not in text.lower(), name
            assert "<a " not in text.lower(), name
            assert "<img" not in text.lower(), name
            assert len(text) < 1200, name


def test_hover_templates_contain_no_data():
    """plotly fills in %{…} in hover templates only, and those are constants."""
    verdict = sample_verdict(actions=HOSTILE[:5], baseline=HOSTILE[0], canary=HOSTILE[2])
    for trace in figures.ratio_heatmap(verdict).data:
        assert "pwned" not in trace.hovertemplate


def test_figures_of_an_empty_range_say_that_there_are_no_requests(nothing):
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


def test_the_colour_is_the_bound_nearest_to_1():
    chart = figures.ratio_heatmap(
        replace(sample_verdict(), guards=(sample_guard(), sample_guard("4xx", ratio_low=0.5)))
    )
    shown, unsure = chart.data[1].z[0]
    assert shown == pytest.approx(0.7655, abs=1e-3)  # log2 of 1.7, the lower end of 2.9 [1.7, 5.1]
    assert unsure == 0


def test_a_worse_action_among_200_is_drawn():
    calm = [sample_guard(action=f"GET /{n}", state="met", e_value=0.1, flagged=False) for n in range(200)]
    worse = sample_guard(action="GET /worse", e_value=150.0, flagged=True)
    chart = figures.ratio_heatmap(replace(sample_verdict(), guards=(sample_guard(), *calm, worse)))
    assert chart.layout.yaxis.ticktext[:2] == ("<b>whole service</b>", "GET /worse")
    assert len(chart.layout.yaxis.ticktext) == 30
    assert "172 further actions" in chart.layout.xaxis.title.text


def test_the_time_at_which_the_evidence_fired_is_marked():
    verdict = sample_verdict()
    chart = figures.evidence_over_time(verdict)
    assert any(note.text == f"<b>fired {verdict.fired:%H:%M:%S}</b>" for note in chart.layout.annotations)
    assert any(shape.y0 == shape.y1 == 100.0 for shape in chart.layout.shapes)


def test_evidence_without_windows_says_that_none_was_judged():
    verdict = sample_verdict()
    trace = replace(verdict.trace, times=verdict.trace.times[:0], combined=verdict.trace.combined[:0], guards={})
    assert "No window" in figures.evidence_over_time(replace(verdict, trace=trace)).layout.annotations[0].text


def test_weight_changes_are_marked_but_the_first_weight_is_not(series):
    chart = figures.traffic(series, WEIGHTS)
    assert len(chart.layout.shapes) == 2
    assert {"25 %", "50 %"} <= {note.text for note in chart.layout.annotations}


def test_traffic_without_weights_says_that_none_are_recorded(series):
    assert any("no weights recorded" in note.text for note in figures.traffic(series).layout.annotations)


@pytest.mark.parametrize("figure", [figures.ratio_heatmap, figures.evidence_over_time])
def test_a_figure_without_a_verdict_says_that_nothing_was_judged(figure):
    chart = figure(None)
    assert not chart.data
    assert "Nothing was judged" in chart.layout.annotations[0].text


@pytest.mark.parametrize("panel", [figures.verdict_banner, figures.guard_table, figures.findings])
def test_a_panel_without_a_verdict_says_that_nothing_was_judged(panel):
    assert "Nothing was judged" in panel(None).html
    assert "Nothing was judged" in panel(None).text


def test_the_distribution_is_drawn_without_a_verdict(series):
    chart = figures.latency_distribution(series)
    assert len(chart.data) == 4
    assert not chart.layout.shapes


def test_latency_thresholds_are_marked_in_the_distribution(series):
    chart = figures.latency_distribution(series, sample_verdict())
    assert [shape.x0 for shape in chart.layout.shapes] == [26.0, 120.0, 240.0]


@pytest.mark.parametrize("verdict", ["promote", "rollback", "continue", "inconclusive"])
def test_the_banner_shows_verdict_reason_and_requests(verdict):
    panel = figures.verdict_banner(sample_verdict(verdict=verdict))
    assert f'class="verdict {verdict}"' in panel.html
    assert "11,880 requests" in panel.html
    assert "5xx of POST /checkout" in panel.html


def test_on_a_phone_many_guards_have_a_mark_instead_of_a_number():
    names = [f"code 30{number}" for number in range(8)]
    found = sample_verdict(guards=tuple(sample_guard(name) for name in names))
    changes = figures.ratio_heatmap(found).layout.meta["narrow"]
    assert [changes[f"annotations.{number}.text"] for number in range(8)] == ["▲"] * 8
    assert changes["xaxis.tickangle"] == -90


def test_the_banner_begins_with_words_and_continues_with_the_numbers():
    cause = sample_guard("5xx", "POST /checkout", ratio=11.2, e_value_fired=412.0)
    found = sample_verdict(summary="POST /checkout fails more often: 3.0 % of its requests are 5xx", cause=cause)
    panel = figures.verdict_banner(found)
    shown = panel.html.replace("\u00a0", " ")
    words, numbers = (
        shown.index('<p class="reason">POST /checkout fails more often'),
        shown.index('<p class="numbers">'),
    )
    assert words < numbers
    assert "POST /checkout 5xx: 11x [1.7, 5.1], 31/1,020 canary against 98/9,310 baseline" in shown
    assert f"evidence 412 of 100 needed at {found.fired:%H:%M:%S}" in shown
    assert panel.text.startswith("rollback: POST /checkout fails more often")


def test_the_table_shows_one_time_of_firing_and_the_evidence_of_then_and_now():
    changed = replace(sample_guard(), e_value=1.2, e_value_fired=412.0)
    found = sample_verdict(guards=(changed,))
    html = figures.guard_table(found).html
    assert f"412<small>at {found.fired:%H:%M:%S}</small><small>1.2 at the end</small>" in html
    assert f"{changed.first_fired:%H:%M:%S}" not in html


def test_a_suspect_is_marked_in_table_and_heatmap_but_not_called_worse():
    found = sample_verdict(guards=(sample_guard(state="suspect"),), verdict="continue", fired=None)
    html = figures.guard_table(found).html
    assert "△ suspect" in html
    assert "worse" not in html
    assert any("△" in note.text for note in figures.ratio_heatmap(found).layout.annotations)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"ratio": None}, "unknown"),
        ({"ratio": 20.1}, "> 20x"),
        ({"ratio": 20.1, "bad": {"r2": 0, "r3": 31}}, "∞"),
        ({"ratio": None, "bad": {"r2": 0, "r3": 12}}, "∞"),
        ({"ratio": None, "ratio_low": 0.0, "bad": {"r2": 0, "r3": 12}}, "unknown"),
        ({"ratio": 0.05, "bad": {"r2": 98, "r3": 0}}, "0x"),
    ],
)
def test_infinite_capped_and_unknown_ratios_are_written_as_such(changes, shown):
    found = sample_verdict(guards=(sample_guard(**changes),))
    assert shown in figures.guard_table(found).html
    assert any(shown in note.text for note in figures.ratio_heatmap(found).layout.annotations)


@pytest.mark.parametrize("make", [figures.verdict_banner, figures.guard_table, figures.findings])
def test_hostile_text_never_becomes_markup_in_a_panel(make):
    verdict = sample_verdict(actions=HOSTILE[:5], baseline=HOSTILE[1], canary=HOSTILE[4], reason=" ".join(HOSTILE))
    html = make(verdict).html
    for bad in ("<script", "<img", "<a ", "<i>"):
        assert bad not in html


def test_the_table_lists_every_guard_the_worst_first():
    panel = figures.guard_table(sample_verdict())
    assert panel.html.count("<tr") == 1 + 30
    assert panel.html.index("POST /checkout") < panel.html.index("GET /product")


def test_without_findings_the_panel_lists_the_checks_that_passed():
    verdict = sample_verdict()
    fine = replace(verdict, findings=(), guards=tuple(g for g in verdict.guards if g.state != "not evaluated"))
    assert "every guard was evaluated" in figures.findings(fine, WEIGHTS).text
    assert "No weights are recorded" in figures.findings(fine).html


def test_a_guard_that_was_not_evaluated_is_listed_as_a_finding():
    assert "p99 of POST /checkout" in figures.findings(replace(sample_verdict(), findings=())).html


INCIDENT_CHARTS = [figures.onset, figures.places, figures.evidence]
INCIDENT_PANELS = [figures.incident_banner, figures.suspects, figures.unaffected, figures.incident_findings]


@pytest.mark.parametrize("draw", INCIDENT_CHARTS)
def test_hostile_text_never_becomes_markup_in_a_figure_of_an_incident(draw):
    for text in texts(json.loads(draw(hostile_investigation(HOSTILE)).to_json())):
        for bad in ("<script", "<img", "<a ", "<i>"):
            assert bad not in text.lower()
        assert len(text) < 1200


@pytest.mark.parametrize("make", INCIDENT_PANELS)
def test_hostile_text_never_becomes_markup_in_a_panel_of_an_incident(make):
    html = make(hostile_investigation(HOSTILE)).html
    for bad in ("<script", "<img", "<a ", "<i>"):
        assert bad not in html


@pytest.mark.parametrize("make", [*INCIDENT_CHARTS, *INCIDENT_PANELS])
def test_every_panel_of_an_incident_has_a_text_for_the_terminal(make):
    for found in (sample_investigation(), nothing_shown()):
        assert make(found).text.strip()


@pytest.mark.parametrize("draw", INCIDENT_CHARTS)
def test_every_figure_of_an_incident_has_an_alt_text(draw):
    for found in (sample_investigation(), nothing_shown()):
        assert draw(found).layout.meta["alt"].endswith(".")
