"""Record an incident in the ledger with a few clicks: open it, name its cause, record when the service was restored, close it."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Literal

from pratique.clock import utc_now
from pratique.errors import PratiqueError, UsageError
from pratique.figures.panels import Panel
from pratique.incident.model import Incident
from pratique.incident.text import place_name
from pratique.ledger import open_ledger
from pratique.ledger.incidents import NONE, IncidentRecord, Incidents, Key
from pratique.ledger.text import incident_line
from pratique.notebook.person import person_is_here
from pratique.report.opened_incident import OpenedIncident
from pratique.widgets.incident_steps import IncidentStep, causing, ending, opening
from pratique.widgets.typed_time import time_text, typed_time

STATIC = "Open this notebook in JupyterLab to record the incident, or use: pratique incident open --help"
NEW = "a new incident"
NEW_KEY: Key = ("", "")
"""The value of NEW: a list whose value is None shows an empty field."""
ROW = {"flex_flow": "row wrap", "align_items": "center"}
INSIDE = "calc(100% - 4px)"
"""The width of the box less the margins of a field: a phone shows its right edge."""
NARROW, WIDE = {"width": "20rem", "max_width": INSIDE}, {"width": "40rem", "max_width": INSIDE}


def record_incident(investigation: OpenedIncident) -> Any:
    """Return buttons that record an incident in the ledger; where no person can click, only a sentence that says where one can.

    investigation: from `open_incident`; the fields begin with what it found. Nothing is recorded before it is confirmed.
    Raises: no error; one is said beside the buttons.
    """
    if not person_is_here():
        return Panel(f"<p>{STATIC}</p>", STATIC)
    return IncidentRecorder(investigation).widget


class IncidentRecorder:
    """Fields, a button for each step, and what was recorded. widget: the box to display."""

    def __init__(self, opened: OpenedIncident) -> None:
        import ipywidgets  # noqa: PLC0415 - only where there is a person

        self._opened, incident = opened, opened.incident
        self._asked: IncidentStep | None = None
        self._known: dict[Key, IncidentRecord] = {}
        onset = incident.onset
        self.which = ipywidgets.Dropdown(description="incident", layout=WIDE)
        self.title = _text("title", title_of(incident), "what users noticed, in one sentence", WIDE)
        self.began = _text("began", time_text(onset.best) if onset else "", "UTC")
        self.severity = _text("severity", "", "such as SEV-1")
        self.cause = ipywidgets.Combobox(
            value=cause_of(incident), description="cause", layout=NARROW, ensure_option=False,
            placeholder="a revision, or none",
        )  # fmt: skip
        self.restored = _text("restored", time_text(onset.ended.last) if onset and onset.ended else "", "empty: now")
        self.closed = _text("closed", "", "empty: now")
        self.open = _button("Open", "Record a new incident", self._guarded(self._open))
        self.name_cause = _button("Cause", "Record which revision caused it", self._guarded(self._name_cause))
        self.restore = _button("Restored", "Record when the service was restored", self._guarded(self._restore))
        self.close = _button("Close", "Record that the work on it has ended", self._guarded(self._close))
        self.record = _button("Record", "Write it into the ledger", self._guarded(self._record), "danger")
        self.cancel = _button("Cancel", "Write nothing", self._withdraw)
        self.said = ipywidgets.HTML()
        self._ask_first = ipywidgets.HBox([self.record, self.cancel])
        self._for_new = ipywidgets.VBox([self.title, ipywidgets.HBox([self.began, self.severity], layout=ROW)])
        self._for_known = ipywidgets.HBox([self.restored, self.closed], layout=ROW)
        steps = ipywidgets.HBox([self.open, self.name_cause, self.restore, self.close], layout=ROW)
        self.widget = ipywidgets.VBox(
            [self.which, self._for_new, self.cause, self._for_known, steps, self.said, self._ask_first]
        )
        self.widget.add_class("pratique-recorder")
        self.which.observe(lambda _: self._choose(), names="value")
        self._choose()
        self._guarded(self._list)()

    def _incidents(self) -> Incidents:
        return Incidents(open_ledger(self._opened.config.state_dir))

    def _list(self, chosen: IncidentRecord | None = None) -> None:
        """Offer the incidents of the service that are not closed, and choose one: by default that of the range."""
        incident = self._opened.incident
        known = [record for record in self._incidents().all(incident.service) if record.state != "closed"]
        here = [record for record in known if incident.start <= record.began < incident.end]
        chosen = chosen or (here[-1] if here else None)
        self._known = {record.key: record for record in known}
        self.which.options = [(NEW, NEW_KEY), *((incident_line(record)[:120], record.key) for record in known)]
        self.which.value = chosen.key if chosen and chosen.key in self._known else NEW_KEY
        revisions = open_ledger(self._opened.config.state_dir).revisions(incident.service)
        self.cause.options = (NONE, *sorted({*revisions, *(one.change.revision for one in incident.suspects)} - {""}))
        self._choose()

    def _choose(self) -> None:
        """Show the fields and the buttons of a new incident, or of a known one."""
        is_new = self.which.value not in self._known
        _show(self._for_new, is_new)
        _show(self._for_known, not is_new)
        self.open.disabled = not is_new
        for button in (self.name_cause, self.restore, self.close):
            button.disabled = is_new
        self._withdraw()

    def _open(self) -> None:
        began, service = typed_time("began", self.began.value), self._opened.incident.service
        severity, cause = self.severity.value.strip(), self.cause.value.strip()
        self._ask(opening(service, self.title.value, began, severity=severity, cause=cause))

    def _name_cause(self) -> None:
        cause = self.cause.value.strip()
        if not cause:
            raise UsageError(f"cause is empty: write a revision, or {NONE} when no revision caused it")
        self._ask(causing(self._known[self.which.value], cause))

    def _restore(self) -> None:
        self._end("restored", self.restored.value)

    def _close(self) -> None:
        self._end("closed", self.closed.value)

    def _end(self, event: Literal["restored", "closed"], text: str) -> None:
        at = typed_time(event, text) if text.strip() else utc_now().replace(microsecond=0)
        self._ask(ending(self._known[self.which.value], event, at))

    def _ask(self, step: IncidentStep) -> None:
        """Say what a step would record, and wait for a click on Record or Cancel."""
        self._asked = step
        self._say(f"Record in the ledger: {step.question}?", step)
        _show(self._ask_first, True)

    def _record(self) -> None:
        """Record the step that was confirmed, and say it."""
        step, self._asked = self._asked, None
        if step is None:
            return
        self._opened.config.target(self._opened.incident.service).make_state_folder()
        record = step.record(self._incidents())
        self._list(record)
        self._say(f"Recorded: {incident_line(record)}", step, self._incidents().note_on_cause(record))

    def _withdraw(self) -> None:
        self._asked = None
        self.said.value = ""
        _show(self._ask_first, False)

    def _say(self, sentence: str, step: IncidentStep, note: str = "") -> None:
        lines = [escape(sentence), f"<code>{escape(step.command(self._opened.config.file))}</code>", escape(note)]
        self.said.value = "<br>".join(filter(None, lines))

    def _guarded(self, act: Callable[[], None]) -> Callable[[], None]:
        """The act, with its error said in one line."""

        def guarded() -> None:
            try:
                act()
            except PratiqueError as error:
                self._withdraw()
                self.said.value = escape(" ".join(str(error).split()))

        return guarded


def title_of(incident: Incident) -> str:
    """Return a first title: the outcome, and the first place where one is shown."""
    found = incident.places.found if incident.places else ()
    return f"{incident.outcome} of {incident.service}" + (f": {place_name(found[0])}" if found else "")


def cause_of(incident: Incident) -> str:
    """Return the revision that is shown to have caused the incident; "" where none is."""
    return next((one.change.revision for one in incident.suspects if one.grade == "shown"), "")


def _text(description: str, value: str, placeholder: str, layout: dict[str, str] = NARROW) -> Any:
    import ipywidgets  # noqa: PLC0415 - only where there is a person

    return ipywidgets.Text(value, description=description, placeholder=placeholder, layout=layout)


def _button(description: str, tooltip: str, act: Callable[[], None], style: str = "") -> Any:
    import ipywidgets  # noqa: PLC0415 - only where there is a person

    button = ipywidgets.Button(description=description, tooltip=tooltip, button_style=style)
    button.on_click(lambda _: act())
    return button


def _show(widget: Any, shown: bool) -> None:
    widget.layout.display = None if shown else "none"
