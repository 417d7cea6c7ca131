"""Import incidents that another program recorded into the ledger: JSON, JSON lines or CSV, each incident once."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pratique.config import IncidentSettings
from pratique.errors import DataError, UsageError
from pratique.files import PRIVATE, replace_file
from pratique.incident.given_file import opened_file
from pratique.incident.incident_sources import fields_of, records_of, value_at
from pratique.incident.moments import moment_of
from pratique.ledger import Ledger
from pratique.ledger.incidents import OWN, TEXTS, TIMES, IncidentRecord, Incidents, readable, require_possible

MOST_BYTES = 64 << 20
"""The size of a file that is read."""
LONGEST_REJECT = 2000
"""Characters that are kept of a record that cannot be read."""


@dataclass(frozen=True)
class Reject:
    """A record that is no incident. line: of the file; in one JSON document, the number of the record in it."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class ImportedIncidents:
    """The result of an import. opened, changed, known: incidents that are new, that went on, and that said nothing new.

    others: records of other services. rejects: records that cannot be read.
    """

    opened: int
    changed: int
    known: int
    others: int
    rejects: tuple[Reject, ...]

    def to_text(self) -> str:
        """Return one line for a terminal."""
        parts = [f"{self.opened:,} opened", f"{self.changed:,} went on", f"{self.known:,} known already"]
        parts += [f"{self.others:,} of other services"] if self.others else []
        parts += [f"{len(self.rejects):,} rejected"] if self.rejects else []
        return f"incidents: {', '.join(parts)}"


def import_incidents(
    path: Path, ledger: Ledger, service: str, settings: IncidentSettings, *, preset: str = "", who: str | None = None
) -> ImportedIncidents:
    """Record the incidents of a file, and what became of known ones. What people recorded is not overwritten.

    preset: in place of that of the settings. Raises: MissingError, UsageError (a folder), DeniedError, DataError (no incident can be read); as `Ledger.append`.
    """
    incidents, rejects, others = Incidents(ledger), [], 0
    counts = dict.fromkeys(("opened", "changed", "known"), 0)
    known = {record.key: record for record in incidents.all()}
    source = settings.source or (preset or settings.preset if (preset or settings.preset) != "auto" else path.stem)
    source = readable("source", source) or OWN
    for line, record, text in _records(path):
        try:
            fields = _checked(_mapped(record, settings, preset or settings.preset))
            if fields.pop("service", settings.name or service) != (settings.name or service):
                others += 1
                continue
            key = (source, fields["id"])
            state, known[key] = _take(incidents, known.get(key), service, fields | {"source": source}, who)
            counts[state] += 1
        except (ValueError, UsageError) as error:
            rejects.append(Reject(line, str(error), text[:LONGEST_REJECT]))
    if rejects and not any(counts.values()) and not others:
        raise DataError(
            f"no record of {str(path)!r} is an incident; the first one, {rejects[0].line}: {rejects[0].reason}; "
            f"set --preset, or the names of its fields in [services.{service}.incidents.fields]"
        )
    return ImportedIncidents(**counts, others=others, rejects=tuple(rejects))


def keep_rejects(path: Path, source: Path, rejects: tuple[Reject, ...]) -> None:
    """Write rejects as JSON lines with file, line, reason and text. Raises: OSError."""
    lines = (json.dumps({"file": str(source), **vars(reject)}) for reject in rejects)
    replace_file(path, "".join(f"{line}\n" for line in lines), mode=PRIVATE)


def _take(
    incidents: Incidents, known: IncidentRecord | None, service: str, fields: dict[str, Any], who: str | None
) -> tuple[str, IncidentRecord]:
    """Record what is new about an incident; return which count it belongs to, and the incident."""
    ends = {name: fields.pop(name) for name in ("restored", "closed") if name in fields}
    wanted = [name for name in ends if known is None or getattr(known, name) is None]
    # all of them before the first is recorded
    given: dict[str, Any] = {name: ends[name] for name in wanted}
    require_possible(known.times if known else {}, given if known else {**fields, **given})
    if known is None:
        known = incidents.open(service, fields.pop("title"), who=who, why="import", **fields)
        state = "opened"
    else:
        state = "changed" if wanted else "known"
        cause = fields.get("cause", "")
        if cause and not known.cause:
            known, state = incidents.record(known, "cause", who=who, why="import", cause=cause), "changed"
    for name in wanted:
        known = incidents.record(
            known, "restored" if name == "restored" else "closed", who=who, why="import", **{name: ends[name]}
        )
    return state, known


def _mapped(record: Any, settings: IncidentSettings, preset: str) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise ValueError("it is not an object with fields")  # noqa: TRY004 - one error for all
    own = {name: value_at(record, path) for name, path in settings.fields.given().items()}
    return fields_of(record, preset) | {name: value for name, value in own.items() if value not in (None, "")}


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    """The fields with their types. Raises: ValueError naming the field."""
    checked: dict[str, Any] = {}
    for name, value in found.items():
        if name in TIMES:
            checked[name] = _time(name, value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            # as it is recorded, so that it is found again
            checked[name] = readable(name, str(value)) if name in TEXTS else str(value)[:LONGEST_REJECT].strip()
        else:
            raise ValueError(f"the field {name} is neither text nor a number")
    missing = next((name for name in ("id", "title", "began") if not checked.get(name)), None)
    if missing:
        raise ValueError(
            f"the field {missing} has no readable text" if missing in found else f"it has no field {missing}"
        )
    return checked


def _time(name: str, value: Any) -> datetime:
    try:
        return moment_of(float(value) if isinstance(value, str) and value.strip().isdecimal() else value)
    except ValueError as error:
        raise ValueError(f"the field {name} is {str(value)[:60]!r}: {error}") from error


def _records(path: Path) -> Iterator[tuple[int, Any, str]]:
    """Each record with its line and its text; a line that is not JSON is a record of the type str."""
    text = _text(path)
    if path.suffix.lower() == ".csv" or text.lstrip()[:1] not in ("{", "["):
        yield from _rows(path, text)
        return
    try:
        records = records_of(json.loads(text))
    except (ValueError, RecursionError):
        yield from _json_lines(text)
        return
    for number, record in enumerate(records, start=1):
        yield number, record, json.dumps(record)


def _rows(path: Path, text: str) -> Iterator[tuple[int, Any, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    try:
        for row in reader:
            yield reader.line_num, {name: value for name, value in row.items() if name}, json.dumps(row)
    except csv.Error as error:
        raise DataError(f"file {str(path)!r}, line {reader.line_num}: it is not CSV: {error}") from error


def _json_lines(text: str) -> Iterator[tuple[int, Any, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found = records_of(json.loads(line))
        except (ValueError, RecursionError):
            found = [line]
        for record in found:
            yield number, record, line


def _text(path: Path) -> str:
    with opened_file(path, "a file of incidents") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise DataError(f"file {str(path)!r} is larger than {MOST_BYTES >> 20} MiB: split it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"file {str(path)!r} is not UTF-8: save it as UTF-8") from error
