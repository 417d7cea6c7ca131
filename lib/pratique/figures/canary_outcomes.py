"""The canaries of a period: how each ended, how long the verdict took, and how many users met a bad revision."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from pratique.delivery.deployments import BY_HAND, Trial
from pratique.delivery.exposure import Exposure
from pratique.delivery.history import History
from pratique.figures.labels import label
from pratique.figures.theme import BLUE, GREEN, LEGEND_T, MUTED, PURPLE, VERMILION, Chart, empty, figure
from pratique.number_text import plural

ALT = "Each canary at the time of its first traffic and the minutes until its verdict, by how it ended."
EXPOSURE_ALT = (
    "Requests that each bad revision served, as a canary and, of those that escaped, from the promotion to the recovery, "
    "and how many of them failed beyond the baseline's share."
)
KINDS = {
    "promoted": ("circle", BLUE),
    "promoted, and failed": ("triangle-up", VERMILION),
    "stopped": ("x", GREEN),
    "stopped, a false alarm": ("cross-open", PURPLE),
    "stopped by a person": ("diamond-open", MUTED),
    "no verdict": ("circle-open", MUTED),
}
"""Symbol and colour by how a canary ended."""
LEAST_MIN = 0.1


def canary_outcomes(histories: Sequence[History]) -> Chart:
    """Draw each canary: when it got traffic first, how many minutes it took to its verdict, and how it ended."""
    found: dict[str, list[Trial]] = {kind: [] for kind in KINDS}
    for history in histories:
        for trial in history.metrics.canaries.trials:
            found[_kind(trial, history)].append(trial)
    if not any(found.values()):
        return empty("No canary had traffic in this period.", alt=ALT)
    traces = [_trace(kind, trials) for kind, trials in found.items() if trials]
    text = "; ".join(f"{kind}: {len(trials)}" for kind, trials in found.items() if trials)
    return figure(
        traces,
        height=360,
        alt=ALT,
        text=text,
        margin={"t": LEGEND_T, "b": 40},
        xaxis={"type": "date", "title": {"text": "first traffic (UTC)"}},
        yaxis={"type": "log", "title": {"text": "minutes to the verdict"}, "dtick": 1},
    )


def exposure(histories: Sequence[History]) -> Chart:
    """Draw how many requests each bad revision served, as a canary and after a promotion, and how many of them failed beyond the baseline's share."""
    found = [row for history in histories for one in history.metrics.canaries.exposure for row in _rows(one)]
    if not found:
        return empty("No canary was stopped or failed later in this period.", alt=EXPOSURE_ALT)
    names = [name for name, _, _ in found]
    known = sum(requests or 0 for _, requests, _ in found)
    unknown = sum(requests is None for _, requests, _ in found)
    return figure(
        [
            go.Bar(name="requests", orientation="h", y=names, x=[requests for _, requests, _ in found], marker={"color": BLUE},
                   hovertemplate="%{y}: %{x:,} requests<extra></extra>"),
            go.Bar(name="bad beyond the baseline", orientation="h", y=names, x=[bad for _, _, bad in found], marker={"color": VERMILION},
                   hovertemplate="%{y}: %{x:,.0f} bad beyond the baseline's share<extra></extra>"),
        ],
        height=110 + 44 * len(found),
        alt=EXPOSURE_ALT,
        text=f"{plural(known, 'request')} of bad revisions" + (f"; of {plural(unknown, 'bar')} it is not known" if unknown else ""),
        margin={"t": LEGEND_T, "b": 40},
        barmode="group",
        xaxis={"title": {"text": "requests"}, "rangemode": "tozero"},
        yaxis={"type": "category", "autorange": "reversed", "automargin": True},
    )  # fmt: skip


def _rows(one: Exposure) -> list[tuple[str, int | None, float | None]]:
    """Name, requests and bad requests of each pair of bars."""
    name = label(one.revision, 20)
    if one.after is None:
        return [(name, one.requests, one.bad)]
    then = f"{name} after promotion" + ("" if one.after.requests is not None else " (not known)")
    return [(f"{name} as canary", one.requests, one.bad), (then, one.after.requests, one.after.bad)]


def _kind(trial: Trial, history: History) -> str:
    canaries = history.metrics.canaries
    if trial.verdict == "rollback":
        return "stopped, a false alarm" if trial.run in canaries.false_alarms else "stopped"
    if trial.verdict == "promote":
        return "promoted, and failed" if trial.run in canaries.escaped else "promoted"
    return "stopped by a person" if trial.verdict == BY_HAND else "no verdict"


def _trace(kind: str, trials: Sequence[Trial]) -> go.Scatter:
    symbol, color = KINDS[kind]
    minutes = [_minutes(trial) for trial in trials]
    return go.Scatter(
        name=kind,
        x=[trial.first_share for trial in trials],
        y=minutes,
        mode="markers",
        marker={"symbol": symbol, "size": 11, "color": color, "line": {"width": 1.5, "color": color}},
        customdata=[[label(trial.service, 30), label(trial.revision, 40), kind] for trial in trials],
        hovertemplate="%{x|%Y-%m-%d %H:%M} %{customdata[0]} %{customdata[1]}: %{customdata[2]} after %{y:.1f} min<extra></extra>",
    )


def _minutes(trial: Trial) -> float | None:
    end = trial.judged or trial.end
    return max(LEAST_MIN, (end - trial.first_share).total_seconds() / 60.0) if end else None
