"""The layers of two images as bars: those that both have, and those that only one has."""

from __future__ import annotations

import plotly.graph_objects as go

from pratique.figures.labels import label
from pratique.figures.theme import BASELINE, CANARY, MUTED, Chart, empty, figure
from pratique.number_text import plural
from pratique.release.difference import Difference
from pratique.release.difference_text import megabytes
from pratique.release.sides import LayerSize

ALT = "Bytes of the files in each layer of both images, the lowest layer first; layers that both have are one bar."
NO_LAYERS = "Directories have no layers."
NOT_READ = "All layers are the same, so none was read."
MOST_ROWS = 40
ROW_PX = 26
ROOM, ROOM_NARROW = 1.18, 1.5
"""How much longer than its longest bar the axis is, on a wide and a narrow page: for the text behind it."""


def layer_sizes(difference: Difference) -> Chart:
    """Draw the size of each layer, the lowest first. Layers that both images have are shown once."""
    rows = _rows(difference)
    if difference.after.given.kind != "image":
        return empty(NO_LAYERS, alt=ALT)
    if not any(layer.bytes for _, layer in rows):
        return empty(NOT_READ, alt=ALT)
    kept = rows[-MOST_ROWS:]
    largest = max(layer.bytes or 0 for _, layer in kept)
    names = [_name(role, layer) for role, layer in kept]
    traces = [
        _bars(role, color, [(at, layer) for at, (own, layer) in enumerate(kept) if own == role])
        for role, color in (("both", MUTED), ("before", BASELINE.color), ("after", CANARY.color))
    ]
    left = f"{plural(len(rows) - len(kept), 'lower layer')} not shown" if len(rows) > len(kept) else "layer"
    return figure(
        [trace for trace in traces if len(trace.x)],
        height=110 + ROW_PX * len(kept),
        alt=ALT,
        text="\n".join(f"{name}: {_size(layer)}" for name, (_, layer) in zip(names, kept, strict=True)),
        margin={"t": 52},
        xaxis={
            "title": {"text": "bytes of its files"},
            "tickformat": "~s",
            "ticksuffix": "B",
            "range": [0, ROOM * largest],
        },
        yaxis={
            "tickvals": list(range(len(kept))),
            "ticktext": [label(name, 60) for name in names],
            "range": [len(kept) - 0.5, -0.5],
            "showgrid": False,
            "title": {"text": left},
        },
        narrow={
            "xaxis.range": [0, ROOM_NARROW * largest],
            "yaxis.title.text": "",
            "yaxis.ticktext": [label(name, 20) for name in names],
        },
    )


def _rows(difference: Difference) -> list[tuple[str, LayerSize]]:
    """Return the layers with the side that has them: first what both have, then those of each side."""
    both = [("both", layer) for layer in difference.after.layers if layer.is_shared]
    before = [("before", layer) for layer in difference.before.layers if not layer.is_shared]
    return [*both, *before, *(("after", layer) for layer in difference.after.layers if not layer.is_shared)]


def _name(role: str, layer: LayerSize) -> str:
    return f"{role}: {layer.command.removeprefix('/bin/sh -c ').removeprefix('#(nop) ').strip() or layer.diff_id[:19]}"


def _size(layer: LayerSize) -> str:
    return "not read" if layer.bytes is None else megabytes(layer.bytes)


def _bars(role: str, color: str, layers: list[tuple[int, LayerSize]]) -> go.Bar:
    return go.Bar(
        x=[layer.bytes or 0 for _, layer in layers],
        y=[at for at, _ in layers],
        orientation="h",
        name={"both": "in both"}.get(role, f"only {role}"),
        marker={"color": color},
        text=[_size(layer) for _, layer in layers],
        textposition="outside",
        cliponaxis=False,
        customdata=[[label(layer.command or layer.diff_id, 120)] for _, layer in layers],
        hovertemplate="%{customdata[0]}<br>%{text}<extra></extra>",
    )
