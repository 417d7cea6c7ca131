"""Status codes of both revisions, side by side."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from pratique.figures.series import RequestSeries, share_interval
from pratique.figures.theme import GRID, ROLES, Chart, Role, empty, figure
from pratique.number_text import count, percent

MOST_CODES = 14
ALT = "Share of requests per status code, baseline beside canary, with 95 % confidence intervals."


def status_codes(series: RequestSeries) -> Chart:
    """Draw the share of each status code in both revisions with 95 % confidence intervals; log scale.

    Dots with whiskers instead of bars: a bar has no base on a log scale, and on a linear scale the few errors
    are invisible beside the successes.
    """
    totals = {revision: int(series.requests(revision).sum()) for revision in series.revisions}
    seen = {revision: {c: int(n.sum()) for c, n in series.codes[revision].items()} for revision in series.revisions}
    codes = sorted({code for counts in seen.values() for code, number in counts.items() if number})
    if not codes:
        return empty("No requests from either revision in this time range.", alt=ALT)
    shown, rest = codes[:MOST_CODES], len(codes) - MOST_CODES
    floor = 0.5 / max(*totals.values(), 1)
    traces = [
        _dots(role, revision, shown, seen[revision], totals[revision], floor, offset)
        for role, revision, offset in zip(ROLES, series.revisions, (0.14, -0.14), strict=True)
    ]
    rows = {"tickmode": "array", "tickvals": list(range(len(shown))), "ticktext": [_name(code) for code in shown]}
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


def _name(code: int) -> str:
    """The code; one that HTTP does not define is what proxies write for a missing answer."""
    return str(code) if 100 <= code <= 599 else f"no answer<br>({code})"


def _ticks(floor: float) -> dict[str, Any]:
    decades = [10.0**power for power in range(-7, 1) if 10.0**power >= floor / 3]
    return {"tickmode": "array", "tickvals": decades, "ticktext": [f"{100 * share:g} %" for share in decades]}


def _rule(y: float) -> dict[str, Any]:
    line = {"color": GRID, "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line, "layer": "below"}
