"""Settings of one service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pratique.config.balancer import BalancerSettings
from pratique.config.judge import Policy
from pratique.config.rollout import RolloutSettings
from pratique.config.runtime import RuntimeSettings
from pratique.config.types import Strict


class ActionRule(Strict):
    """One rule from a path to an action; the first match wins."""

    path: Annotated[str, Field(pattern=r"^/")]
    method: str = "*"
    action: str | None = None


class FieldNames(Strict):
    """The names of the fields of an event in the user's own JSON log."""

    time: str = "time"
    service: str = "service"
    revision: str = "revision"
    action: str = "action"
    path: str = "path"
    method: str = "method"
    code: str = "code"
    request: str = "request"
    duration: str = ""
    duration_ms: str = "duration_ms"
    host: str = "host"
    state: str = ""


class ImportSettings(Strict):
    """How the user's own logs are read."""

    fields: FieldNames = FieldNames()
    format: str = "auto"
    log_format: str = ""
    revision_from: str = ""
    ignore_paths: tuple[str, ...] = ()


IncidentPreset = Literal["auto", "plain", "pagerduty", "opsgenie", "alertmanager", "github", "gitlab"]
IncidentField = Annotated[str, Field(max_length=200)]


class IncidentFields(Strict):
    """The names of the fields of an incident in the user's own file; empty for those of the preset."""

    id: IncidentField = ""
    title: IncidentField = ""
    began: IncidentField = ""
    detected: IncidentField = ""
    restored: IncidentField = ""
    closed: IncidentField = ""
    severity: IncidentField = ""
    cause: IncidentField = ""
    service: IncidentField = ""

    def given(self) -> dict[str, str]:
        """Return the names that are set."""
        return self.model_dump(exclude_defaults=True)


class IncidentSettings(Strict):
    """How incidents of another program are read."""

    preset: IncidentPreset = "auto"
    source: Annotated[str, Field(max_length=100)] = ""
    name: Annotated[str, Field(max_length=200)] = ""
    fields: IncidentFields = IncidentFields()


class ServiceSettings(Strict):
    """Everything about one service."""

    actions: tuple[ActionRule, ...] = ()
    runtime: RuntimeSettings = RuntimeSettings()
    balancer: BalancerSettings = BalancerSettings()
    rollout: RolloutSettings = RolloutSettings()
    judge: Policy = Field(default_factory=Policy)
    imports: ImportSettings = ImportSettings()
    incidents: IncidentSettings = IncidentSettings()
