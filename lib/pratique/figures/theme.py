"""The shared look of all figures. The colours are those of Okabe and Ito, safe for colour-blind readers, one per role.

Figures are drawn for a light page. On a device in dark mode the report's script replaces each colour of TOKENS
by its dark one. A figure uses other colours only where they are readable on both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from pratique.figures.labels import label

INK = "#1c2128"
MUTED = "#5c6773"
GRID = "#e4e8ec"
SURFACE = "#ffffff"
FAINT = "#f1f3f5"
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
TOKENS = {
    INK: "#e6e9ed",
    MUTED: "#9aa5b1",
    GRID: "#2c333b",
    SURFACE: "#14181c",
    FAINT: "#20262c",
    BLUE: "#56b4e9",
    VERMILION: "#f0874a",
}
"""Light colour → dark colour, applied by assets/page.js; assets/page.css has the same colours for the page."""

WHITE, FULL_BLUE, FULL_VERMILION = "#fffffe", "#0072b3", "#d55e01"
"""Colours that stay the same in dark mode: text on a full colour, and the full colours themselves."""
LEGEND_T = 52
"""Top margin in pixels of a figure with a legend above its own title."""
FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Roboto, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Role:
    """The role of a revision in a comparison, and its colour, marker and dash in every figure."""

    name: str
    color: str
    symbol: str
    dash: str
    width: float

    def legend(self, revision: str) -> str:
        """The text of the role's legend entry: "canary r3"."""
        return f"{self.name} {label(revision, 30)}"

    def fill(self, opacity: float) -> str:
        """The role's colour for an area."""
        red, green, blue = (int(self.color[at : at + 2], 16) for at in (1, 3, 5))
        return f"rgba({red},{green},{blue},{opacity})"


BASELINE = Role("baseline", BLUE, "circle", "4px,2px", 2.0)
CANARY = Role("canary", VERMILION, "diamond", "solid", 2.4)
ROLES = (BASELINE, CANARY)

AXIS = {
    "gridcolor": GRID,
    "linecolor": GRID,
    "zeroline": False,
    "ticks": "",
    "automargin": True,
    "tickangle": 0,
    "tickfont": {"size": 12, "color": MUTED},
    "title": {"font": {"size": 12, "color": MUTED}, "standoff": 6},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": SURFACE,
        "plot_bgcolor": SURFACE,
        "margin": {"l": 8, "r": 12, "t": 34, "b": 8},
        "xaxis": AXIS,
        "yaxis": AXIS,
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": MUTED, "font": {"color": INK, "size": 13}, "align": "left"},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "bgcolor": "rgba(0,0,0,0)",
            "itemclick": False,
            "itemdoubleclick": False,
        },
        "hovermode": "closest",
    }
)


MIME = "application/vnd.plotly.v1+json"


class Chart(go.Figure):  # type: ignore[misc] # plotly's types are not followed
    """A plotly figure that displays in notebooks without loading plotly's renderers, which takes a second."""

    _ipython_display_ = None
    _words = ""

    @property
    def text(self) -> str:
        """The content of the figure as plain text for a terminal; its sentence for screen readers where it has no other."""
        return self._words or str(self.layout.meta["alt"])

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, Any]:
        config = {"displaylogo": False, "typesetMath": False, "responsive": True}
        return {
            MIME: json.loads(self.to_json(validate=False)) | {"config": config},
            "text/plain": self.layout.meta["alt"],
        }


def figure(traces: list[Any], *, height: int, alt: str, text: str = "", **layout: Any) -> Chart:
    """Make a figure in the shared look. alt: one sentence for screen readers. text: for a terminal. height: pixels.

    layout: plotly's layout, and `narrow`: changes for a phone, by path in the layout.
    """
    # on a phone a legend of two entries can take two lines
    narrow = {"margin.t": 74} if layout.get("margin", {}).get("t") == LEGEND_T else {}
    meta = {"alt": alt, "narrow": narrow | layout.pop("narrow", {})}
    chart = Chart(traces, {"template": TEMPLATE, "height": height, "meta": meta, **layout})
    chart._words = text  # noqa: SLF001 - plotly refuses public attributes
    return chart


def empty(message: str, *, alt: str) -> Chart:
    """Make a figure that says why there is nothing to draw. message: escaped."""
    note = {"text": message, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
    hidden = {"visible": False}
    return figure([], height=120, alt=alt, annotations=[note | {"font": {"color": MUTED}}], xaxis=hidden, yaxis=hidden)


def note(text: str, **where: Any) -> dict[str, Any]:
    """Make an annotation without an arrow, in the muted colour."""
    return {"text": text, "showarrow": False, "font": {"size": 12, "color": MUTED}, **where}


def vertical(x: Any, *, color: str = MUTED, dash: str = "dot", width: float = 1.2, **more: Any) -> dict[str, Any]:
    """Make a vertical line through the whole figure at `x`."""
    line = {"color": color, "dash": dash, "width": width}
    return {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "xref": "x", "yref": "paper", "line": line, **more}
