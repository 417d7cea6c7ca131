"""Figures and panels of the library as widgets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pratique.figures.panels import Panel
from pratique.figures.theme import Chart

CLICKS = Path(__file__).with_name("clicks.js")


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


def clicks_on(shown: Shown, act: Callable[[Any], None]) -> Any:
    """Return a widget without a size that calls `act` with the `customdata` of the point that a person clicks in a figure.

    shown: the place of the figure; it may be replaced. plotly's own widget would send the 5 MB of its program with each figure.
    """
    import anywidget  # noqa: PLC0415 - only where there is a person

    clicks = anywidget.AnyWidget(_esm=CLICKS.read_text(encoding="utf-8"), layout={"display": "none"})
    for widget in (shown.widget, clicks):
        widget.add_class(f"pratique-clicks-{clicks.model_id}")
    clicks.on_msg(lambda _, content, __: act(content["customdata"]))
    return clicks
