"""Figures and panels of the library as widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pratique.figures.panels import Panel
from pratique.figures.theme import Chart


class Shown:
    """A place for one figure or panel, which is replaced by the next one. widget: to be put into a box."""

    def __init__(self) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        self.widget = ipywidgets.Output()

    def show(self, content: Chart | Panel) -> None:
        """Replace the content."""
        data = content._repr_mimebundle_() if isinstance(content, Chart) else {"text/html": content.html}
        # without a display id, and in one step: outputs that are cleared and filled would make the page jump
        self.widget.outputs = ({"output_type": "display_data", "data": data, "metadata": {}},)


def clickable(chart: Chart, on_click: Callable[[Any], None]) -> Any:
    """Return a figure as a widget that calls `on_click` with the `customdata` of the point that a person clicks."""
    import plotly.graph_objects as go  # noqa: PLC0415 - with it

    found = go.FigureWidget(chart)
    for trace in found.data:
        if trace.customdata is not None:
            trace.on_click(
                lambda clicked, points, _: (
                    on_click(clicked.customdata[points.point_inds[0]]) if points.point_inds else None
                )
            )
    return found
