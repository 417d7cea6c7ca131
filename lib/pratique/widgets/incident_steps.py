"""One step in the life of an incident, as a person is about to record it, and the command line that records the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pratique.clock import iso, utc_now
from pratique.ledger.incidents import NONE, OWN, IncidentRecord, Incidents

COMMANDS = {"restored": "restored", "closed": "close"}
"""Event → the command of `pratique incident` that records it."""


@dataclass(frozen=True)
class IncidentStep:
    """A step that is not recorded yet.

    question: names the entry, in one line. name, options, arguments: of the command that records it.
    """

    question: str
    name: str
    options: Mapping[str, str]
    arguments: tuple[str, ...]
    record: Callable[[Incidents], IncidentRecord]

    def command(self, config: str) -> str:
        """Return the command line. config: path of the service file; "" for the one in the working folder."""
        given = {**self.options, "config": config}
        options = [word for name, value in given.items() if value for word in (f"--{name}", value)]
        # text of a person may begin as an option does
        before = [*options, "--"] if any(argument.startswith("-") for argument in self.arguments) else []
        after = [] if before else options
        return shlex.join(["pratique", "incident", self.name, *before, *self.arguments, *after])


def opening(service: str, title: str, began: datetime, *, severity: str = "", cause: str = "") -> IncidentStep:
    """Return the step that records a new incident. began: when users were hit first."""
    title = title.strip()
    detected = max(began, utc_now())

    def record(incidents: Incidents) -> IncidentRecord:
        return incidents.open(service, title, began=began, detected=detected, severity=severity, cause=cause)

    question = f"a new incident of {service} since {iso(began)}: {title}"
    options = {"began": iso(began), "severity": severity, "cause": cause}
    return IncidentStep(question, "open", options, (service, title), record)


def causing(known: IncidentRecord, revision: str) -> IncidentStep:
    """Return the step that records the cause of an incident. revision: "none" where no revision caused it."""

    def record(incidents: Incidents) -> IncidentRecord:
        return incidents.record(known, "cause", cause=revision)

    question = f"{known.id} was caused by {'no revision' if revision == NONE else revision}"
    return IncidentStep(question, "cause", _source(known), (known.id, revision), record)


def ending(known: IncidentRecord, event: Literal["restored", "closed"], at: datetime) -> IncidentStep:
    """Return the step that records that users were well again, or that the work had ended."""

    def record(incidents: Incidents) -> IncidentRecord:
        fields: dict[str, Any] = {event: at}
        return incidents.record(known, event, **fields)

    options = {"at": iso(at), **_source(known)}
    return IncidentStep(f"{known.id} was {event} {iso(at)}", COMMANDS[event], options, (known.id,), record)


def _source(known: IncidentRecord) -> dict[str, str]:
    return {} if known.source == OWN else {"source": known.source}
