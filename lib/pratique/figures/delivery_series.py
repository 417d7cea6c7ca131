"""Deployments and lead times, week by week or month by month."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pratique.delivery.history import Metrics
from pratique.delivery.text import series_lines
from pratique.figures.theme import BLUE, LEGEND_T, MUTED, VERMILION, Chart, empty, figure

ALT = "Deployments of each period, those that failed in another colour, and the median lead time below."


def delivery_series(metrics: Sequence[Metrics]) -> Chart:
    """Draw the deployments of each period, with those that failed, and the median lead time. metrics: from `series`."""
    # periods before the ledger begins have nothing to show
    metrics = [each for each in metrics if each.period.weeks]
    if not any(each.frequency.count for each in metrics):
        return empty("No deployment in these periods.", alt=ALT)
    names = [f"{each.asked.start:%Y-%m-%d}" for each in metrics]
    failed = [each.fail_rate.share.count for each in metrics]
    well = [each.frequency.count - bad for each, bad in zip(metrics, failed, strict=True)]
    hover = "from %{x}: %{y}<extra></extra>"
    return figure(
        [
            go.Bar(name="deployments", x=names, y=well, marker={"color": BLUE}, hovertemplate=hover),
            go.Bar(name="failed", x=names, y=failed, marker={"color": VERMILION, "pattern": {"shape": "/"}}, hovertemplate=hover),
            go.Scatter(
                name="median lead time", x=names, y=[each.lead_time.median for each in metrics], yaxis="y2", mode="lines+markers",
                line={"color": MUTED, "width": 1.6}, marker={"symbol": "diamond", "size": 8}, hovertemplate="from %{x}: %{y:.0f} h<extra></extra>",
            ),
        ],
        height=380,
        alt=ALT,
        text="\n".join(series_lines(metrics)),
        barmode="stack",
        margin={"t": LEGEND_T, "b": 40},
        xaxis={"type": "category", "title": {"text": "first day (UTC)"}, "anchor": "y2", "nticks": 7},
        yaxis={"domain": [0.45, 1], "title": {"text": "deployments"}, "rangemode": "tozero"},
        narrow={"xaxis.nticks": 3},
        yaxis2={"domain": [0, 0.36], "title": {"text": "lead time (h)"}, "rangemode": "tozero", "automargin": True},
    )  # fmt: skip
