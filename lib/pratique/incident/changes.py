"""The changes that may have caused an incident: of the ledger, of a file, and those that people and webhooks reported."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from pratique.config import Config
from pratique.errors import DataError
from pratique.incident.foreign_change import ForeignChange, each_once, foreign_change
from pratique.incident.given_file import opened_file
from pratique.incident.kept_changes import KeptChanges
from pratique.incident.model import Change
from pratique.ledger import Entry, Ledger, open_ledger
from pratique.ledger.history import changed_at, shares_of

BEFORE = timedelta(hours=24)
"""How long before the range a change is still a candidate."""
KINDS = ("release", "weight", "lapse", "bind")
"""The kinds of the ledger's entries that change traffic or code."""
LONGEST_LINE = 1 << 16
"""Bytes of a line in a file of changes."""
MOST_LINES = 100_000


def ledger_changes(ledger: Ledger, start: datetime | None, end: datetime | None) -> list[Change]:
    """Return what the ledger says was changed, of every service, from BEFORE the start to the end, oldest first.

    A release and a rollback is a change when it begins, a weight when it was asked for, a lapse when the lease expired.
    start, end: UTC; None: unbounded. Raises: as `Ledger.entries`.
    """
    first = None if start is None else start - BEFORE
    # an entry is written when its change has happened, or later
    entries = ledger.since(KINDS, first)
    over = {entry.run for entry in entries if entry.kind == "release" and entry.data.get("event") == "ended"}
    found = [change for entry in entries if (change := _change_of(entry, over)) is not None]
    return _within(found, first, end)


def read_changes(path: str | Path) -> list[Change]:
    """Read changes from a file of JSON lines, oldest first: see `foreign_change` for their form.

    Raises: DataError with file, line, field and an example; MissingError; UsageError for a folder; DeniedError.
    """
    return [change for foreign in _foreign_changes(Path(path)) for change in foreign.of_each()]


def all_changes(config: Config, start: datetime | None, end: datetime | None, file: str | Path = "") -> list[Change]:
    """Return all changes from BEFORE the start to the end, oldest first: the ledger's, those that were reported, and those of a file.

    A change of all services is one for each service of the service file. Lines that cannot be read among those that were reported are left out.
    A run is named only where its folder exists: `pratique abort` finds no other one.
    Raises: as `ledger_changes` and `read_changes`.
    """
    reported, _ = KeptChanges(config.state_dir).read()
    foreign = [*reported, *(_foreign_changes(Path(file)) if file else ())]
    first = None if start is None else start - BEFORE
    others = [change for one in each_once(foreign) for change in one.of_each(config.services)]
    own = ledger_changes(open_ledger(config.state_dir), start, end)
    runs = {path.name for path in (config.state_dir / "runs").glob("*")}
    return sorted(
        [
            *(change if change.active_run in runs else replace(change, active_run="") for change in own),
            *_within(others, first, end),
        ],
        key=lambda change: change.time,
    )


def _change_of(entry: Entry, over: Collection[str | None]) -> Change | None:
    """The change of an entry; None for one that changes nothing. over: runs that have ended."""
    kind = entry.kind
    if kind == "release":
        if entry.data.get("event") not in {"started", "first"}:
            return None
        kind = "rollback" if entry.data.get("runbook") == "rollback" else kind
    shares = shares_of(entry)
    return Change(
        changed_at(entry),
        entry.service,
        kind,
        entry.revision or "",
        entry.who,
        entry.why,
        entry.number,
        shares=shares or None,
        active_run="" if entry.run in over else entry.run or "",
    )


def _within(changes: Iterable[Change], first: datetime | None, end: datetime | None) -> list[Change]:
    chosen = [
        change for change in changes if (first is None or change.time >= first) and (end is None or change.time < end)
    ]
    return sorted(chosen, key=lambda change: change.time)


def _foreign_changes(path: Path) -> list[ForeignChange]:
    found = []
    with opened_file(path, "a JSON-lines file of changes") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if line.strip():
                found.append(_foreign_change(path, number, line))
    return sorted(found, key=lambda change: change.time)


def _foreign_change(path: Path, number: int, line: bytes) -> ForeignChange:
    where = f"file {str(path)!r}, line {number}"
    if len(line) > LONGEST_LINE or number > MOST_LINES:
        what = (
            f"a line has at most {LONGEST_LINE} bytes" if number <= MOST_LINES else f"at most {MOST_LINES:,} are read"
        )
        raise DataError(f"{where}: {what}")
    try:
        found = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: it is not JSON ({error.msg} at column {error.colno}): write one object a line"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: it is not UTF-8: save the file as UTF-8") from error
    except ValueError as error:
        raise DataError(f"{where}: a number has too many digits: write it as a text in quotes") from error
    except RecursionError as error:
        raise _nested(where) from error
    try:
        return foreign_change(found, source=path.name)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    except RecursionError as error:
        raise _nested(where) from error


def _nested(where: str) -> DataError:
    return DataError(f"{where}: it is nested too deeply: write one object of plain fields a line")
