"""When an incident began: the share of bad requests, the band that was to be expected, and every change beside it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.theme import BLUE, GRID, INK, MUTED, PURPLE, VERMILION, Chart, empty, figure, note, vertical
from pratique.incident.measures import Investigation, Mask, Times
from pratique.incident.model import Change, Incident
from pratique.incident.text import change_name, onset_text, span_text
from pratique.judge.hypergeometric import Floats, Ints
from pratique.number_text import count, percent

ALT = (
    "Share of bad requests over time, the band that was to be expected, possible starts shaded, and all changes below."
)
NO_WINDOWS = "No window in this range has requests."
MAX_LANES = 6
"""More services than this share the last lane."""
LANE_PX, PLOT_PX = 26, 330
STARTS, ENDS, BAND = "rgba(213,94,0,0.22)", "rgba(0,158,115,0.22)", "rgba(0,114,178,0.16)"
SYMBOLS = {"release": "diamond", "rollback": "triangle-left", "lapse": "x", "bind": "circle-open"}
OTHER = "other services"


def onset(investigation: Investigation) -> Chart:
    """Draw the share of bad requests, its expected band, the possible starts and ends, requests, and the changes by service."""
    incident, measures = investigation.incident, investigation.measures
    if not len(measures.times) or not measures.service.n.any():
        return empty(NO_WINDOWS, alt=ALT)
    lanes = _lanes(investigation)
    lanes_px = LANE_PX * max(1, len(lanes)) + 12
    height = PLOT_PX + lanes_px + 60
    low = lanes_px / (lanes_px + PLOT_PX)
    names = {"tickvals": [-row for row in range(len(lanes))], "ticktext": [label(lane, 16) for lane in lanes]}
    return figure(
        [*_band(investigation), _requests(investigation), *_marks(investigation, lanes)],
        height=height,
        alt=ALT,
        text=onset_words(incident),
        showlegend=False,
        margin={"t": 26, "b": 40},
        shapes=[*_shaded(measures.times, measures.in_starts, measures.window_s, STARTS),
                *_shaded(measures.times, measures.in_ends, measures.window_s, ENDS), *_best(incident)],
        annotations=[*_notes(incident), *([] if lanes else [_no_changes(low)])],
        xaxis={"type": "date", "range": [incident.start, incident.end], "title": {"text": "time (UTC)"},
               # an axis without marks is not drawn, and nothing can be anchored to it
               **({"anchor": "y3"} if lanes else {"anchor": "free", "position": 0})},
        yaxis={"domain": [low + 0.26 * (1 - low), 1], "tickformat": ".2~%", "rangemode": "tozero",
               "title": {"text": f"share of {label(incident.outcome, 12)}"}},
        yaxis2={"domain": [low + 0.03, low + 0.2 * (1 - low)], "rangemode": "tozero", "nticks": 3, "gridcolor": GRID,
                "tickfont": {"size": 12, "color": MUTED}, "automargin": True, "zeroline": False,
                "title": {"text": "requests", "font": {"size": 12, "color": MUTED}}},
        yaxis3={"domain": [0, max(0.02, low - 0.03)], "range": [0.6 - max(1, len(lanes)), 0.6], "automargin": True,
                "tickfont": {"size": 12, "color": MUTED}, "showgrid": False, "zeroline": False, **names},
        hovermode="closest",
        narrow={"yaxis.title.text": "", "yaxis2.title.text": ""},
    )  # fmt: skip


def onset_words(incident: Incident) -> str:
    """Return when it began in words; for an incident that is not shown, what would have been seen."""
    if incident.onset is None:
        return incident.sentence
    return f"{onset_text(incident.onset, incident.end)}: {incident.onset.reason}"


def _band(investigation: Investigation) -> list[go.Scatter]:
    series, times = investigation.measures.service, _middles(investigation)
    low, high, expected, seen = (
        _share(part, series.n) for part in (series.lower, series.upper, series.expected, series.bad)
    )
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "color": BLUE}, "hoverinfo": "skip"}
    words = [
        [count(bad), count(n), percent(float(share)) if n else "none", count(round(float(usual), 1))]
        for bad, n, share, usual in zip(series.bad, series.n, seen, series.expected, strict=True)
    ]
    hover = "%{x|%H:%M:%S}: %{customdata[0]} bad of %{customdata[1]}, %{customdata[2]}; %{customdata[3]} expected<extra></extra>"
    return [
        go.Scatter(x=times, y=low, **edge),
        go.Scatter(x=times, y=high, fill="tonexty", fillcolor=BAND, **edge),
        go.Scatter(x=times, y=expected, mode="lines", line={"color": BLUE, "width": 1.4, "dash": "4px,2px"}, hoverinfo="skip"),
        go.Scatter(x=times, y=seen, mode="lines", line={"color": INK, "width": 1.8}, customdata=words, hovertemplate=hover),
    ]  # fmt: skip


def _share(part: Floats | Ints, n: Ints) -> Floats:
    return np.asarray(np.divide(part, n, out=np.full(len(n), np.nan), where=n > 0), np.float64)


def _middles(investigation: Investigation) -> Times:
    return investigation.measures.times + np.timedelta64(investigation.measures.window_s * 500, "ms")


def _requests(investigation: Investigation) -> go.Scatter:
    # "filled to zero" needs only one line; requests beside the share show a retry storm, or traffic that vanishes
    return go.Scatter(
        x=_middles(investigation),
        y=investigation.measures.service.n,
        yaxis="y2",
        mode="lines",
        fill="tozeroy",
        fillcolor="rgba(128,138,150,0.18)",
        line={"color": MUTED, "width": 1},
        hovertemplate="%{x|%H:%M:%S}: %{y:,} requests<extra></extra>",
    )


def _lanes(investigation: Investigation) -> list[str]:
    """The services with changes in the range, the incident's own first."""
    incident = investigation.incident
    seen = dict.fromkeys(change.service for change in _inside(investigation))
    others = sorted(name for name in seen if name != incident.service)
    lanes = [name for name in (incident.service,) if name in seen] + others
    return lanes if len(lanes) <= MAX_LANES else [*lanes[: MAX_LANES - 1], OTHER]


def _inside(investigation: Investigation) -> list[Change]:
    incident = investigation.incident
    return [change for change in investigation.changes if incident.start <= change.time < incident.end]


def _marks(investigation: Investigation, lanes: list[str]) -> list[go.Scatter]:
    changes, incident = _inside(investigation), investigation.incident
    if not changes:
        return []
    rows = [lanes.index(one.service) if one.service in lanes else len(lanes) - 1 for one in changes]
    suspected = {id(one.change) for one in incident.suspects if one.grade in ("shown", "fits")}
    same = [one.change for one in incident.suspects if one.grade in ("shown", "fits")]
    words = [[label(change_name(one), 80), label(one.who, 30), label(one.why, 80)] for one in changes]
    return [
        go.Scatter(
            x=[change.time for change in changes],
            y=[-row for row in rows],
            yaxis="y3",
            mode="markers",
            cliponaxis=False,
            marker={
                "size": 12,
                "symbol": [SYMBOLS.get(change.kind, "square") for change in changes],
                "color": [VERMILION if id(one) in suspected or one in same else BLUE if one.service == incident.service
                          else PURPLE for one in changes],
            },
            customdata=words,
            hovertemplate="%{x|%H:%M:%S} %{customdata[0]}<br>by %{customdata[1]}: %{customdata[2]}<extra></extra>",
        )
    ]  # fmt: skip


def _shaded(times: Times, mask: Mask, window_s: int, color: str) -> list[dict[str, Any]]:
    """A rectangle behind each run of marked windows."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    length = np.timedelta64(window_s, "s")
    return [
        {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "x0": times[first], "x1": times[last - 1] + length,
         "fillcolor": color, "line": {"width": 0}, "layer": "below"}
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]  # fmt: skip


def _best(incident: Incident) -> list[dict[str, Any]]:
    return [] if incident.onset is None else [vertical(incident.onset.best, color=VERMILION, width=1.6)]


def _notes(incident: Incident) -> list[dict[str, Any]]:
    if incident.onset is None:
        return [
            note("no rise is shown", x=0, xref="paper", xanchor="left", y=1, yref="paper", yanchor="bottom", yshift=6)
        ]
    found = incident.onset
    marks = [_above(found.best, f"<b>began {span_text(found.started, incident.end)}</b>", incident)]
    if found.ended is not None:
        marks.append(_above(found.ended.first, f"ended {span_text(found.ended, incident.end)}", incident))
    return marks


def _above(time: datetime, text: str, incident: Incident) -> dict[str, Any]:
    """A text above the figure at a time, on the side with more room."""
    early = time - incident.start < (incident.end - incident.start) / 2
    where = {"x": time, "y": 1, "yref": "paper", "yanchor": "bottom", "yshift": 4}
    return note(text, xanchor="left" if early else "right", **where) | {"font": {"size": 13, "color": INK}}


def _no_changes(low: float) -> dict[str, Any]:
    where = {"x": 0, "xref": "paper", "xanchor": "left", "y": low / 2, "yref": "paper", "yanchor": "middle"}
    return note("no change of any service in this range", **where)
