"""Compare two selections of requests: two revisions, or one in two time ranges, by action, host, code or revision."""

from __future__ import annotations

from typing import Any

from pratique.errors import PratiqueError, UsageError
from pratique.figures.incident_slices import slices
from pratique.report.incident_slices import ALL, DIMENSIONS, Selection, sliced
from pratique.report.opened_incident import OpenedIncident
from pratique.store.base import Store
from pratique.widgets.shown import Shown
from pratique.widgets.typed_time import time_text, typed_time

NARROW, WIDE = {"width": "13rem"}, {"width": "20rem"}


class CompareBox:
    """Two rows of controls, what they are compared by, and the figure. widget: the box to display."""

    def __init__(
        self, store: Store, opened: OpenedIncident, values: dict[str, list[str]], slower_than_ms: float | None
    ) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        self._store, self._opened, self._slower_than_ms = store, opened, slower_than_ms
        self._revisions, self._hosts, self._actions = ([ALL, *values[name]] for name in ("revision", "host", "action"))
        before, after = default_selections(opened)
        self.first, self.second = self._side("before", before), self._side("after", after)
        self.dimension = ipywidgets.ToggleButtons(options=DIMENSIONS, description="by", style={"button_width": "6rem"})
        self.action = ipywidgets.Dropdown(options=self._actions, description="action", layout=WIDE)
        self.host = ipywidgets.Dropdown(options=self._hosts, description="host", layout=WIDE)
        self.problem = ipywidgets.Label()
        self._figure = Shown()
        for control in (*self.first, *self.second, self.dimension, self.action, self.host):
            control.observe(lambda _: self.draw(), names="value")
        self.widget = ipywidgets.VBox(
            [*(ipywidgets.HBox(side, layout={"flex_flow": "row wrap"}) for side in (self.first, self.second)),
             ipywidgets.HBox([self.action, self.host], layout={"flex_flow": "row wrap"}), self.dimension, self.problem,
             self._figure.widget]
        )  # fmt: skip
        self.draw()

    def select(self, revision: str | None, action: str | None, host: str | None) -> None:
        """Show one place: the controls take its values, where they have them."""
        self.action.value = action if action in self._actions else ALL
        self.host.value = host if host in self._hosts else ALL
        if revision in self._revisions:
            self.second[0].value = revision

    def draw(self) -> None:
        """Read the store for both selections, and draw them; a wrong time is said beside the controls."""
        try:
            sides = [
                sliced(self._store, self._opened.incident.service, self._opened.incident.outcome, self._selection(side),
                       self.dimension.value, slower_than_ms=self._slower_than_ms)
                for side in (self.first, self.second)
            ]  # fmt: skip
        except PratiqueError as error:
            self.problem.value = str(error)
            return
        self.problem.value = ""
        before, after = sides
        self._figure.show(slices(before, after, self.dimension.value))

    def _side(self, name: str, selection: Selection) -> list[Any]:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        chosen = selection.revision if selection.revision in self._revisions else ALL
        return [
            ipywidgets.Dropdown(options=self._revisions, value=chosen, description=name, layout=WIDE),
            ipywidgets.Text(time_text(selection.start), description="from", continuous_update=False, layout=WIDE),
            ipywidgets.Text(time_text(selection.end), description="to", continuous_update=False, layout=WIDE),
        ]

    def _selection(self, side: list[Any]) -> Selection:
        revision, first, last = (control.value for control in side)
        start, end = typed_time("from", first), typed_time("to", last)
        if start >= end:
            raise UsageError(f"{first} is not before {last}")
        return Selection(start, end, revision, self.action.value, self.host.value)


def default_selections(opened: OpenedIncident) -> tuple[Selection, Selection]:
    """Return all requests before the start and after it; without a start, the two halves of the range."""
    incident = opened.incident
    middle = incident.onset.best if incident.onset else incident.start + (incident.end - incident.start) / 2
    return Selection(incident.start, middle), Selection(middle, incident.end)
