"""A heatmap of every action and guard: the ratio of canary to baseline, coloured by how much of it is certain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.panels import NOTHING_JUDGED
from pratique.figures.theme import FAINT, FULL_BLUE, FULL_VERMILION, INK, MUTED, SURFACE, WHITE, Chart, empty, figure
from pratique.judge.model import SERVICE, GuardResult, Verdict
from pratique.judge.text import evidence_line, ratio_shown
from pratique.number_text import count, factor, interval

MOST_ROWS = 30
MOST_COLUMNS_WITH_TEXT = 5
"""On a phone, cells of more columns than this have room for a mark only; the table of guards has the numbers."""
FULL = 2.0
"""The ratio with full colour, as a power of two: 4x."""
MARKS = {"worse": "▲ ", "suspect": "△ ", "met": "✓ ", "open": "", "not evaluated": ""}
ALT = "Ratio of canary to baseline for each action and guard; the table of guards has the same numbers."


Grid = list[list[GuardResult | None]]


def ratio_heatmap(verdict: Verdict | None) -> Chart:
    """Draw actions by guards: the number is the odds ratio, canary to baseline; the colour is the certain part of it.

    The colour is that of the revision with more bad requests. Its strength is the bound of the confidence
    interval that is nearest to 1: a cell without colour may be no difference at all. ▲: worse than tolerated. △: suspect.
    ✓: within tolerance. Neither: not conclusive yet. Crossed out: not evaluated. The service comes first,
    then the actions with the most evidence; at most 30 rows.
    """
    if verdict is None:
        return empty(NOTHING_JUDGED, alt=ALT)
    guards = list(dict.fromkeys(result.guard for result in verdict.guards))
    if not guards:
        return empty("The verdict has no guards.", alt=ALT)
    actions = _worst_first(verdict.guards)
    shown = [SERVICE, *[action for action in actions if action != SERVICE][: MOST_ROWS - 1]]
    cells = {(result.action, result.guard): result for result in verdict.guards}
    grid = [[cells.get((action, guard)) for guard in guards] for action in shown]
    rest = len(actions) - len(shown)
    names = [_name(action, 44) for action in shown]
    return figure(
        [_blank(grid), _colours(verdict, grid)],
        height=96
        + 34 * len(shown)
        + (18 if rest > 0 else 0)
        + (16 if any("<br>" in _heading(g) for g in guards) else 0),
        alt=ALT,
        annotations=[
            _text(verdict, row, column, cell) for row, cells in enumerate(grid) for column, cell in enumerate(cells)
        ],
        xaxis={
            "side": "top",
            "tickmode": "array",
            "tickvals": list(range(len(guards))),
            "ticktext": [_heading(guard) for guard in guards],
            "showgrid": False,
            "fixedrange": True,
            "title": {"text": f"{rest} further actions have less evidence" if rest > 0 else ""},
        },
        yaxis={
            "tickmode": "array",
            "tickvals": list(range(len(shown))),
            "ticktext": names,
            "range": [len(shown) - 0.5, -0.5],
            "showgrid": False,
            "fixedrange": True,
            "tickfont": {"color": INK},
        },
        narrow=_narrow(shown, grid, guards),
        shapes=[*([_under_service()] if len(shown) > 1 else []), *_crosses(grid)],
    )


def _worst_first(results: Sequence[GuardResult]) -> list[str]:
    worst: dict[str, tuple[bool, float, int]] = {}
    for result in results:
        mark = (result.state in ("worse", "suspect") or result.flagged, result.e_value, sum(result.requests.values()))
        worst[result.action] = max(worst.get(result.action, mark), mark)
    return sorted(worst, key=lambda action: worst[action], reverse=True)


def _narrow(shown: Sequence[str], grid: Grid, guards: Sequence[str]) -> dict[str, Any]:
    """Layout changes for a phone, by path in the layout: shorter names, and smaller text or only its mark."""
    cells = [cell for row in grid for cell in row]
    small: dict[str, Any] = {f"annotations.{number}.font.size": 10 for number in range(len(cells))}
    if len(guards) > MOST_COLUMNS_WITH_TEXT:
        marks = [MARKS[cell.state].strip() if cell else "" for cell in cells]
        small |= {f"annotations.{number}.text": mark for number, mark in enumerate(marks)}
        small |= {"xaxis.tickangle": -90, "xaxis.ticktext": [f"<b>{label(guard, 11)}</b>" for guard in guards]}
    return {"yaxis.ticktext": [_name(action, 18) for action in shown], "yaxis.tickfont.size": 11, **small}


def _heading(guard: str) -> str:
    """The name of a guard, one line for each of its words, so that neighbours do not overlap."""
    return f"<b>{label(guard, 16).replace(' ', '<br>')}</b>"


def _name(action: str, limit: int) -> str:
    return "<b>whole service</b>" if action == SERVICE else label(action, limit)


def _drawable(cell: GuardResult | None) -> bool:
    return cell is not None and cell.state != "not evaluated"


def _blank(grid: Grid) -> go.Heatmap:
    return go.Heatmap(
        z=[[None if _drawable(cell) else 1 for cell in cells] for cells in grid],
        colorscale=[[0, SURFACE], [1, SURFACE]],
        showscale=False,
        xgap=3,
        ygap=3,
        customdata=[
            [label(cell.reason, 160) if cell else "this guard does not apply" for cell in cells] for cells in grid
        ],
        hovertemplate="not evaluated: %{customdata}<extra></extra>",
    )


def _colours(verdict: Verdict, grid: Grid) -> go.Heatmap:
    return go.Heatmap(
        z=[[_power(cell) if cell and _drawable(cell) else None for cell in cells] for cells in grid],
        zmin=-FULL,
        zmax=FULL,
        colorscale=[[0, FULL_BLUE], [0.5, FAINT], [1, FULL_VERMILION]],
        xgap=3,
        ygap=3,
        customdata=[[_hover(verdict, cell) if cell else "" for cell in cells] for cells in grid],
        hovertemplate="%{customdata}<extra></extra>",
        colorbar={
            "orientation": "h",
            "y": 0,
            "yanchor": "top",
            "len": 0.6,
            "thickness": 8,
            "tickvals": [-2, -1, 0, 1, 2],
            "ticktext": ["¼x", "½x", "same", "2x", "4x"],
            "tickfont": {"size": 11, "color": MUTED},
            "outlinewidth": 0,
            "ypad": 6,
        },
    )


def _power(cell: GuardResult) -> float:
    """The smallest certain ratio as a power of two: the bound nearest to 1, or 0 when the interval contains 1."""
    if cell.ratio_low is not None and cell.ratio_low > 1:
        return min(FULL, math.log2(cell.ratio_low))
    if cell.ratio_high is not None and cell.ratio_high < 1:
        return max(-FULL, math.log2(max(cell.ratio_high, 2.0**-FULL)))
    return 0.0


def _hover(verdict: Verdict, cell: GuardResult) -> str:
    bad, requests = cell.bad, cell.requests
    sides = " · ".join(
        f"{name} {count(bad.get(revision, 0))}/{count(requests.get(revision, 0))}"
        for name, revision in (("canary", verdict.canary), ("baseline", verdict.baseline))
    )
    where = "whole service" if cell.action == SERVICE else label(cell.action, 60)
    return (
        f"<b>{where}, {label(cell.guard, 16)}</b>: {cell.state}<br>"
        f"{factor(ratio_shown(cell, verdict))} {interval(cell.ratio_low, cell.ratio_high)}, tolerated {factor(cell.tolerated_ratio)}<br>"
        f"{sides}<br>{evidence_line(cell, verdict)}"
    )


def _text(verdict: Verdict, row: int, column: int, cell: GuardResult | None) -> dict[str, object]:
    shown = cell is not None and cell.state != "not evaluated"
    if cell is None or not shown:
        return _at(row, column, "", MUTED, 12)
    ratio = ratio_shown(cell, verdict)
    text = f"{MARKS[cell.state]}{factor(ratio)}"
    if ratio is None:
        return _at(row, column, text, MUTED, 11)
    full = abs(_power(cell)) > 0.9 * FULL
    return _at(row, column, f"<b>{text}</b>" if cell.state == "worse" else text, WHITE if full else INK, 13)


def _at(row: int, column: int, text: str, color: str, size: int) -> dict[str, object]:
    return {"x": column, "y": row, "text": text, "showarrow": False, "font": {"size": size, "color": color}}


def _crosses(grid: Grid) -> list[dict[str, object]]:
    line = {"color": MUTED, "width": 0.7}
    return [
        {"type": "line", "x0": column - 0.47, "x1": column + 0.47, "y0": row + 0.4, "y1": row - 0.4, "line": line}
        for row, cells in enumerate(grid)
        for column, cell in enumerate(cells)
        if not _drawable(cell)
    ]


def _under_service() -> dict[str, object]:
    line = {"color": MUTED, "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0.5, "y1": 0.5, "line": line}
