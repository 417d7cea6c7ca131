"""Deployments, canaries and incidents over time: a row for each service, and below it its incidents and waiting commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from pratique.delivery.deployments import BY_HAND, Trial
from pratique.delivery.history import History
from pratique.figures.labels import label
from pratique.figures.theme import BLUE, FULL_BLUE, INK, MUTED, PURPLE, SKY, VERMILION, WHITE, Chart, empty, figure
from pratique.ledger.serving_periods import ServingPeriod

ALT = "Which revision served when, deployments that failed, canaries that were stopped, and incidents, over time."
NOTHING = "No release in this period."
ROW_PX = 44
LABELLED = 0.035
"""Part of the width from which a bar has room for the name of its revision."""
OUTCOMES = {
    "rollback": ("x", VERMILION, "stopped by the judge"),
    BY_HAND: ("diamond-open", PURPLE, "stopped by a person"),
    "inconclusive": ("circle-open", MUTED, "inconclusive"),
}
"""Symbol, colour and words of a canary that did not get all of the traffic."""


def release_timeline(histories: Sequence[History]) -> Chart:
    """Draw the releases of one or several services: bars of revisions that served, marks of canaries, bands of incidents."""
    shown = [history for history in histories if history.record.since is not None]
    if not shown:
        return empty(NOTHING, alt=ALT)
    start, end = shown[0].metrics.asked.start, shown[0].metrics.asked.end
    traces: list[Any] = []
    rows: list[str] = []
    for history in shown:
        row = -len(rows)
        rows += [label(history.service, 16), "incidents", "waiting commits"]
        traces += [
            *_served(history, row, start, end),
            *_failed(history, row),
            *_trials(history, row),
            *_incidents(history, row - 1, end),
            *_waiting(history, row - 2, start, end),
        ]
    return figure(
        traces,
        height=ROW_PX * len(rows) + 120,
        alt=ALT,
        text="",
        margin={"t": 52, "b": 40},
        barmode="overlay",
        bargap=0.35,
        legend={"traceorder": "normal"},
        xaxis={"type": "date", "range": [start, end], "title": {"text": "time (UTC)"}},
        yaxis={"tickvals": [-row for row in range(len(rows))], "ticktext": rows, "range": [0.6 - len(rows), 0.6], "showgrid": False},
        hovermode="closest",
        narrow={"showlegend": False, "margin.t": 12},
    )  # fmt: skip


def _served(history: History, row: int, start: datetime, end: datetime) -> list[go.Bar]:
    found = [
        (period, max(period.start, start), min(period.end or end, end))
        for period in history.record.serving
        if period.start < end and (period.end or end) > start
    ]
    if not found:
        return []
    width = (end - start).total_seconds()
    texts = [
        label(period.revision, 12) if (to - since).total_seconds() > LABELLED * width else ""
        for period, since, to in found
    ]
    return [
        go.Bar(
            name="served",
            legendgroup="served",
            showlegend=row == 0,
            orientation="h",
            y=[row] * len(found),
            base=[since for _, since, _ in found],
            x=[(to - since).total_seconds() * 1000 for _, since, to in found],
            marker={"color": [FULL_BLUE if index % 2 else SKY for index in range(len(found))]},
            text=texts,
            textposition="inside",
            insidetextanchor="start",
            constraintext="none",
            textfont={"color": [WHITE if index % 2 else "#1c2127" for index in range(len(found))], "size": 12},
            customdata=[_words(period) for period, _, _ in found],
            hovertemplate="%{customdata}<extra></extra>",
        )
    ]


def _words(period: ServingPeriod) -> str:
    until = f"{period.end:%Y-%m-%d %H:%M}" if period.end else "now"
    how = "after a rollback" if period.by_rollback else f"run {label(period.run, 60)}" if period.run else "first"
    return f"{label(period.revision, 60)}: {period.start:%Y-%m-%d %H:%M} to {until}, {how}"


def _failed(history: History, row: int) -> list[go.Scatter]:
    failures = history.metrics.fail_rate.failures
    if not failures:
        return []
    return [
        _points(
            "failed",
            [failure.deployment.time for failure in failures],
            row + 0.36,
            {"symbol": "triangle-down", "size": 13, "color": VERMILION, "line": {"width": 1, "color": INK}},
            hover="%{x|%Y-%m-%d %H:%M} %{customdata}",
            words=[
                f"{label(failure.deployment.revision, 40)} failed: {label(', '.join(failure.incidents) or 'rolled back', 80)}"
                for failure in failures
            ],
        )
    ]


def _trials(history: History, row: int) -> list[go.Scatter]:
    found = []
    for verdict, (symbol, color, words) in OUTCOMES.items():
        trials = [trial for trial in history.metrics.canaries.trials if trial.verdict == verdict]
        if trials:
            found.append(_marks(trials, row, symbol, color, words))
    return found


def _marks(trials: Sequence[Trial], row: int, symbol: str, color: str, words: str) -> go.Scatter:
    return _points(
        words,
        [trial.first_share for trial in trials],
        row - 0.4,
        {"symbol": symbol, "size": 10, "color": color, "line": {"width": 2, "color": color}},
        hover="%{x|%Y-%m-%d %H:%M} %{customdata}: " + words,
        words=[f"{label(trial.revision, 40)}, run {label(trial.run, 60)}" for trial in trials],
    )


def _points(
    name: str,
    times: Sequence[datetime],
    row: float,
    marker: dict[str, Any],
    *,
    hover: str,
    words: Sequence[str] | None = None,
) -> go.Scatter:
    """One mark at each time. hover: plotly's template; words: its customdata, a text for each mark."""
    return go.Scatter(
        name=name, legendgroup=name, x=times, y=[row] * len(times), mode="markers", marker=marker, customdata=words,
        hovertemplate=f"{hover}<extra></extra>",
    )  # fmt: skip


def _incidents(history: History, row: int, end: datetime) -> list[go.Scatter]:
    """One line for all incidents, with a gap after each."""
    ended = {name: failure.ended for failure in history.failures for name in failure.incidents}
    times: list[datetime | None] = []
    words: list[str] = []
    symbols: list[str] = []
    for incident in history.incidents:
        over = incident.restored or ended.get(incident.id)
        until = f"until {over:%Y-%m-%d %H:%M}" if over else "open"
        times += [incident.began, over or end, None]
        words += [f"{label(incident.id, 30)} {label(incident.title, 80)}, {until}"] * 3
        symbols += ["line-ns", "line-ns" if over else "triangle-right", "line-ns"]
    if not times:
        return []
    return [
        go.Scatter(
            name="incident",
            legendgroup="incident",
            x=times,
            y=[row] * len(times),
            mode="lines+markers",
            # else only the half of an arrow at the end of the period is drawn
            cliponaxis=False,
            line={"color": PURPLE, "width": 8},
            marker={"symbol": symbols, "size": [16 if symbol == "triangle-right" else 10 for symbol in symbols],
                    "color": PURPLE, "line": {"width": 3, "color": PURPLE}},
            # a title may hold what plotly would fill in: it is data, not part of the template
            customdata=words,
            hovertemplate="%{customdata}<extra></extra>",
        )
    ]  # fmt: skip


def _waiting(history: History, row: int, start: datetime, end: datetime) -> list[go.Scatter]:
    times = [time for time in history.commits.waiting if start <= time < end]
    if not times:
        return []
    marker = {"symbol": "line-ns", "size": 12, "line": {"width": 1.5, "color": BLUE}}
    return [_points("waiting commit", times, row, marker, hover="committed %{x|%Y-%m-%d %H:%M}")]
