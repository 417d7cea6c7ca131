"""The expected times of a release: until a good one is promoted, and until a bad one is found, beside the deadline."""

from __future__ import annotations

import math

import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.theme import (
    GREEN,
    INK,
    LEGEND_T,
    ORANGE,
    SURFACE,
    VERMILION,
    Chart,
    empty,
    figure,
    note,
    vertical,
)
from pratique.planning.forecast import Duration, Forecast, GuardForecast
from pratique.planning.plan import Plan
from pratique.planning.text import both, minutes

ALT = "Expected times until a good release is promoted and until a bad one is found, by guard, beside the deadline."
TICKS = {1 / 6: "10 s", 0.5: "30 s", 1: "1 min", 3: "3 min", 10: "10 min", 30: "30 min", 120: "2 h", 360: "6 h"}
LONG_TICKS = {1440: "1 d", 7200: "5 d", 43200: "30 d"}
SPREAD = 0.5
"""Height of the lines of one row, in rows."""


def expected_times(plan: Plan | None) -> Chart:
    """Draw each guard's expected times on a logarithmic axis: a marker at the median, a line up to the 90 % quantile."""
    if plan is None:
        return empty("There is no forecast: the store has no traffic of the service, or the rollout is over.", alt=ALT)
    found = plan.forecast
    rows = [*found.guards, found.release]
    series = _series(found)
    traces = [_trace(rows, *line, place=_place(index, len(series))) for index, line in enumerate(series)]
    low, high = _range(found, rows)
    ticks = {at: text for at, text in (TICKS | LONG_TICKS).items() if low <= at <= high}
    deadline = vertical(found.deadline_min, color=INK, dash="dash", width=1.4)
    early = math.log(found.deadline_min / low) < 0.6 * math.log(high / low)
    side = {"xanchor": "left", "xshift": 5} if early else {"xanchor": "right", "xshift": -5}
    where = {"x": math.log10(found.deadline_min), "y": 1, "yref": "paper", "yanchor": "top"}
    name = note(f"deadline {minutes(found.deadline_min)}", bgcolor=SURFACE, **where, **side)
    names = [f"<b>{row.name}</b>" if row is found.release else label(row.name, 16) for row in rows]
    return figure(
        traces,
        height=120 + 56 * len(rows),
        alt=ALT,
        shapes=[deadline],
        annotations=[name | {"font": {"color": INK, "size": 12}}],
        margin={"t": LEGEND_T, "b": 8, "r": 24},
        xaxis={
            "type": "log",
            "range": [math.log10(low), math.log10(high)],
            "tickvals": list(ticks),
            "ticktext": list(ticks.values()),
            "title": {"text": "time from the canary's first request (log scale)"},
        },
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": names,
            "range": [len(rows) - 0.4, -0.85],
            "showgrid": False,
            "tickfont": {"size": 13, "color": INK},
        },
    )


def _series(found: Forecast) -> list[tuple[str, str, str, float | None]]:
    """Name, colour, marker and factor of each series; the promotion has no factor."""
    factors = sorted(found.release.found, reverse=True)
    styles = [(VERMILION, "diamond"), (ORANGE, "square"), (INK, "triangle-up")]
    worse = [
        (f"{factor:g}x worse: found", *styles[index % len(styles)], factor) for index, factor in enumerate(factors)
    ]
    return [("good: promoted", GREEN, "circle", None), *worse]


def _place(index: int, number: int) -> float:
    return 0.0 if number == 1 else SPREAD * (index / (number - 1) - 0.5)


def _of(row: GuardForecast, factor: float | None) -> Duration:
    return row.promoted if factor is None else row.found[factor]


def _trace(
    rows: list[GuardForecast], name: str, color: str, symbol: str, factor: float | None, *, place: float
) -> go.Scatter:
    known: list[tuple[int, str, float, float]] = []
    for index, row in enumerate(rows):
        duration = _of(row, factor)
        if duration.median is not None:
            late = duration.median if duration.p90 is None else duration.p90
            known.append((index, both(duration), duration.median, late - duration.median))
    return go.Scatter(
        x=[median for _, _, median, _ in known],
        y=[index + place for index, *_ in known],
        mode="markers",
        name=name,
        marker={"color": color, "symbol": symbol, "size": 10, "line": {"color": SURFACE, "width": 1}},
        error_x={
            "array": [more for *_, more in known],
            "arrayminus": [0] * len(known),
            "color": color,
            "thickness": 3,
            "width": 0,
        },
        customdata=[text for _, text, *_ in known],
        hovertemplate=f"{name}: %{{customdata}}<extra></extra>",
    )


def _range(found: Forecast, rows: list[GuardForecast]) -> tuple[float, float]:
    times = [found.deadline_min]
    for row in rows:
        for duration in (row.promoted, *row.found.values()):
            times += [time for time in (duration.median, duration.p90) if time is not None]
    return min(times) * 0.7, max(times) * 1.4
