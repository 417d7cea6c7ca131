"""The evidence over time, beside the evidence that a rollback needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.panels import NOTHING_JUDGED
from pratique.figures.theme import GREEN, INK, MUTED, ORANGE, PURPLE, SKY, SURFACE, Chart, empty, figure, note, vertical
from pratique.judge.model import Verdict
from pratique.number_text import evidence

FLOOR = 1e-3
"""Smaller values are drawn here: differences below it mean nothing."""
CEILING = 1e300
MAX_TIMES_NEEDED = 1e4
"""The axis ends at this multiple of the evidence needed; a line beyond it leaves the figure at the top."""
LINES = ((GREEN, "dot"), (PURPLE, "dash"), (SKY, "dashdot"), (ORANGE, "longdash"), (MUTED, "longdashdot"))
ALT = "Evidence after each window that the canary is worse than tolerated, and the evidence needed to roll back."


def evidence_over_time(verdict: Verdict | None) -> Chart:
    """Draw the combined e-value after each window, each guard's e-value, and the e-value needed; log scale."""
    if verdict is None:
        return empty(NOTHING_JUDGED, alt=ALT)
    trace = verdict.trace
    if len(trace.times) == 0:
        return empty("No window of the canary was judged.", alt=ALT)
    styles = dict(zip(trace.guards, _styles(len(trace.guards)), strict=True))
    lines = [
        _line(trace.times, values, label(guard, 16), *styles[guard], width=1.6)
        for guard, values in trace.guards.items()
    ]
    combined = _line(trace.times, trace.combined, "combined", INK, "solid", width=3.0)
    top = min(
        MAX_TIMES_NEEDED * verdict.needed,
        max(verdict.needed * 8, *(float(np.max(_drawn(line))) * 3 for line in _all(verdict))),
    )
    low = min(0.2, *(float(np.min(_drawn(line))) for line in _all(verdict)))
    needed, fired = _needed(verdict.needed), _fired(verdict)
    return figure(
        [*lines, combined],
        height=420,
        alt=ALT,
        shapes=[needed[0], *fired[:1]],
        annotations=[needed[1], *fired[1:], *_ends(verdict, styles, float(np.log10(low)), float(np.log10(top)))],
        showlegend=False,
        margin={"r": 94, "t": 12},
        xaxis={"type": "date", "title": {"text": "time (UTC)"}, "range": [verdict.start, verdict.end]},
        yaxis={
            "type": "log",
            "title": {"text": "evidence (e-value, log scale)"},
            "range": [np.log10(low * 0.8), np.log10(top)],
            "exponentformat": "power",
            "dtick": max(1, round(np.log10(top / low) / 6)),
        },
        hovermode="x unified",
    )


def _all(verdict: Verdict) -> list[npt.NDArray[np.float64]]:
    return [verdict.trace.combined, *verdict.trace.guards.values()]


def _drawn(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.clip(np.nan_to_num(values, nan=FLOOR, posinf=CEILING), FLOOR, CEILING)


def _styles(number: int) -> list[tuple[str, str]]:
    return [LINES[index % len(LINES)] for index in range(number)]


def _line(
    times: npt.NDArray[np.datetime64],
    values: npt.NDArray[np.float64],
    name: str,
    color: str,
    dash: str,
    *,
    width: float,
) -> go.Scatter:
    return go.Scatter(
        x=times,
        y=_drawn(values),
        mode="lines",
        name=name,
        line={"color": color, "dash": dash, "width": width},
        customdata=[evidence(float(value)) for value in values],
        hovertemplate="%{customdata}",
    )


def _ends(verdict: Verdict, styles: dict[str, tuple[str, str]], low: float, top: float) -> list[dict[str, Any]]:
    """The name of each line at its right end; ↑ when it left at the top. low, top: axis range as powers of ten."""
    last = {guard: float(np.log10(_drawn(values)[-1])) for guard, values in verdict.trace.guards.items()}
    last["combined"] = float(np.log10(_drawn(verdict.trace.combined)[-1]))
    names = sorted(last, key=lambda name: last[name])
    found = []
    for name, height in zip(names, _apart([last[name] for name in names], (top - low) * 0.055, top), strict=True):
        color = INK if name == "combined" else styles[name][0]
        text = ("<b>combined</b>" if name == "combined" else label(name, 12)) + (" ↑" if last[name] > top else "")
        where = {"x": 1, "xref": "paper", "xanchor": "left", "xshift": 5, "y": height, "yanchor": "middle"}
        found.append(note(text, **where) | {"font": {"size": 12, "color": color}})
    return found


def _apart(rising: list[float], least: float, top: float) -> list[float]:
    """Move heights apart: at least `least` between neighbours, none above `top`, in the same order."""
    up: list[float] = []
    for height in rising:
        up.append(max(height, up[-1] + least) if up else height)
    down: list[float] = []
    for height in reversed(up):
        down.append(min(height, down[-1] - least if down else top))
    return down[::-1]


def _needed(needed: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The dashed line at the evidence needed, and its label."""
    line = {"color": INK, "dash": "dash", "width": 1.4}
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": needed, "y1": needed, "line": line}
    where = {"x": 1, "xref": "paper", "xanchor": "right", "y": float(np.log10(needed)), "yanchor": "bottom"}
    return shape, note(f"needed: {evidence(needed)}", bgcolor=SURFACE, yshift=2, **where)


def _fired(verdict: Verdict) -> list[dict[str, Any]]:
    """The vertical line at the time the evidence was reached, and its label on the side with more room."""
    if verdict.fired is None:
        return []
    early = verdict.fired - verdict.start < (verdict.end - verdict.start) / 2
    side = {"xanchor": "left", "xshift": 5} if early else {"xanchor": "right", "xshift": -5}
    where = {"x": verdict.fired, "y": 1, "yref": "paper", "yanchor": "top"}
    name = note(f"<b>fired {verdict.fired:%H:%M:%S}</b>", bgcolor=SURFACE, **where, **side)
    return [vertical(verdict.fired, color=INK, width=1.6), name | {"font": {"color": INK, "size": 13}}]
