"""How sure a suspect is: its own requests beside those of the others at the same moments, or a comparison with other times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.series import MAX_BINS, Z95
from pratique.figures.theme import (
    BASELINE,
    BLUE,
    CANARY,
    INK,
    LEGEND_T,
    MUTED,
    SURFACE,
    VERMILION,
    Chart,
    empty,
    figure,
    note,
    vertical,
)
from pratique.incident.measures import Arms, Investigation, Placebos
from pratique.incident.model import Suspect
from pratique.incident.text import change_name, suspect_line
from pratique.judge.hypergeometric import Floats, Ints
from pratique.number_text import count, percent, plural
from pratique.number_text import evidence as e_value_text

ALT_ARMS = (
    "Share of bad requests of a change's revision beside that of all others at the same moments, and the evidence."
)
ALT_PLACEBOS = "How much worse the place became than the untouched rest at the change, beside the same at other times."
NO_SUSPECT = "No change is suspected."
MAX_LOG = 230.0
"""Evidence beyond e^230 is drawn here."""


def evidence(investigation: Investigation, *, number: int = 0) -> Chart:
    """Draw the evidence about one suspect: window by window beside its control, or its rank among other times without one.

    number: of the suspect, from 0, the most suspected first.
    """
    found = investigation.incident.suspects
    if not found:
        return empty(NO_SUSPECT, alt=ALT_ARMS)
    suspect, measured = found[number], investigation.measures.suspects[number]
    if measured.arms is not None and measured.arms.n.any():
        return _beside_control(investigation, suspect, measured.arms)
    if measured.placebos is not None and len(measured.placebos.at):
        return _among_placebos(suspect, measured.placebos)
    return empty(
        f"{label(change_name(suspect.change), 60)}: nothing ran beside it that it could be compared with.", alt=ALT_ARMS
    )


def _beside_control(investigation: Investigation, suspect: Suspect, arms: Arms) -> Chart:
    alpha, times = investigation.incident.alpha, investigation.measures.times
    at, n, bad = _binned(investigation, arms)
    log_e = np.clip(np.nan_to_num(arms.log_e, neginf=-MAX_LOG, posinf=MAX_LOG), -MAX_LOG, MAX_LOG) / math.log(10)
    needed = math.log10(1 / alpha)
    trace = go.Scatter(x=times, y=log_e, yaxis="y2", mode="lines", line={"color": INK, "width": 2.2}, showlegend=False,
                       customdata=[e_value_text(float(10.0**value)) for value in log_e],
                       hovertemplate="%{x|%H:%M:%S}: evidence %{customdata}<extra></extra>")  # fmt: skip
    top, low = max(needed * 1.4, float(log_e.max()) * 1.08), min(-1.0, float(log_e.min()) * 1.05)
    return figure(
        [*_arms(suspect, at, n, bad), trace],
        height=440,
        alt=ALT_ARMS,
        text=suspect_line(suspect),
        margin={"t": LEGEND_T},
        shapes=[{"type": "line", "xref": "paper", "yref": "y2", "x0": 0, "x1": 1, "y0": needed, "y1": needed,
                 "line": {"color": INK, "dash": "dash", "width": 1.4}},
                vertical(suspect.change.time)],
        annotations=[note(f"needed: {e_value_text(1 / alpha)}", x=0, xref="paper", xanchor="left", y=needed, yref="y2",
                          yanchor="bottom", bgcolor=SURFACE)],
        xaxis={"type": "date", "anchor": "y2", "title": {"text": "time (UTC); windows in which both served"},
               "range": _range_of(at, investigation)},
        yaxis={"domain": [0.42, 1], "tickformat": ".2~%", "rangemode": "tozero", "title": {"text": "share of bad"}},
        yaxis2={"domain": [0, 0.34], "range": [low, top], "title": {"text": "evidence", "font": {"size": 12, "color": MUTED}},
                "tickfont": {"size": 12, "color": MUTED}, "automargin": True, "zeroline": False, "gridcolor": "rgba(0,0,0,0)",
                **_decades(low, top)},
    )  # fmt: skip


def _range_of(at: Any, investigation: Investigation) -> list[Any]:
    length = np.timedelta64(investigation.measures.window_s, "s")
    margin = max((at[-1] - at[0]) * 0.03, length)
    return [at[0] - margin, at[-1] + margin]


def _decades(low: float, top: float) -> dict[str, Any]:
    step = max(1, math.ceil((top - low) / 4))
    values = list(range(math.ceil(low / step) * step, math.floor(top) + 1, step))
    names = {0: "1", 1: "10", 2: "100", -1: "0.1"}
    return {"tickvals": values, "ticktext": [names.get(value, f"10<sup>{value}</sup>") for value in values]}


def _binned(investigation: Investigation, arms: Arms) -> tuple[Any, Ints, Ints]:
    """Middles of at most MAX_BINS bins of the windows that both served, and counts of shape (2, bins)."""
    both = np.flatnonzero((arms.n > 0).all(axis=0))
    windows = both if len(both) else np.flatnonzero(arms.n.any(axis=0))
    first, last = int(windows[0]), int(windows[-1]) + 1
    size = max(1, -(-(last - first) // MAX_BINS))
    starts = np.arange(first, last, size)
    served = np.zeros(arms.n.shape[1], bool)
    served[windows] = True
    n, bad = (np.add.reduceat(np.where(served, part, 0)[:, :last], starts, axis=1) for part in (arms.n, arms.bad))
    half = np.timedelta64(investigation.measures.window_s * 500 * size, "ms")
    return investigation.measures.times[starts] + half, n, bad


def _arms(suspect: Suspect, at: Any, n: Ints, bad: Ints) -> list[go.Scatter]:
    names = ("all others", suspect.change.revision or "the change")
    return [
        _arm(role, name, at, n[row], bad[row])
        for row, (role, name) in enumerate(zip((BASELINE, CANARY), names, strict=True))
    ]


def _arm(role: Any, name: str, at: Any, n: Ints, bad: Ints) -> go.Scatter:
    share = np.divide(bad, n, out=np.full(len(n), np.nan), where=n > 0)
    spread = Z95 * np.sqrt(np.maximum(share * (1 - share), 0) / np.maximum(n, 1))
    return go.Scatter(
        x=at,
        y=share,
        name=label(name, 30),
        mode="markers+lines",
        marker={"symbol": role.symbol, "size": 7, "color": role.color},
        line={"color": role.color, "width": 1.2, "dash": role.dash},
        error_y={"type": "data", "array": spread, "arrayminus": np.minimum(spread, share), "symmetric": False,
                 "color": role.color, "thickness": 1, "width": 0},
        customdata=[[count(b), count(r), percent(b / r) if r else "none"] for b, r in zip(bad, n, strict=True)],
        hovertemplate="%{customdata[0]} bad of %{customdata[1]}, %{customdata[2]}<extra></extra>",
    )  # fmt: skip


def _among_placebos(suspect: Suspect, placebos: Placebos) -> Chart:
    """The change among placebo times: as a factor, so that 1 means "no worse than the rest"."""
    factors: Floats = np.exp(placebos.log_ratios)
    own = math.exp(placebos.log_ratio)
    total = len(factors)
    words = f"{plural(placebos.rank, 'time')} of {total:,} at least as large: its rank is {placebos.rank + 1} of {total + 1:,}"
    where = {"x": own, "y": 1, "yref": "paper", "yanchor": "bottom"}
    return figure(
        [
            go.Histogram(x=placebos.log_ratios / math.log(2), nbinsx=40, marker={"color": BLUE}, name="other times",
                         hovertemplate="%{y} other times<extra></extra>"),
        ],
        height=300,
        alt=ALT_PLACEBOS,
        text=f"{suspect_line(suspect)}\n{words}",
        showlegend=False,
        bargap=0.06,
        margin={"t": 44},
        shapes=[vertical(math.log2(own), color=VERMILION, dash="solid", width=2.4)],
        annotations=[
            note(f"<b>at the change: {own:.2g}x</b><br>{words}", **where | {"x": math.log2(own)},
                 xanchor="right" if own >= float(np.median(factors)) else "left")
            | {"font": {"size": 12, "color": INK}, "align": "right" if own >= float(np.median(factors)) else "left"}
        ],
        xaxis={"title": {"text": "how many times more the place rose than the untouched rest"}, **_factors(factors, own)},
        yaxis={"title": {"text": "other times"}},
    )  # fmt: skip


def _factors(factors: Floats, own: float) -> dict[str, Any]:
    """Ticks at powers of two, on an axis that is their logarithm."""
    reach = math.ceil(max(1.0, abs(math.log2(own)), *np.abs(np.log2(np.maximum(factors, 1e-9))))) + 0.3
    values = list(range(-math.floor(reach), math.floor(reach) + 1))
    step = max(1, len(values) // 8)
    kept = [value for value in values if value % step == 0]
    return {"range": [-reach, reach], "tickvals": kept, "ticktext": [f"{2.0**value:g}x" for value in kept]}
