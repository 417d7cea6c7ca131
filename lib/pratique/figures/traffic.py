"""Request rate, canary share and 5xx share over time, with each change of weight marked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pratique.figures.series import Counts, Floats, RequestSeries
from pratique.figures.theme import INK, LEGEND_T, ROLES, Chart, Role, empty, figure, note, vertical
from pratique.judge.model import WeightChanges
from pratique.number_text import percent, span

ALT = "Requests per second, canary share beside its configured weight, and 5xx share, over time."
ROWS = ((0.70, 1.0), (0.36, 0.62), (0.0, 0.28))


def traffic(series: RequestSeries, weights: WeightChanges = ()) -> Chart:
    """Draw requests per second, the canary share of traffic, and the 5xx share, one above the other.

    weights: changes of the configured weights, (time UTC, revision → share from 0 to 1), oldest first. Each
    change is marked in all three rows; the canary's weight is drawn beside its measured share.
    """
    requests = {revision: series.requests(revision) for revision in series.revisions}
    if not any(values.sum() for values in requests.values()):
        return empty("No requests from either revision in this time range.", alt=ALT)
    traces: list[go.Scatter] = []
    for role, revision in zip(ROLES, series.revisions, strict=True):
        rate = requests[revision] / series.bin_s
        traces.append(_line(series, role, rate, "y", "%{y:,.3~g} requests/s", name=role.legend(revision)))
        failed = _share(series.of_class(revision, 5), requests[revision])
        traces.append(_line(series, role, failed, "y3", "%{y:.3~%} 5xx"))
    measured = _share(requests[series.canary], sum(requests.values(), start=np.zeros_like(series.times, np.int64)))
    traces.append(_line(series, ROLES[1], measured, "y2", "%{y:.3~%} measured"))
    traces += _weights(series, weights)
    marks = [vertical(time) for time in changes(weights, series)]
    return figure(
        traces,
        height=560,
        alt=ALT,
        shapes=marks,
        annotations=_titles(series, weights),
        xaxis={
            "type": "date",
            "anchor": "y3",
            "title": {"text": "time (UTC)"},
            "range": [series.start, series.end],
        },
        yaxis=_axis(ROWS[0], ",.3~g"),
        yaxis2=_axis(ROWS[1], ".3~%") | {"range": [0.0, _headroom(traces)]},
        yaxis3=_axis(ROWS[2], ".3~%"),
        margin={"t": LEGEND_T},
    )


def changes(weights: WeightChanges, series: RequestSeries) -> list[datetime]:
    """The times at which the canary's weight changed, within the drawn range."""
    found, before = [], None
    for time, shares, *_ in weights:
        share = shares.get(series.canary, 0.0)
        if share != before and series.start < time < series.end:
            found.append(time)
        before = share
    return found


def _share(part: Counts, whole: Counts) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return share


def _line(
    series: RequestSeries, role: Role, values: Floats, axis: str, hover: str, name: str | None = None
) -> go.Scatter:
    return go.Scatter(
        x=series.middles,
        y=values,
        yaxis=axis,
        mode="lines+markers",
        name=name or role.name,
        showlegend=name is not None,
        line={"color": role.color, "dash": role.dash, "width": role.width},
        marker={"symbol": role.symbol, "size": 5},
        hovertemplate=f"{role.name}: {hover}<extra></extra>",
    )


def _weights(series: RequestSeries, weights: WeightChanges) -> list[go.Scatter]:
    inside = [
        (max(time, series.start), shares.get(series.canary, 0.0)) for time, shares, *_ in weights if time < series.end
    ]
    if not inside:
        return []
    times = [time for time, _ in inside] + [series.end]
    shares = [share for _, share in inside] + [inside[-1][1]]
    return [
        go.Scatter(
            x=times,
            y=shares,
            yaxis="y2",
            mode="lines",
            name="configured weight",
            line={"color": INK, "dash": "dash", "width": 1.6, "shape": "hv"},
            hovertemplate="weight: %{y:.3~%}<extra></extra>",
        )
    ]


def _titles(series: RequestSeries, weights: WeightChanges) -> list[dict[str, Any]]:
    texts = (
        f"<b>requests per second</b> (bins of {span(series.bin_s)})",
        "<b>canary share of traffic</b>" + ("" if weights else " (no weights recorded)"),
        "<b>5xx share</b> of each revision's requests",
    )
    rows = [
        note(text, x=0, xref="paper", xanchor="left", y=top, yref="paper", yanchor="bottom")
        | {"font": {"color": INK, "size": 13}}
        for text, (_, top) in zip(texts, ROWS, strict=True)
    ]
    known = {time: shares for time, shares, *_ in weights}
    return rows + [
        note(
            percent(known[time].get(series.canary, 0.0)),
            x=time,
            y=ROWS[1][1],
            yref="paper",
            yanchor="top",
            xanchor="left",
            xshift=3,
        )
        for time in changes(weights, series)
    ]


def _headroom(traces: Sequence[go.Scatter]) -> float:
    """The top of the share axis: above the highest value there is room for a line of weight labels."""
    drawn = [value for trace in traces if trace.yaxis == "y2" for value in trace.y if np.isfinite(value)]
    return 1.35 * max(drawn, default=1.0)


def _axis(row: tuple[float, float], tickformat: str) -> dict[str, Any]:
    return {"domain": list(row), "tickformat": tickformat, "rangemode": "tozero", "nticks": 5, "anchor": "x"}
