"""The panels below the controls: a click on a place or a suspect changes those that belong to it."""

from __future__ import annotations

from pratique import figures
from pratique.figures.incident_place import place_over_time
from pratique.incident.outcome import outcome_of
from pratique.incident.text import change_name, place_name
from pratique.report.incident_slices import values_of
from pratique.report.opened_incident import OpenedIncident
from pratique.store.base import Store
from pratique.widgets.compare import CompareBox
from pratique.widgets.shown import Shown, clicks_on

PLACE, SUSPECT, COMPARE = "Place", "Change", "Compare"


class IncidentPanels:
    """Banner, onset, places and suspects of one analysis, and below them the chosen place, change and comparison. widget: the box to display."""

    def __init__(self, store: Store, opened: OpenedIncident) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        self._opened, incident = opened, opened.incident
        self._places, self._place, self._suspect, top, onset = (Shown() for _ in range(5))
        top.show(figures.incident_banner(opened))
        onset.show(figures.onset(opened))
        self._places.show(figures.places(opened))
        self.clicks = clicks_on(self._places, lambda data: self.choose_place(int(data[2])))
        options = [(f"{one.grade}: {change_name(one.change)}", number) for number, one in enumerate(incident.suspects)]
        self.suspects = ipywidgets.Select(
            options=options, description="changes", rows=min(6, max(2, len(options))), layout={"width": "100%"}
        )
        threshold = outcome_of(incident.outcome, store, incident.service, incident.before, incident.start)
        values = values_of(store, incident.service, incident.before, incident.end)
        self.compare = CompareBox(store, opened, values, threshold.slower_than_ms)
        self.tabs = ipywidgets.Tab(
            [ipywidgets.VBox([self._place.widget]), ipywidgets.VBox([self._suspect.widget]), self.compare.widget],
            titles=(PLACE, SUSPECT, COMPARE),
        )  # fmt: skip
        self.widget = ipywidgets.VBox(
            [top.widget, onset.widget, self._places.widget, self.clicks, self.suspects, self.tabs]
        )
        self.choose_suspect(0)
        self.choose_place(0)
        self.suspects.observe(lambda event: self.choose_suspect(event["new"]), names="value")

    def choose_place(self, number: int) -> None:
        """Show one place over time, and compare its requests before and after; below 0: none of the places was clicked."""
        found = self._opened.incident.places.found if self._opened.incident.places else ()
        if found and not 0 <= number < len(found):
            return
        self._place.show(place_over_time(self._opened, number=number))
        if found:
            self._places.show(figures.places(self._opened, chosen=number))
            place = found[number]
            self.compare.select(None, place.action, place.host)
            self.tabs.set_title(0, f"{PLACE}: {place_name(place)[:50]}")
            self.tabs.selected_index = 0

    def choose_suspect(self, number: int | None) -> None:
        """Show the evidence about one suspect."""
        found = self._opened.incident.suspects
        if number is None and found:
            return
        self._suspect.show(figures.evidence(self._opened, number=number or 0))
        if found:
            self.tabs.set_title(1, f"{SUSPECT}: {change_name(found[number or 0].change)[:50]}")
            self.tabs.selected_index = 1
