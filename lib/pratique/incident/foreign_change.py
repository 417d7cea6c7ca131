"""A change that the ledger does not know: a flag, a migration, a deployment of another team. Its form in JSON, checked.

    {"time": "2026-11-20T14:00:00Z", "service": "shop", "why": "flag checkout_v2 on"}

time, and service or services, are needed. time: ISO 8601, UTC without a zone, or seconds since 1970. service: a name, or "*" for all; services:
several names. why, kind, who, revision: texts. source and id name the change: two with the same source and id are one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pratique.clock import stamp
from pratique.config import NAME
from pratique.incident.model import Change
from pratique.incident.moments import moment_of
from pratique.printable_text import printable

ALL = "*"
"""In place of a service: all of them."""
KIND = "change"
"""The kind of a change that tells none."""
EXAMPLE = '{"time": "2026-11-20T14:00:00Z", "service": "shop", "why": "flag checkout_v2 on"}'
LONGEST = {"why": 1000, "who": 200, "kind": 50, "revision": 100, "source": 200, "id": 200}
"""Characters that are kept of each text."""
MOST_SERVICES = 100


@dataclass(frozen=True)
class ForeignChange:
    """A checked change. services: names, or ALL alone. time: UTC."""

    time: datetime
    services: tuple[str, ...]
    kind: str
    revision: str
    who: str
    why: str
    source: str
    id: str

    @property
    def key(self) -> tuple[str, str]:
        """What it has in common with itself, when it is reported again."""
        return self.source, self.id

    def of_each(self, known: Collection[str] = ()) -> list[Change]:
        """Return it as one change for each service. known: all services, for a change of all; without them it is one of service ALL."""
        services = tuple(known) if self.services == (ALL,) and known else self.services
        return [
            Change(self.time, service, self.kind, self.revision, self.who, self.why, None, self.source)
            for service in services
        ]

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that `foreign_change` reads."""
        return {**vars(self), "time": stamp(self.time), "services": list(self.services)}


def foreign_change(found: Any, *, source: str) -> ForeignChange:
    """Return a change from its JSON. source: where it tells none.

    Raises: ValueError with the field, the reason and an example.
    """
    if not isinstance(found, Mapping):
        raise _wrong("a change is a JSON object")
    texts = {name: _text(found, name) for name in LONGEST}
    time, services = _time(found.get("time")), _services(found)
    kind, source = texts["kind"] or KIND, texts["source"] or source
    content = (stamp(time), sorted(services), kind, texts["revision"], texts["why"])
    unique = _unique(found.get("id"), texts["id"]) or _digest(json.dumps(content))
    return ForeignChange(time, services, kind, texts["revision"], texts["who"], texts["why"], source, unique)


def each_once(changes: Iterable[ForeignChange]) -> list[ForeignChange]:
    """Return the first change of each source and id."""
    found: dict[tuple[str, str], ForeignChange] = {}
    for change in changes:
        found.setdefault(change.key, change)
    return list(found.values())


def _time(value: Any) -> datetime:
    try:
        return moment_of(value)
    except ValueError as error:
        raise _wrong(f"the field time {_shown(value)}: {error}") from error


def _services(found: Mapping[str, Any]) -> tuple[str, ...]:
    given = found.get("services", found.get("service"))
    names = [given] if isinstance(given, str) else given
    if not isinstance(names, list) or not names:
        raise _wrong(f'the field service {_shown(given)}: name a service, or "{ALL}" for all')
    wrong = next((name for name in names if not isinstance(name, str) or not re.fullmatch(NAME, name)), None)
    if names == [ALL]:
        return (ALL,)
    if wrong is not None:
        raise _wrong(
            f"the field service {_shown(wrong)}: use letters, digits, '.', '_' and '-', at most 100, or \"{ALL}\" for all"
        )
    chosen = tuple(dict.fromkeys(names))
    if len(chosen) > MOST_SERVICES:
        raise _wrong(
            f'the field services names {len(chosen)} services: name at most {MOST_SERVICES}, or "{ALL}" for all'
        )
    return chosen


def _unique(given: Any, kept: str) -> str:
    """The kept text of an id. A long one is cut and gets a digest of the whole, so two long ids that begin alike stay two."""
    whole = str(given)
    return kept if len(whole) <= LONGEST["id"] else f"{kept[: LONGEST['id'] - 17]} {_digest(whole)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    if value is None:
        return ""
    if isinstance(value, int) and name in {"id", "revision"}:
        return str(value)[: LONGEST[name]]
    if not isinstance(value, str):
        raise _wrong(f"the field {name} {_shown(value)}: write a text in quotes")
    return printable(value, LONGEST[name]).strip()


def _shown(value: Any) -> str:
    if value is None:
        return "is missing"
    return f"is {printable(json.dumps(value, ensure_ascii=False, default=str), 60)}"


def _wrong(text: str) -> ValueError:
    return ValueError(f"{text}; for example: {EXAMPLE}")
