"""Settings of the collector."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from pratique.config.store import Reference
from pratique.config.types import Address, Name, Seconds, Strict


class HttplogSettings(Strict):
    """How lines of HAProxy's own httplog name their service and revision."""

    service: Name | Literal[""] = ""
    revision_from: str = "backend"
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _pattern(self) -> HttplogSettings:
        field, _, pattern = self.revision_from.partition(":")
        if field not in {"frontend", "backend", "server"}:
            raise ValueError(f"revision_from has no field {field!r}: use frontend, backend or server")
        try:
            groups = re.compile(pattern or "()").groups
        except re.error as error:
            raise ValueError(f"revision_from: {pattern!r} is not a regular expression: {error}") from None
        if groups == 0:
            raise ValueError(
                f"revision_from: {pattern!r} has no group: put the part that is the revision in parentheses"
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"timezone {self.timezone!r} is unknown: write it like Europe/Vienna") from None
        return self


HostSource = Literal["line", "server", "instance"]
PRIVATE = "private"
"""In `allow`: loopback and the private networks."""


def _network(text: str) -> str:
    try:
        return text if text == PRIVATE else str(ip_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network: {error}: write it like 10.0.0.0/8, or {PRIVATE}") from None


class TelemetrySettings(Strict):
    """Where the collector receives access lines, and how it adds them up."""

    listen: Address = "127.0.0.1:5514"
    advertise_address: Address | Literal[""] = ""
    listen_tcp: Address | Literal[""] = ""
    listen_unix: str = ""
    listen_http: Address | Literal[""] = ""
    webhook_token: Reference = ""
    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = (PRIVATE,)
    window_s: Annotated[int, Field(ge=1, le=3600)] = 10
    late_s: Seconds = 60.0
    host: str = "local"
    host_from: HostSource = "line"
    httplog: HttplogSettings = HttplogSettings()
    spool_mb: Annotated[float, Field(ge=64, le=10_000_000)] = 4000.0
    container_log_mb: Annotated[float, Field(gt=0, le=1_000_000)] = 200.0

    @property
    def collector_address(self) -> str:
        """The address that balancers and containers send to."""
        return self.advertise_address or self.listen
