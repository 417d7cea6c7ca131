"""Counts and shares over time, with the changes of weight marked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pratique.figures.labels import percent, span
from pratique.figures.measures import Counts, Floats, Measures
from pratique.figures.theme import INK, LEGEND_T, ROLES, Chart, Role, empty, figure, note, vertical

Weights = Sequence[tuple[datetime, dict[str, float]]]
ALT = "Requests per second, the canary's share of them beside its weight, and the share of 5xx, over time."
ROWS = ((0.70, 1.0), (0.36, 0.62), (0.0, 0.28))


def traffic(measures: Measures, weights: Weights = ()) -> Chart:
    """Draw requests per second, the canary's share of the traffic, and the share of 5xx, one above the other.

    weights: changes of the shares in force, (time UTC, revision → share from 0 to 1), oldest first; each
    is marked in all three, and the canary's weight is drawn beside its measured share.
    """
    requests = {revision: measures.requests(revision) for revision in measures.revisions}
    if not any(values.sum() for values in requests.values()):
        return empty("No request of either revision in this range.", alt=ALT)
    traces: list[go.Scatter] = []
    for role, revision in zip(ROLES, measures.revisions, strict=True):
        rate = requests[revision] / measures.bin_s
        traces.append(_line(measures, role, rate, "y", "%{y:,.3~g} requests/s", name=role.legend(revision)))
        failed = _share(measures.of_class(revision, 5), requests[revision])
        traces.append(_line(measures, role, failed, "y3", "%{y:.3~%} 5xx"))
    measured = _share(requests[measures.canary], sum(requests.values(), start=np.zeros_like(measures.times, np.int64)))
    traces.append(_line(measures, ROLES[1], measured, "y2", "%{y:.3~%} measured"))
    traces += _weights(measures, weights)
    marks = [vertical(time) for time in changes(weights, measures)]
    return figure(
        traces,
        height=560,
        alt=ALT,
        shapes=marks,
        annotations=_titles(measures, weights),
        xaxis={
            "type": "date",
            "anchor": "y3",
            "title": {"text": "time (UTC)"},
            "range": [measures.start, measures.end],
        },
        yaxis=_axis(ROWS[0], ",.3~g"),
        yaxis2=_axis(ROWS[1], ".3~%") | {"range": [0.0, _headroom(traces)]},
        yaxis3=_axis(ROWS[2], ".3~%"),
        margin={"t": LEGEND_T},
    )


def changes(weights: Weights, measures: Measures) -> list[datetime]:
    """The times at which the canary's weight changed, inside the range drawn."""
    found, before = [], None
    for time, shares in weights:
        share = shares.get(measures.canary, 0.0)
        if share != before and measures.start < time < measures.end:
            found.append(time)
        before = share
    return found


def _share(part: Counts, whole: Counts) -> Floats:
    share: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return share


def _line(measures: Measures, role: Role, values: Floats, axis: str, hover: str, name: str | None = None) -> go.Scatter:
    return go.Scatter(
        x=measures.middles,
        y=values,
        yaxis=axis,
        mode="lines+markers",
        name=name or role.name,
        showlegend=name is not None,
        line={"color": role.color, "dash": role.dash, "width": role.width},
        marker={"symbol": role.symbol, "size": 5},
        hovertemplate=f"{role.name}: {hover}<extra></extra>",
    )


def _weights(measures: Measures, weights: Weights) -> list[go.Scatter]:
    inside = [
        (max(time, measures.start), shares.get(measures.canary, 0.0)) for time, shares in weights if time < measures.end
    ]
    if not inside:
        return []
    times = [time for time, _ in inside] + [measures.end]
    shares = [share for _, share in inside] + [inside[-1][1]]
    return [
        go.Scatter(
            x=times,
            y=shares,
            yaxis="y2",
            mode="lines",
            name="weight in force",
            line={"color": INK, "dash": "dash", "width": 1.6, "shape": "hv"},
            hovertemplate="weight: %{y:.3~%}<extra></extra>",
        )
    ]


def _titles(measures: Measures, weights: Weights) -> list[dict[str, Any]]:
    texts = (
        f"<b>requests per second</b> (bins of {span(measures.bin_s)})",
        "<b>canary's share of the traffic</b>" + ("" if weights else " (no weights are known)"),
        "<b>5xx</b>, share of the revision's requests",
    )
    rows = [
        note(text, x=0, xref="paper", xanchor="left", y=top, yref="paper", yanchor="bottom")
        | {"font": {"color": INK, "size": 13}}
        for text, (_, top) in zip(texts, ROWS, strict=True)
    ]
    known = dict(weights)
    return rows + [
        note(
            percent(known[time].get(measures.canary, 0.0)),
            x=time,
            y=ROWS[1][1],
            yref="paper",
            yanchor="top",
            xanchor="left",
            xshift=3,
        )
        for time in changes(weights, measures)
    ]


def _headroom(traces: Sequence[go.Scatter]) -> float:
    """The top of the shares' axis, with a line's height above the highest, for the labels of the weights."""
    drawn = [value for trace in traces if trace.yaxis == "y2" for value in trace.y if np.isfinite(value)]
    return 1.35 * max(drawn, default=1.0)


def _axis(row: tuple[float, float], tickformat: str) -> dict[str, Any]:
    return {"domain": list(row), "tickformat": tickformat, "rangemode": "tozero", "nticks": 5, "anchor": "x"}
