"""Settings of the collector."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from pratique.config.types import Address, Name, Seconds, Strict


class HttplogSettings(Strict):
    """How lines of HAProxy's own httplog tell their service and revision.

    service: "" takes the frontend's name. revision_from: FIELD or FIELD:REGEX, whose first group is the revision;
    fields are frontend, backend and server. timezone: of HAProxy's host, whose log has local times without one.
    """

    service: Name | Literal[""] = ""
    revision_from: str = "backend"
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _pattern(self) -> HttplogSettings:
        field, _, pattern = self.revision_from.partition(":")
        if field not in {"frontend", "backend", "server"}:
            raise ValueError(f"revision_from names {field!r}: frontend, backend and server are known")
        try:
            groups = re.compile(pattern or "()").groups
        except re.error as error:
            raise ValueError(f"revision_from: {pattern!r} is no regular expression: {error}") from None
        if groups == 0:
            raise ValueError(f"revision_from: {pattern!r} has no group: put the revision's part in parentheses")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"timezone {self.timezone!r} is not known: write it as Europe/Vienna") from None
        return self


class TelemetrySettings(Strict):
    """listen: where the collector takes syslog over UDP. window_s: length of a rollup's window.

    advertise_address: where HAProxy and containers send it to; "" is where it listens, which other hosts cannot reach on loopback.
    listen_tcp: where it takes syslog over TCP as well; listen_unix: the path of a datagram socket; "" for none. The kernel queues
    net.unix.max_dgram_qlen messages for it, often only 10, and HAProxy drops what comes beyond: raise it.
    late_s: how long after a window's end its lines are still added; later ones are counted as late.
    host: the `host` of rollups whose lines name none. httplog: how HAProxy's own lines are read.
    container_log_mb: what the logs of containers may take, all together.
    """

    listen: Address = "127.0.0.1:5514"
    advertise_address: Address | Literal[""] = ""
    listen_tcp: Address | Literal[""] = ""
    listen_unix: str = ""
    window_s: Annotated[int, Field(ge=1, le=3600)] = 10
    late_s: Seconds = 60.0
    host: str = "local"
    httplog: HttplogSettings = HttplogSettings()
    container_log_mb: Annotated[float, Field(gt=0, le=1_000_000)] = 200.0

    @property
    def target(self) -> str:
        """Where senders reach the collector."""
        return self.advertise_address or self.listen
