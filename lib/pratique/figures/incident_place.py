"""One place of an incident over time: its bad requests, and those that were to be expected."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.theme import BLUE, INK, VERMILION, Chart, empty, figure, vertical
from pratique.incident.measures import Investigation
from pratique.incident.text import place_name, place_numbers
from pratique.number_text import count

ALT = "Bad requests of one place in each window, and the band that was to be expected."
NO_PLACE = "No place is shown."
BAND = "rgba(0,114,178,0.16)"


def place_over_time(investigation: Investigation, *, number: int = 0) -> Chart:
    """Draw the bad requests of one place in each window, beside those expected. number: of the place, from 0."""
    incident, measures = investigation.incident, investigation.measures
    found = incident.places.found if incident.places else ()
    if not found:
        return empty(NO_PLACE, alt=ALT)
    place, series = found[number], measures.places[number]
    times = measures.times + np.timedelta64(measures.window_s * 500, "ms")
    edge = {"mode": "lines", "line": {"width": 0, "color": BLUE}, "hoverinfo": "skip"}
    words = [[count(n), count(round(float(usual), 1))] for n, usual in zip(series.n, series.expected, strict=True)]
    hover = "%{x|%H:%M:%S}: %{y} bad of %{customdata[0]}; %{customdata[1]} expected<extra></extra>"
    return figure(
        [
            go.Scatter(x=times, y=series.lower, **edge),
            go.Scatter(x=times, y=series.upper, fill="tonexty", fillcolor=BAND, **edge),
            go.Scatter(x=times, y=series.bad, mode="lines", line={"color": INK, "width": 1.8}, customdata=words, hovertemplate=hover),
        ],
        height=250,
        alt=ALT,
        text=f"{place_name(place)}: {place_numbers(place)}",
        showlegend=False,
        margin={"t": 34},
        title={"text": f"<b>{label(place_name(place), 70)}</b>", "font": {"size": 13}, "x": 0, "xref": "paper", "y": 0.97},
        shapes=[vertical(incident.onset.best, color=VERMILION, width=1.6)] if incident.onset else [],
        xaxis={"type": "date", "range": [incident.start, incident.end], "title": {"text": "time (UTC)"}},
        yaxis={"rangemode": "tozero", "title": {"text": "bad in a window"}},
    )  # fmt: skip
