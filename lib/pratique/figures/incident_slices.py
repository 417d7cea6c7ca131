"""Two selections of requests side by side: the share of bad ones by action, host, code or revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.series import share_interval
from pratique.figures.theme import GRID, ROLES, Chart, Role, empty, figure
from pratique.number_text import count, percent

ALT = "Share of bad requests in two selections, by one dimension, with 95 % confidence intervals."
NO_REQUESTS = "Neither selection has requests."
MOST_ROWS = 16
ROW_PX = 46


@dataclass(frozen=True)
class Slice:
    """One selection of requests. name: of the selection. bad, n: bad requests and all requests, by value of the dimension."""

    name: str
    bad: Mapping[str, int]
    n: Mapping[str, int]


def slices(before: Slice, after: Slice, dimension: str) -> Chart:
    """Draw the share of bad requests of two selections for each value of a dimension, the largest difference first."""
    names = sorted({*before.n, *after.n}, key=lambda name: -_difference(before, after, name))
    if not names:
        return empty(NO_REQUESTS, alt=ALT)
    kept = names[:MOST_ROWS]
    traces = [
        _dots(role, found, kept, offset)
        for role, found, offset in zip(ROLES, (before, after), (-0.14, 0.14), strict=True)
    ]
    left = f" ({len(names) - len(kept)} more not shown)" if len(names) > len(kept) else ""
    line = {"color": GRID, "width": 1}
    return figure(
        traces,
        height=120 + ROW_PX * len(kept),
        alt=ALT,
        text="\n".join(_line(before, after, name) for name in kept),
        margin={"t": 52},
        xaxis={"title": {"text": "share of bad requests"}, "tickformat": ".2~%", "rangemode": "tozero"},
        yaxis={
            "tickvals": list(range(len(kept))),
            "ticktext": [label(name, 34) for name in kept],
            "range": [len(kept) - 0.5, -0.5],
            "showgrid": False,
            "title": {"text": f"{dimension}{left}"},
        },
        shapes=[
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": row + 0.5, "y1": row + 0.5, "line": line}
            for row in range(len(kept) - 1)
        ],
        narrow={"yaxis.title.text": "", "yaxis.ticktext": [label(name, 16) for name in kept]},
    )


def _share(found: Slice, name: str) -> float:
    n = found.n.get(name, 0)
    return found.bad.get(name, 0) / n if n else 0.0


def _difference(before: Slice, after: Slice, name: str) -> float:
    """How many bad requests more the second selection has than at the share of the first."""
    return after.bad.get(name, 0) - after.n.get(name, 0) * _share(before, name)


def _line(before: Slice, after: Slice, name: str) -> str:
    sides = [f"{count(one.bad.get(name, 0))} of {count(one.n.get(name, 0))}" for one in (before, after)]
    return f"{label(name)}: {' → '.join(sides)}"


def _dots(role: Role, found: Slice, names: Sequence[str], offset: float) -> go.Scatter:
    kept = [(row, name) for row, name in enumerate(names) if found.n.get(name)]
    numbers = [(found.bad.get(name, 0), found.n[name]) for _, name in kept]
    shares = [bad / n for bad, n in numbers]
    bounds = [share_interval(bad, n) for bad, n in numbers]
    return go.Scatter(
        x=shares,
        y=[row + offset for row, _ in kept],
        mode="markers",
        name=label(found.name, 60),
        marker={"symbol": role.symbol, "size": 10, "color": role.color},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - share for (_, high), share in zip(bounds, shares, strict=True)],
            "arrayminus": [share - low for (low, _), share in zip(bounds, shares, strict=True)],
            "color": role.color,
            "thickness": 1.5,
            "width": 4,
        },
        customdata=[[count(bad), count(n), percent(bad / n)] for bad, n in numbers],
        hovertemplate="%{customdata[0]} bad of %{customdata[1]}, %{customdata[2]}<extra></extra>",
    )
