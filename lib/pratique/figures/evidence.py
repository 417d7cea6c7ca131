"""The evidence over time against what is needed, and the moment it was reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from pratique.figures.labels import evidence_of, label
from pratique.figures.theme import GREEN, INK, MUTED, ORANGE, PURPLE, SKY, SURFACE, Chart, empty, figure, note, vertical
from pratique.judge.model import Verdict

FLOOR = 1e-3
"""Evidence below this is drawn here: how little of it there is says nothing."""
CEILING = 1e300
HIGHEST = 1e4
"""How many times the evidence needed the axis goes up to: what lies beyond is drawn leaving at the top."""
LINES = ((GREEN, "dot"), (PURPLE, "dash"), (SKY, "dashdot"), (ORANGE, "longdash"), (MUTED, "longdashdot"))
ALT = "Evidence that the canary is worse than tolerated, after each window, against the evidence needed."


def evidence(verdict: Verdict) -> Chart:
    """Draw the combined e-value after each window, and each guard's, on a logarithmic axis against the one needed."""
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
        HIGHEST * verdict.needed, max(verdict.needed * 8, *(float(np.max(_drawn(line))) * 3 for line in _all(verdict)))
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
        customdata=[evidence_of(float(value)) for value in values],
        hovertemplate="%{customdata}",
    )


def _ends(verdict: Verdict, styles: dict[str, tuple[str, str]], low: float, top: float) -> list[dict[str, Any]]:
    """Each line's name at its right end; ↑ where it has left at the top. low, top: of the axis, as powers of ten."""
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
    """Heights at least `least` apart and none above `top`, near those given, in their order."""
    up: list[float] = []
    for height in rising:
        up.append(max(height, up[-1] + least) if up else height)
    down: list[float] = []
    for height in reversed(up):
        down.append(min(height, down[-1] - least if down else top))
    return down[::-1]


def _needed(needed: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The dashed line of the evidence needed, and its name."""
    line = {"color": INK, "dash": "dash", "width": 1.4}
    shape = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": needed, "y1": needed, "line": line}
    where = {"x": 1, "xref": "paper", "xanchor": "right", "y": float(np.log10(needed)), "yanchor": "bottom"}
    return shape, note(f"needed: {evidence_of(needed)}", bgcolor=SURFACE, yshift=2, **where)


def _fired(verdict: Verdict) -> list[dict[str, Any]]:
    """The line of the moment at which the evidence was reached, and its name on the side with more room."""
    if verdict.fired is None:
        return []
    early = verdict.fired - verdict.start < (verdict.end - verdict.start) / 2
    side = {"xanchor": "left", "xshift": 5} if early else {"xanchor": "right", "xshift": -5}
    where = {"x": verdict.fired, "y": 1, "yref": "paper", "yanchor": "top"}
    name = note(f"<b>fired {verdict.fired:%H:%M:%S}</b>", bgcolor=SURFACE, **where, **side)
    return [vertical(verdict.fired, color=INK, width=1.6), name | {"font": {"color": INK, "size": 13}}]
