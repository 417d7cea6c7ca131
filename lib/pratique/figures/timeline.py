"""Who had which share of a service's traffic, over weeks: a row per revision."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import plotly.graph_objects as go

from pratique.clock import utc_now
from pratique.figures.labels import label
from pratique.figures.theme import BLUE, VERMILION, Chart, empty, figure, note
from pratique.figures.traffic import Weights

ALT = "A row per revision: when it had traffic, and which share of it."
MOST_ROWS = 20
ROW_PX = 34


def timeline(weights: Weights, *, now: datetime | None = None, most: int = MOST_ROWS) -> Chart:
    """Draw when each revision had traffic; a bar is as high as the share it had.

    weights: changes of the shares in force, (time UTC, revision → share from 0 to 1), oldest first.
    now: where the last ones end; default the present. most: rows at most; older revisions are left out.
    """
    if not weights:
        return empty("The ledger knows of no traffic yet.", alt=ALT)
    end = now or utc_now()
    spans = _spans(weights, end)
    names = list(dict.fromkeys(name for name, *_ in spans))
    kept = names[-most:]
    serving = {name for name, share in weights[-1][1].items() if share > 0}
    traces = [_row(kept.index(name), name, start, until, share, name in serving) for name, start, until, share in spans
              if name in kept]  # fmt: skip
    left = f"{len(names) - len(kept)} older revisions are left out" if len(names) > len(kept) else ""
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


def _spans(weights: Weights, end: datetime) -> list[tuple[str, datetime, datetime, float]]:
    """Each time in which a revision had one share above 0."""
    found: list[tuple[str, datetime, datetime, float]] = []
    latest: dict[str, int] = {}
    for (start, shares), until in zip(weights, [*(time for time, _ in weights[1:]), end], strict=True):
        for name, share in shares.items():
            last = latest.get(name)
            if share > 0 and last is not None and found[last][2:] == (start, share):
                found[last] = (name, found[last][1], until, share)
            elif share > 0:
                latest[name] = len(found)
                found.append((name, start, until, share))
    return found


def _row(row: int, name: str, start: datetime, until: datetime, share: float, serving: bool) -> Any:
    """One bar: an area, since a bar has no times of its own to begin and end at."""
    half = max(0.06, share) * 0.42
    color = VERMILION if serving else BLUE
    told = f"{label(name, 30)}: {share * 100:.4g} % from {start:%Y-%m-%d %H:%M:%S} to {until:%Y-%m-%d %H:%M:%S}"
    return go.Scatter(
        x=[start, until, until, start, start],
        y=[row - half, row - half, row + half, row + half, row - half],
        mode="lines",
        fill="toself",
        fillcolor=color,
        line={"color": color, "width": 1},
        text=told,
        hoveron="fills",
        hoverinfo="text",
    )
