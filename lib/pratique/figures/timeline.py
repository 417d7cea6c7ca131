"""The share of traffic of each revision over days or weeks, one row per revision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from pratique.clock import utc_now
from pratique.figures.labels import label
from pratique.figures.theme import BLUE, VERMILION, Chart, empty, figure, note
from pratique.judge.model import WeightChanges

ALT = "One row per revision: when it received traffic, and its share."
MAX_ROWS = 20
ROW_PX = 34


def timeline(weights: WeightChanges, *, now: datetime | None = None, max_rows: int = MAX_ROWS) -> Chart:
    """Draw when each revision received traffic; the height of a bar is its share.

    weights: changes of the configured weights, (time UTC, revision → share from 0 to 1), oldest first.
    now: the end of the last bars; default the current time. max_rows: older revisions than this many are left out.
    """
    if not weights:
        return empty("The ledger has no traffic changes yet.", alt=ALT)
    end = now or utc_now()
    spans = _spans(weights, end)
    names = list(dict.fromkeys(name for name, *_ in spans))
    kept = names[-max_rows:]
    serving = {name for name, share in weights[-1][1].items() if share > 0}
    traces = [_row(kept.index(name), name, start, until, share, name in serving) for name, start, until, share in spans
              if name in kept]  # fmt: skip
    left = f"{len(names) - len(kept)} older revisions are not shown" if len(names) > len(kept) else ""
    rows = {"tickvals": list(range(len(kept))), "ticktext": [label(name, 30) for name in kept]}
    return figure(
        traces,
        height=80 + ROW_PX * len(kept),
        alt=ALT,
        showlegend=False,
        xaxis={"type": "date", "title": {"text": "time (UTC)"}},
        yaxis={**rows, "range": [-0.6, len(kept) - 0.4], "showgrid": False},
        annotations=[note(left, x=0, xref="paper", xanchor="left", y=1, yref="paper", yanchor="bottom")],
    )


def _spans(weights: WeightChanges, end: datetime) -> list[tuple[str, datetime, datetime, float]]:
    """Each period in which a revision had one constant share above 0."""
    found: list[tuple[str, datetime, datetime, float]] = []
    latest: dict[str, int] = {}
    for (start, shares, *_), until in zip(weights, [*(time for time, *_ in weights[1:]), end], strict=True):
        for name, share in shares.items():
            last = latest.get(name)
            if share > 0 and last is not None and found[last][2:] == (start, share):
                found[last] = (name, found[last][1], until, share)
            elif share > 0:
                latest[name] = len(found)
                found.append((name, start, until, share))
    return found


def _row(row: int, name: str, start: datetime, until: datetime, share: float, serving: bool) -> Any:
    """One bar, drawn as an area: plotly's bars cannot start and end at given times."""
    half = max(0.06, share) * 0.42
    color = VERMILION if serving else BLUE
    hover = f"{label(name, 30)}: {share * 100:.4g} % from {start:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}"
    return go.Scatter(
        x=[start, until, until, start, start],
        y=[row - half, row - half, row + half, row + half, row - half],
        mode="lines",
        fill="toself",
        fillcolor=color,
        line={"color": color, "width": 1},
        text=hover,
        hoveron="fills",
        hoverinfo="text",
    )
