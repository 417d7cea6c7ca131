"""An analysis of an incident with the question and the settings that it was made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pratique.incident.measures import Investigation

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.report.incident_question import IncidentQuestion


@dataclass(frozen=True)
class OpenedIncident(Investigation):
    """An incident, the arrays that the figures draw, and everything that it depends on.

    incident: the answer. measures: the arrays behind it. changes: all changes that were looked at, oldest first.
    question: the service, outcome and time range. config: the settings.
    """

    question: IncidentQuestion
    config: Config
