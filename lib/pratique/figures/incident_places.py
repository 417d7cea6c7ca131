"""Where an incident is: how the bad requests are shared out, exactly, and the numbers of each place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.theme import BLUE, INK, MUTED, PURPLE, VERMILION, Chart, empty, figure, note
from pratique.incident.measures import Investigation
from pratique.incident.model import Place, Places
from pratique.incident.text import contributions, equation, evidence_text, part_of_excess, place_name, place_numbers
from pratique.number_text import count, two_shares

ALT = "Bad requests, as the sum of those expected, a changed mix of traffic, each place, and the rest."
NOT_SEARCHED = "No place was looked for, because no rise is shown."
ROW_PX = 62
HATCH = {"shape": "/", "size": 5, "solidity": 0.4}


@dataclass(frozen=True)
class _Row:
    """One bar. name, numbers: escaped. start, length: in bad requests. place: its number among the places, or -1."""

    name: str
    numbers: str
    start: float
    length: float
    color: str
    place: int = -1
    hatched: bool = False


def places(investigation: Investigation, *, chosen: int | None = None) -> Chart:
    """Draw how the bad requests add up: expected, mix of traffic, one bar for each place, and what is not explained.

    chosen: the number of a place to outline, from 0.
    """
    found = investigation.incident.places
    if found is None:
        return empty(NOT_SEARCHED, alt=ALT)
    rows = _rows(found, investigation.incident.alpha)
    bars = go.Bar(
        orientation="h",
        y=[-number for number in range(len(rows))],
        x=[row.length for row in rows],
        base=[row.start for row in rows],
        width=0.3,
        marker={
            "color": [row.color for row in rows],
            "line": {"color": INK, "width": [2 if chosen is not None and row.place == chosen else 0 for row in rows]},
            "pattern": HATCH | {"shape": ["/" if row.hatched else "" for row in rows]},
        },
        customdata=[[row.name, row.numbers, row.place] for row in rows],
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )
    edges = [edge for row in rows for edge in (row.start, row.start + row.length)]
    return figure(
        [bars],
        height=70 + ROW_PX * len(rows),
        alt=ALT,
        text=places_words(found),
        showlegend=False,
        margin={"t": 10},
        annotations=[_words(number, row) for number, row in enumerate(rows)],
        xaxis={"title": {"text": "bad requests since the start"}, "range": [min(0.0, *edges), max(1.0, *edges) * 1.02]},
        yaxis={"visible": False, "range": [0.35 - len(rows), 0.75]},
        narrow={f"annotations.{number}.text": _two_lines(row, 40) for number, row in enumerate(rows)},
    )


def places_words(found: Places) -> str:
    """Return the places in words: the sum, and one line for each place."""
    lines = [f"{place_name(place)}: {place_numbers(place)}" for place in found.found] or [found.reason]
    return "\n".join([equation(found), *filter(None, lines)])


def _rows(found: Places, alpha: float) -> list[_Row]:
    rows = [_Row("expected", f"{count(found.expected)} at the shares of before", 0.0, found.expected, BLUE)]
    at = found.expected
    mix = (
        "requests moved to parts whose share was always higher"
        if found.mix > 0
        else "requests moved to parts whose share was always lower"
    )
    steps = [("mix of traffic", found.mix, PURPLE, -1, mix)] if round(found.mix) else []
    steps += [
        (label(place_name(place), 90), more, VERMILION, number, _numbers(place, alpha))
        for number, (place, more) in enumerate(zip(found.found, contributions(found), strict=True))
    ]
    steps.append(("not explained", found.rest, MUTED, -1, label(found.reason, 90) or "too little for a place"))
    for name, more, color, number, words in steps:
        said = words if number >= 0 else f"{_signed(more)}: {words}"
        # a bar that is too short to be seen would be a dot
        length = more if round(more) else 0.0
        rows.append(_Row(name, said, at, length, color, number, hatched=name == "not explained"))
        at += more
    rows.append(_Row("seen", f"{count(found.bad)} bad of {count(found.requests)} requests", 0.0, float(found.bad), INK))
    return rows


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'}{count(abs(number))}" if round(number) else "0"


def _numbers(place: Place, alpha: float) -> str:
    before, after = two_shares(place.before, place.after)
    ratio = place_numbers(place).rpartition(", ")[2]
    return (
        f"{part_of_excess(place)} of the excess: {count(place.bad)} of {count(place.requests)}, {before} → {after}, {ratio}, "
        f"evidence {evidence_text(place.e_value, alpha)}"
    )


def _words(number: int, row: _Row) -> dict[str, Any]:
    where = {"x": 0, "xref": "paper", "xanchor": "left", "y": -number, "yanchor": "bottom", "yshift": 11}
    return note(_two_lines(row, 110), align="left", **where)


def _two_lines(row: _Row, longest: int) -> str:
    """The name in the colour of text, and the numbers below it; cut where the screen is narrow."""
    return f"<b>{_cut(row.name, longest)}</b><br>{_cut(row.numbers, longest + 14)}"


def _cut(escaped: str, longest: int) -> str:
    """Shorten escaped text, but not inside an entity."""
    if len(escaped) <= longest:
        return escaped
    head = escaped[: longest - 1]
    if "&" in head and ";" not in head[head.rindex("&") :]:
        head = head[: head.rindex("&")]
    return f"{head.rstrip()}…"
