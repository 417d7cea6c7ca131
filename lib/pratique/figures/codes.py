"""Status codes of the two revisions, side by side."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from pratique.figures.labels import count, percent
from pratique.figures.measures import Measures, share_interval
from pratique.figures.theme import GRID, ROLES, Chart, Role, empty, figure

MOST_CODES = 14
ALT = "Share of requests per status code, baseline beside canary, with 95 % intervals."


def status_codes(measures: Measures) -> Chart:
    """Draw each status code's share of requests in both revisions, on a logarithmic axis, with 95 % intervals.

    A dot and its whiskers, not a bar: a bar has no foot on a logarithmic axis, and on a linear one the
    errors beside all the successes cannot be seen.
    """
    totals = {revision: int(measures.requests(revision).sum()) for revision in measures.revisions}
    seen = {revision: {c: int(n.sum()) for c, n in measures.codes[revision].items()} for revision in measures.revisions}
    codes = sorted({code for counts in seen.values() for code, number in counts.items() if number})
    if not codes:
        return empty("No request of either revision in this range.", alt=ALT)
    shown, rest = codes[:MOST_CODES], len(codes) - MOST_CODES
    floor = 0.5 / max(*totals.values(), 1)
    traces = [
        _dots(role, revision, shown, seen[revision], totals[revision], floor, offset)
        for role, revision, offset in zip(ROLES, measures.revisions, (0.14, -0.14), strict=True)
    ]
    rows = {"tickmode": "array", "tickvals": list(range(len(shown))), "ticktext": [str(code) for code in shown]}
    return figure(
        traces,
        height=110 + 52 * len(shown),
        alt=ALT,
        xaxis={"type": "log", "title": {"text": "share of the revision's requests (log scale)"}, **_ticks(floor)},
        yaxis={
            **rows,
            "range": [len(shown) - 0.5, -0.5],
            "gridcolor": "rgba(0,0,0,0)",
            "title": {"text": f"status code ({rest} more not shown)" if rest > 0 else "status code"},
        },
        shapes=[_rule(row + 0.5) for row in range(len(shown) - 1)],
    )


def _dots(
    role: Role, revision: str, codes: list[int], seen: dict[int, int], total: int, floor: float, offset: float
) -> go.Scatter:
    numbers = [seen.get(code, 0) for code in codes]
    shares = [number / total if total else 0.0 for number in numbers]
    bounds = [share_interval(number, total) for number in numbers]
    at = [max(share, floor) for share in shares]
    texts = [f"{percent(share)}  ({count(number)})" for share, number in zip(shares, numbers, strict=True)]
    return go.Scatter(
        x=at,
        y=[row - offset for row in range(len(codes))],
        mode="markers+text",
        name=role.legend(revision),
        marker={
            "symbol": [role.symbol if n else f"{role.symbol}-open" for n in numbers],
            "size": 11,
            "color": role.color,
        },
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, high - x) if total else 0.0 for (_, high), x in zip(bounds, at, strict=True)],
            "arrayminus": [max(0.0, x - max(low, floor)) for (low, _), x in zip(bounds, at, strict=True)],
            "color": role.color,
            "thickness": 1.6,
            "width": 4,
        },
        text=texts,
        textposition=[f"{'top' if offset > 0 else 'bottom'} {'left' if x > 0.2 else 'center'}" for x in at],
        textfont={"size": 11, "color": role.color},
        cliponaxis=False,
        customdata=[[count(n), count(total), percent(s)] for n, s in zip(numbers, shares, strict=True)],
        hovertemplate=f"{role.name}: %{{customdata[0]}} of %{{customdata[1]}} requests, %{{customdata[2]}}<extra></extra>",
    )


def _ticks(floor: float) -> dict[str, Any]:
    decades = [10.0**power for power in range(-7, 1) if 10.0**power >= floor / 3]
    return {"tickmode": "array", "tickvals": decades, "ticktext": [f"{100 * share:g} %" for share in decades]}


def _rule(y: float) -> dict[str, Any]:
    line = {"color": GRID, "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line, "layer": "below"}
