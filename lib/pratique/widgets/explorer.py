"""Ask further about an incident: another service, outcome or range; one place, one suspect, two selections of requests."""

from __future__ import annotations

from typing import Any

from pratique.errors import PratiqueError
from pratique.figures.panels import Panel
from pratique.notebook.person import person_is_here
from pratique.report.incident_question import IncidentQuestion
from pratique.report.opened_incident import OpenedIncident
from pratique.widgets.typed_time import time_text, typed_time

STATIC = "Open this notebook in JupyterLab to choose another service, range, place or change, and to compare revisions."
OUTCOMES = ("5xx", "4xx", "no answer", "p50", "p95", "p99")


def explore_incident(investigation: OpenedIncident) -> Any:
    """Return controls to ask further about an incident; where no person can click, only a sentence that says where one can.

    investigation: from `open_incident`. Raises: the errors of `open_incident`.
    """
    if not person_is_here():
        return Panel(f"<p>{STATIC}</p>", STATIC)
    return Explorer(investigation).widget


class Explorer:
    """The controls and the panels that follow them. widget: the box to display; opened: the incident that they show."""

    def __init__(self, opened: OpenedIncident) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        from pratique.report.given import existing_store  # noqa: PLC0415 - with it

        self.opened = opened
        self._store = existing_store(opened.config, opened.incident.start)
        services = sorted({seen.service for seen in self._store.revisions()} | {opened.incident.service})
        self.service = ipywidgets.Dropdown(options=services, value=opened.incident.service, description="service")
        self.outcome = ipywidgets.Combobox(
            options=OUTCOMES, value=opened.incident.outcome, description="outcome", ensure_option=False
        )
        self.start = ipywidgets.Text(time_text(opened.incident.start), description="from", continuous_update=False)
        self.end = ipywidgets.Text(time_text(opened.incident.end), description="to", continuous_update=False)
        self.analyse = ipywidgets.Button(description="Analyse", button_style="primary", tooltip="Analyse this range")
        self.said = ipywidgets.Label()
        self.analyse.on_click(lambda _: self.ask())
        self.panels = ipywidgets.VBox()
        controls = [self.service, self.outcome, self.start, self.end, self.analyse, self.said]
        self.widget = ipywidgets.VBox([ipywidgets.HBox(controls, layout={"flex_flow": "row wrap"}), self.panels])
        self.widget.add_class("pratique-explorer")
        self.show()

    def ask(self) -> None:
        """Analyse what the controls name, and show it; an error is said beside them."""
        from pratique.report.incident import investigate_stored  # noqa: PLC0415 - scipy

        self.said.value = "…"
        try:
            question = IncidentQuestion(
                self.service.value, self.outcome.value.strip(), typed_time("from", self.start.value),
                typed_time("to", self.end.value), None, self.opened.question.changes, self.opened.question.alpha,
            )  # fmt: skip
            self.opened = investigate_stored(self.opened.config, question)
        except PratiqueError as error:
            self.said.value = str(error)
            return
        self.said.value = ""
        self.show()

    def show(self) -> None:
        """Show the panels of what was analysed last."""
        from pratique.widgets.incident_panels import IncidentPanels  # noqa: PLC0415 - plotly

        self.shown = IncidentPanels(self._store, self.opened)
        self.panels.children = (self.shown.widget,)
