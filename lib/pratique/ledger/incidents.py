"""Incidents as the ledger records them: entries of kind "incident", folded to one record each.

The data of an entry: `id` and `source` name the incident, `event` is "opened", "cause", "restored", "closed" or "corrected". Further
keys are the fields that the entry sets: began, detected, restored, closed (ISO 8601, UTC), cause, severity, title. The last
entry that sets a field wins, and none is ever changed. An incident that was opened without an id is I and the number of that entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pratique.clock import stamp, utc_now, utc_of
from pratique.errors import MissingError, UsageError
from pratique.ledger.entry import Entry
from pratique.ledger.ledger import Ledger
from pratique.printable_text import printable

KIND = "incident"
OWN = "pratique"
"""The source of an incident that was opened here."""
NONE = "none"
"""The cause of an incident that no revision caused."""
TEXTS = {"title": 300, "severity": 50, "cause": 100, "source": 100, "id": 200}
"""The texts of an incident, and the characters that are kept of each."""
TIMES = ("began", "detected", "restored", "closed")
SKEW = timedelta(minutes=5)
"""How far ahead the clock may be of the program or person that tells a time."""
_ORDER = (("began", "detected"), ("began", "restored"), ("began", "closed"), ("restored", "closed"))
"""Times of which the first is not after the second."""
State = Literal["open", "restored", "closed"]
Key = tuple[str, str]


@dataclass(frozen=True)
class IncidentRecord:
    """An incident. Times are UTC. number: of the entry that opened it. who: the user who did.

    id, source: its name, and the program that gave it. service: which. title, severity: as that program has them.
    began: when users were hit first. detected: when somebody noticed. restored: when users were well again; None while they are
    not, or it is unknown. closed: when the work on it ended. cause: a revision, "none", or "" while it is unknown.
    """

    id: str
    source: str
    service: str
    title: str
    began: datetime
    number: int
    who: str
    detected: datetime | None = None
    restored: datetime | None = None
    closed: datetime | None = None
    cause: str = ""
    severity: str = ""

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.source, self.id

    @property
    def state(self) -> State:
        """How far it is."""
        return "closed" if self.closed else "restored" if self.restored else "open"

    @property
    def times(self) -> dict[str, datetime | None]:
        """Its times by their names."""
        return {name: getattr(self, name) for name in TIMES}

    def to_json(self) -> dict[str, Any]:
        """Return the incident as plain JSON values."""
        times = {name: stamp(time) if time else None for name, time in self.times.items()}
        return {**vars(self), **times, "state": self.state}


def incidents_of(entries: Iterable[Entry]) -> list[IncidentRecord]:
    """Return the incidents that entries record, by their beginning. entries: oldest first; other kinds are left out."""
    found: dict[Key, IncidentRecord] = {}
    for entry in entries:
        if entry.kind != KIND:
            continue
        key = _key(entry)
        if key in found:
            found[key] = _after(found[key], entry)
        elif entry.data.get("event") == "opened":
            found[key] = _opened(entry)
    return sorted(found.values(), key=lambda record: (record.began, record.number))


class Incidents:
    """The incidents of a ledger: read them, and record what became of one."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def all(self, service: str | None = None) -> list[IncidentRecord]:
        """Return the incidents of a service, or all, by their beginning. Raises: as `Ledger.entries`."""
        return incidents_of(self._ledger.entries(service, KIND))

    def find(self, unique: str, source: str = "") -> IncidentRecord:
        """Return an incident by its id. Raises: MissingError; UsageError when several sources have this id."""
        every, unique, source = self.all(), readable("id", unique), readable("source", source)
        found = [record for record in every if record.id == unique and source in ("", record.source)]
        if not found:
            raise MissingError.unknown("incident", unique, [record.id for record in every])
        if len(found) > 1:
            sources = ", ".join(record.source for record in found)
            raise UsageError(f"several incidents have the id {unique[:80]!r}, of {sources}: say which source")
        return found[0]

    def open(
        self, service: str, title: str, *, who: str | None = None, why: str = "", **fields: str | datetime | None
    ) -> IncidentRecord:
        """Record a new incident and return it. fields: id, source, began, detected, cause, severity; None and "" are not set.

        Raises: UsageError (no title, an id or source without readable text, impossible times); as `Ledger.append`.
        """
        given = {name: value for name, value in fields.items() if value not in (None, "")}
        if not readable("title", title):
            raise UsageError("the incident has no title: say in one sentence what users noticed")
        for name in ("id", "source"):
            if name in given and not readable(name, str(given[name])):
                raise UsageError(f"the incident's {name} {given[name]!r:.80} has no readable text: give another one")
        require_possible({}, {"began": utc_now(), **given})
        data = {"event": "opened", "source": OWN, "id": "", "title": title, **given}
        return _opened(self._ledger.append(KIND, service, who=who, why=why, data=_plain(data)))

    def record(
        self,
        known: IncidentRecord,
        event: Literal["cause", "restored", "closed", "corrected"],
        *,
        who: str | None = None,
        why: str = "",
        **fields: str | datetime | None,
    ) -> IncidentRecord:
        """Record what became of an incident, and return it as it is now. fields: those that the event sets; None unsets a time.

        Raises: UsageError for an impossible time; as `Ledger.append`.
        """
        require_possible(known.times, fields)
        data = {"event": event, "source": known.source, "id": known.id, **fields}
        return _after(known, self._ledger.append(KIND, known.service, who=who, why=why, data=_plain(data)))

    def note_on_cause(self, record: IncidentRecord) -> str:
        """Return a note where the cause of an incident is no revision that the ledger knows, else ""."""
        known = self._ledger.revisions(record.service)
        if record.cause in ("", NONE, *known) or not known:
            return ""
        return f"note: {record.service} never had a revision {record.cause[:80]!r} in this ledger: check the name"


def readable(name: str, text: str) -> str:
    """Return the text of a field as it is recorded. name: one of TEXTS."""
    return printable(text, TEXTS[name]).strip()


def require_possible(known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse times that no incident can have: in the future, or in the wrong order. known: recorded before; given: to be recorded.

    Raises: UsageError.
    """
    latest = utc_now() + SKEW
    times = {name: time for name, time in {**known, **given}.items() if name in TIMES and time is not None}
    for name in TIMES:
        if name in given and name in times and times[name] > latest:
            raise UsageError(f"{name} {_shown(times[name])} is in the future: correct the time")
    for earlier, later in _ORDER:
        if {earlier, later} <= times.keys() and {earlier, later} & given.keys() and times[later] < times[earlier]:
            said = "began" if earlier == "began" else f"was {earlier}"
            raise UsageError(
                f"the incident {said} {_shown(times[earlier])} and cannot be {later} {_shown(times[later])}: correct one of them"
            )


def _shown(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%SZ}"


def _opened(entry: Entry) -> IncidentRecord:
    source, unique = _key(entry)
    return _after(IncidentRecord(unique, source, entry.service, "", entry.time, entry.number, entry.who), entry)


def _after(record: IncidentRecord, entry: Entry) -> IncidentRecord:
    event = str(entry.data.get("event"))
    at_once = {event: entry.time} if event in {"restored", "closed"} else {}
    return replace(record, **(at_once | _fields(entry.data)))


def _key(entry: Entry) -> Key:
    source, unique = (str(entry.data.get(name) or "") for name in ("source", "id"))
    return source or OWN, unique or f"I{entry.number}"


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that an entry sets; what another version wrote and cannot be read is left out."""
    found: dict[str, Any] = {
        name: data[name] for name in ("title", "severity", "cause") if isinstance(data.get(name), str)
    }
    for name in TIMES:
        value = data.get(name, "")
        if value is None and name != "began":
            found[name] = None
        if isinstance(value, str) and value:
            try:
                found[name] = utc_of(value)
            except ValueError:
                continue
    return found


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: stamp(value)
        if isinstance(value, datetime)
        else readable(name, value)
        if name in TEXTS and isinstance(value, str)
        else value
        for name, value in data.items()
    }
