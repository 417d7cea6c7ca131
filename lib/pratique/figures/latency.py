"""Latency quantiles over time with confidence bands, and the latency distributions of both revisions."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.series import Counts, Floats, RequestSeries, quantile, quantile_band
from pratique.figures.theme import INK, LEGEND_T, ROLES, Chart, Role, empty, figure, note, vertical
from pratique.judge.model import SERVICE, Verdict
from pratique.number_text import duration, span

QUANTILES = (0.5, 0.95, 0.99)
ROWS = ((0.71, 1.0), (0.36, 0.64), (0.0, 0.29))
HALVES = ((0.56, 1.0), (0.0, 0.44))
UNTIMED = "No request from either revision has a duration in this time range."
ALT_QUANTILES = "Median, p95 and p99 latency over time with 95 % confidence bands, for both revisions."
ALT_DISTRIBUTION = "Latency distribution of both revisions, and the share of requests slower than each duration."


def latency_quantiles(series: RequestSeries) -> Chart:
    """Draw median, p95 and p99 over time, each with its 95 % confidence band.

    A bin with too few requests for a quantile (100 for p99) has no point.
    """
    if not _timed(series):
        return empty(UNTIMED, alt=ALT_QUANTILES)
    traces: list[go.Scatter] = []
    for number, share in enumerate(QUANTILES):
        axis = "y" if number == 0 else f"y{number + 1}"
        for role, revision in zip(ROLES, series.revisions, strict=True):
            traces += _banded(series, role, revision, share, axis)
    rows: dict[str, Any] = {
        f"yaxis{number + 1 if number else ''}": _milliseconds(row) for number, row in enumerate(ROWS)
    }
    return figure(
        traces,
        height=600,
        alt=ALT_QUANTILES,
        annotations=[_title(f"<b>{_quantile_name(q)}</b>, ms", row[1]) for q, row in zip(QUANTILES, ROWS, strict=True)],
        xaxis={
            "type": "date",
            "anchor": "y3",
            "title": {"text": f"time (UTC), bins of {span(series.bin_s)}"},
            "range": [series.start, series.end],
        },
        margin={"t": LEGEND_T},
        **rows,
    )


def latency_distribution(series: RequestSeries, verdict: Verdict | None = None) -> Chart:
    """Draw both distributions on top of each other, and below them the share of requests slower than each duration.

    With a verdict, the thresholds of the service's latency guards are marked.
    """
    if not _timed(series):
        return empty(UNTIMED, alt=ALT_DISTRIBUTION)
    traces = [
        trace
        for role, revision in zip(ROLES, series.revisions, strict=True)
        for trace in _distribution(series, role, revision)
    ]
    thresholds = _thresholds(verdict)
    low, high = _range(series)
    ticks = _ticks(low, high)
    return figure(
        traces,
        height=520,
        alt=ALT_DISTRIBUTION,
        shapes=[vertical(value) for _, value in thresholds],
        annotations=[
            _title("<b>share of requests at each duration</b>", HALVES[0][1]),
            _title("<b>share of requests slower than</b> (log scale)", HALVES[1][1]),
            *(
                _threshold(*named, number, right=named[1] > _middle(low, high))
                for number, named in enumerate(thresholds)
            ),
        ],
        narrow={"xaxis.tickvals": ticks[::2], "xaxis.ticktext": [duration(tick) for tick in ticks[::2]]},
        xaxis={
            "type": "log",
            "anchor": "y2",
            "title": {"text": "duration (log scale)"},
            "range": [np.log10(low), np.log10(high)],
            "tickmode": "array",
            "tickvals": ticks,
            "ticktext": [duration(tick) for tick in ticks],
        },
        yaxis={"domain": list(HALVES[0]), "anchor": "x", "tickformat": ".2~%", "rangemode": "tozero", "nticks": 5},
        yaxis2={
            "domain": list(HALVES[1]),
            "anchor": "x",
            "type": "log",
            "tickformat": ".3~%",
            "dtick": 1,
            "range": _tail(series),
        },
        margin={"t": LEGEND_T},
    )


def _thresholds(verdict: Verdict | None) -> list[tuple[str, float]]:
    return [
        (label(result.guard, 12), result.threshold_ms)
        for result in (verdict.guards if verdict is not None else ())
        if result.action == SERVICE and result.threshold_ms
    ]


def _timed(series: RequestSeries) -> bool:
    return any(int(histogram.sum()) > 0 for histogram in series.histogram.values())


def _quantile_name(share: float) -> str:
    return "median" if share == 0.5 else f"p{100 * share:g}"


def _banded(series: RequestSeries, role: Role, revision: str, share: float, axis: str) -> list[go.Scatter]:
    histogram = series.histogram[revision]
    enough = histogram.sum(axis=-1) * min(share, 1.0 - share) >= 1.0
    value = np.where(enough, quantile(histogram, series.buckets, share), np.nan)
    low, high = (np.where(enough, side, np.nan) for side in quantile_band(histogram, series.buckets, share))
    common = {"x": series.middles, "yaxis": axis, "legendgroup": role.name}
    edge = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip", "connectgaps": False}
    return [
        go.Scatter(y=low, **common, **edge),
        go.Scatter(y=high, fill="tonexty", fillcolor=role.fill(0.16), **common, **edge),
        go.Scatter(
            y=value,
            mode="lines+markers",
            name=role.legend(revision),
            showlegend=share == QUANTILES[0],
            line={"color": role.color, "dash": role.dash, "width": role.width},
            marker={"symbol": role.symbol, "size": 5},
            customdata=np.stack([low, high], axis=-1),
            hovertemplate=f"{role.name}: %{{y:,.3~g}} ms [%{{customdata[0]:,.3~g}}, %{{customdata[1]:,.3~g}}]<extra></extra>",
            **common,
        ),
    ]


def _distribution(series: RequestSeries, role: Role, revision: str) -> list[go.Scatter]:
    counts = series.histogram[revision].sum(axis=0)
    total = max(int(counts.sum()), 1)
    group = _grouping(int(counts.sum()))
    edges, density = _grouped(counts / total, series.buckets, group)
    slower = 1.0 - np.concatenate([[0.0], np.cumsum(counts)]) / total
    bounds = np.exp2(np.concatenate([series.buckets, [series.buckets[-1] + 1]]) / 16.0)
    tail = np.where(slower > 0.4 / total, slower, np.nan)
    line = {"color": role.color, "dash": role.dash, "width": role.width}
    common = {"mode": "lines", "legendgroup": role.name}
    return [
        go.Scatter(
            x=edges,
            y=density,
            line=line | {"shape": "hv"},
            fill="tozeroy",
            fillcolor=role.fill(0.12),
            name=role.legend(revision),
            hovertemplate=f"{role.name}: %{{y:.2~%}} near %{{x:,.3~g}} ms<extra></extra>",
            **common,
        ),
        go.Scatter(
            x=bounds,
            y=tail,
            yaxis="y2",
            line=line,
            showlegend=False,
            hovertemplate=f"{role.name}: %{{y:.3~%}} slower than %{{x:,.3~g}} ms<extra></extra>",
            **common,
        ),
    ]


def _grouping(requests: int) -> int:
    """Buckets per step: fewer requests get wider steps, because noise must not look like shape."""
    return 1 if requests >= 20_000 else 2 if requests >= 2_000 else 4


def _grouped(shares: Floats, buckets: Counts, group: int) -> tuple[Floats, Floats]:
    first = int(buckets[0]) // group * group
    padded = np.zeros(-(-(int(buckets[-1]) + 1 - first) // group) * group)
    padded[buckets - first] = shares
    # per bucket, so that steps of different widths compare
    density = padded.reshape(-1, group).mean(axis=1)
    edges = np.exp2((first + group * np.arange(len(density) + 1)) / 16.0)
    return edges, np.concatenate([density, [0.0]])


def _range(series: RequestSeries) -> tuple[float, float]:
    """The range of durations to draw: all but the outermost 0.05 % of either revision."""
    ends = [
        quantile(histogram.sum(axis=0)[None, :], series.buckets, share)[0]
        for histogram in series.histogram.values()
        for share in (0.0005, 0.9995)
        if histogram.sum()
    ]
    return float(min(ends)) / 1.15, float(max(ends)) * 1.15


def _tail(series: RequestSeries) -> list[float]:
    most = max(int(histogram.sum()) for histogram in series.histogram.values())
    return [float(np.log10(max(0.4 / most, 3e-4))), 0.05]


def _ticks(low: float, high: float) -> list[float]:
    steps = [base * 10.0**power for power in range(-3, 8) for base in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    return inside if len(inside) <= 8 else [step for step in inside if f"{step:e}"[0] == "1"]


def _milliseconds(row: tuple[float, float]) -> dict[str, Any]:
    return {"domain": list(row), "rangemode": "tozero", "nticks": 5, "anchor": "x", "tickformat": ",.3~g"}


def _title(text: str, y: float) -> dict[str, Any]:
    return note(text, x=0, xref="paper", xanchor="left", y=y, yref="paper", yanchor="bottom") | {
        "font": {"color": INK, "size": 13}
    }


def _middle(low: float, high: float) -> float:
    return float(np.sqrt(low * high))


def _threshold(name: str, value: float, number: int, *, right: bool) -> dict[str, Any]:
    # neighbours would overlap, so each label is one line lower than the one before
    where = {"x": float(np.log10(value)), "y": HALVES[0][1] - 0.045 * number, "yref": "paper", "yanchor": "top"}
    side = {"xanchor": "right", "xshift": -3} if right else {"xanchor": "left", "xshift": 3}
    return note(f"{name} {duration(value)}", **side, **where)
