"""Settings of notifications: which events go where, and when."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from pratique.config.store import REFERENCE
from pratique.config.types import Name, Strict
from pratique.masked_text import masked

KINDS = (
    "release.promoted",
    "release.rolled_back",
    "release.inconclusive",
    "release.failed",
    "release.waiting",
    "lease.lapsed",
    "collector.dead",
    "balancer.dead",
    "certificate.ending",
    "incident.onset",
    "job.failed",
    "job.missed",
    "job.late",
    "job.recovered",
    "doctor.finding",
    "backup.failed",
    "backup.old",
    "notify.failing",
    "notify.recovered",
)
"""The kinds of events, as `events` names them."""
Risk = Literal["low", "medium", "high", "critical"]
OPEN_SCHEMES = {"json", "jsons", "xml", "xmls", "form", "forms", "ntfy", "ntfys", "mailto", "mailtos", "http", "https"}
"""Schemes whose address is no secret as long as it holds no password; that of others is a key or a token."""
MAIL_SCHEMES = {"mailto", "mailtos"}
"""Schemes in which a user without a password is a name; in others, as of ntfy, it is a token."""
_TOKEN = re.compile(r"/(?=[^/]*[A-Za-z])(?=[^/]*\d)[\w-]{16,}(?=/|$)")
"""A part of a path that looks drawn by lot."""
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _address(value: str) -> str:
    """Return `value` when it is a reference to a secret, or an address without one. The message never repeats it."""
    if re.fullmatch(REFERENCE, value) and value:
        return value
    advice = "write it as env:NAME or file:PATH, and put the address there"
    try:
        found = urlsplit(value)
    except ValueError:
        raise ValueError(f"this is not an address: {advice}") from None
    if found.scheme not in OPEN_SCHEMES:
        raise ValueError(f"the address of such a service is a secret itself: {advice}")
    rest = f"{found.hostname}{found.path}?{found.query}"
    user = found.username if found.scheme not in MAIL_SCHEMES else None
    if user or found.password or masked(rest) != rest or _TOKEN.search(found.path):
        raise ValueError(f"the address holds a secret: {advice}")
    return value


def _pattern(value: str) -> str:
    kind = value.replace(" ", "_")
    if not any(fnmatchcase(known, kind) for known in KINDS):
        raise ValueError(f"no event is called {value[:80]!r}: use {', '.join(KINDS)}, or a part with *, such as job.*")
    return kind


def _hours(value: str) -> str:
    found = _HOURS.fullmatch(value)
    if value and (not found or found.group(1, 2) == found.group(3, 4)):
        raise ValueError(f"{value[:80]!r} is not a time of the day: write it like 22:00-06:00")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone {value[:80]!r} is unknown: write it like Europe/Vienna") from None
    return value


class NotifySettings(Strict):
    """One route: an address, the events that go there, and the hours in which it stays quiet."""

    to: Annotated[str, Field(max_length=2000), AfterValidator(_address)]
    name: Name | Literal[""] = ""
    events: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ("*",)
    least: Risk = "low"
    quiet: Annotated[str, AfterValidator(_hours)] = ""
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    group_s: Annotated[float, Field(ge=0, le=3600)] = 30.0

    @property
    def route(self) -> str:
        """The name of the route: `name`, or else its address, which holds no secret."""
        return self.name or self.to

    def below(self, base: Path) -> Self:
        """Return the settings with the path of a secret's file made absolute; a relative one is below `base`."""
        kind, _, path = self.to.partition(":")
        return self.model_copy(update={"to": f"file:{Path(base, path).absolute()}"}) if kind == "file" else self


class WithRoutes(Strict):
    """The part of the service file with the routes."""

    notify: tuple[NotifySettings, ...] = ()

    @model_validator(mode="after")
    def _routes_differ(self) -> Self:
        names = [settings.route for settings in self.notify]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"notify: two routes are called {twice!r}: give each another `name`")
        return self
