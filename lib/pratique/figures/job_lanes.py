"""One lane a job: when it was due, when it ran and for how long, what failed and what was missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.theme import BLUE, GRID, MUTED, ORANGE, VERMILION, Chart, empty, figure, vertical
from pratique.jobs.job_lane import JobLane, LaneRun

ALT = "One lane for each job: due times, runs with their durations, failures and missed runs."
NO_JOBS = "The service file has no jobs."
LANE_PX = 64
MOST_LANES = 30
MARKS = {
    "ok": (BLUE, "circle", 8),
    "failed": (VERMILION, "x", 11),
    "timed out": (VERMILION, "hourglass", 11),
    "lost": (VERMILION, "diamond-open", 11),
    "missed": (VERMILION, "circle-open", 12),
    "stopped": (ORANGE, "square", 9),
    "skipped": (MUTED, "circle-open", 8),
    "backed off": (MUTED, "square-open", 8),
}
"""Outcome → colour, symbol and size: the symbol tells it without the colour."""
HALF_LANE = 0.3


def job_lanes(lanes: Sequence[JobLane], *, now: datetime | None = None) -> Chart:
    """Draw a lane for each job. A run stands higher in its lane the longer it took; the band is the usual duration.

    now: draws a line at this time, UTC.
    """
    kept = list(lanes)[:MOST_LANES]
    if not kept:
        return empty(NO_JOBS, alt=ALT)
    traces = [*_due(kept), *(trace for outcome in MARKS if (trace := _marks(kept, outcome)) is not None)]
    more = f"{len(lanes) - len(kept)} more are not shown" if len(lanes) > len(kept) else ""
    return figure(
        traces,
        height=110 + LANE_PX * len(kept),
        alt=ALT,
        text="\n".join(map(_line, kept)),
        margin={"t": 52},
        xaxis={"type": "date", "title": {"text": f"time (UTC){f'; {more}' if more else ''}"}},
        yaxis={
            "tickvals": list(range(len(kept))),
            "ticktext": [f"{label(lane.name, 24)}<br>{label(lane.state, 16)}" for lane in kept],
            "range": [len(kept) - 0.5, -0.5],
            "showgrid": False,
        },
        shapes=[*_bands(kept), *_rules(len(kept)), *([vertical(now)] if now else [])],
    )


def _marks(lanes: Sequence[JobLane], outcome: str) -> Any | None:
    color, symbol, size = MARKS[outcome]
    found = [(row, lane, run) for row, lane in enumerate(lanes) for run in lane.runs if run.outcome == outcome]
    if not found:
        return None
    return go.Scatter(
        x=[run.start for _, _, run in found],
        y=[row - _height(run.duration_s, _longest(lane)) for row, lane, run in found],
        mode="markers",
        name=outcome,
        marker={"color": color, "symbol": symbol, "size": size, "line": {"width": 1.5, "color": color}},
        text=[_hover(lane, run) for _, lane, run in found],
        hovertemplate="%{text}<extra></extra>",
    )


def _due(lanes: Sequence[JobLane]) -> list[Any]:
    points = [(moment, row) for row, lane in enumerate(lanes) for moment in lane.due]
    if not points:
        return []
    mark = {"symbol": "line-ns-open", "size": 9, "color": MUTED, "line": {"width": 1, "color": MUTED}}
    return [
        go.Scatter(
            x=[moment for moment, _ in points],
            y=[row + HALF_LANE + 0.08 for _, row in points],
            mode="markers",
            name="due",
            marker=mark,
            hovertemplate="due %{x|%Y-%m-%d %H:%M:%S}<extra></extra>",
        )
    ]


def _bands(lanes: Sequence[JobLane]) -> list[dict[str, Any]]:
    """The usual duration of each job, from its median to its 95th percentile."""
    bands = []
    for row, lane in enumerate(lanes):
        if lane.usual_s is not None:
            low, high = (row - _height(value, _longest(lane)) for value in lane.usual_s)
            band = {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": low, "y1": high, "layer": "below"}
            bands.append({**band, "fillcolor": "rgba(0,114,178,0.14)", "line": {"width": 0}})
    return bands


def _rules(count: int) -> list[dict[str, Any]]:
    line = {"color": GRID, "width": 1}
    rule = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": line}
    return [{**rule, "y0": row + 0.5, "y1": row + 0.5} for row in range(count - 1)]


def _longest(lane: JobLane) -> float:
    usual = lane.usual_s[1] if lane.usual_s else 0.0
    return max([usual, *(run.duration_s or 0.0 for run in lane.runs)]) or 1.0


def _height(duration_s: float | None, longest: float) -> float:
    """Where a run stands in its lane: at the bottom without a duration, at the top with the longest one."""
    return -HALF_LANE + 2 * HALF_LANE * min(1.0, (duration_s or 0.0) / longest)


def _hover(lane: JobLane, run: LaneRun) -> str:
    took = f", {timedelta(seconds=round(run.duration_s, 1))}" if run.duration_s is not None else ""
    times = f", {run.count} due times" if run.count > 1 else ""
    reason = f"<br>{label(run.reason, 120)}" if run.reason else ""
    return f"{label(lane.name, 40)}: {run.outcome}{times}{took}<br>{run.start:%Y-%m-%d %H:%M:%S}{reason}"


def _line(lane: JobLane) -> str:
    counts = {outcome: sum(run.count for run in lane.runs if run.outcome == outcome) for outcome in MARKS}
    ends = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "no run yet"
    return f"{label(lane.name, 40)}: {lane.state}; {ends}"
