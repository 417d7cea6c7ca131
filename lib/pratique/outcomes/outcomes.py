"""The file of outcomes: several processes append to it; a record stays as it is until its time of keeping ends."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pratique.clock import stamp, utc_now
from pratique.errors import DataError, UsageError
from pratique.outcomes.model import JSON, OutcomeRecord
from pratique.state_database import StateDatabase

KEPT_DAYS = 400
"""A year and a month: enough to compare with the same month of last year."""
REMOVED_AT_ONCE = 100
"""How many old records each new one removes at most, so that no writer waits long."""
LARGEST_DETAILS = 1_000_000
"""Characters of the details of one record, as JSON."""
_APPLICATION = 0x50524F43
_LARGEST = 2**63 - 1

_SCHEMA = """
BEGIN;
CREATE TABLE outcomes (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    key         TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    revision    TEXT NOT NULL,
    host        TEXT NOT NULL,
    duration_ms INTEGER,
    details     TEXT NOT NULL,
    UNIQUE (kind, subject, key)
) STRICT;
CREATE INDEX outcomes_by_time ON outcomes (at);
CREATE INDEX outcomes_by_subject ON outcomes (subject, at);
CREATE TABLE kept (since TEXT NOT NULL) STRICT;
INSERT INTO kept VALUES ('');
CREATE TRIGGER outcomes_keep BEFORE UPDATE ON outcomes
    BEGIN SELECT RAISE(ABORT, 'outcomes are append-only'); END;
CREATE TRIGGER outcomes_stay BEFORE DELETE ON outcomes WHEN OLD.at >= (SELECT since FROM kept)
    BEGIN SELECT RAISE(ABORT, 'outcomes are append-only within the time that they are kept'); END;
COMMIT;
"""
_COLUMNS = "at, kind, subject, key, outcome, revision, host, duration_ms, details"
_ADD = f"INSERT INTO outcomes ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - constant columns
_REMOVE = "DELETE FROM outcomes WHERE number IN (SELECT number FROM outcomes WHERE at < ? ORDER BY at LIMIT ?)"


class Outcomes:
    """Append records and read them. Usable from any thread and process."""

    def __init__(self, path: Path) -> None:
        """path: of the SQLite file. The first record creates it; reading never does."""
        self._database = StateDatabase(path, "outcomes", _SCHEMA, _APPLICATION)

    def add(self, record: OutcomeRecord) -> bool:
        """Append a record durably, and remove some that are older than KEPT_DAYS.

        Return False, and change nothing, when the same kind, subject and key is there already or the record is older
        than those that are kept.
        Raises: UsageError (a time without a time zone, details that are not JSON), BusyError, DataError, DeniedError, StorageError.
        """
        values = _values(record)
        at = record.at.astimezone(UTC)
        # a wrong clock must not remove everything: neither the record's time nor the present one alone counts
        now = utc_now()
        oldest = stamp(min(now, at) - timedelta(days=KEPT_DAYS))
        with self._database.changing() as connection:
            if (since := _kept_since(connection)) > stamp(now):
                # both were wrong once; without this, no record would be kept until that time comes
                connection.execute("UPDATE kept SET since = ?", [oldest])
            elif stamp(at) < since:
                return False
            added = connection.execute(_ADD, values).rowcount == 1
            if added:
                _remove(connection, oldest, REMOVED_AT_ONCE)
        return added

    def read(
        self,
        kind: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        last: int | None = None,
        first: int | None = None,
        outcomes: Sequence[str] = (),
        key: str | None = None,
    ) -> list[OutcomeRecord]:
        """Return the records of a kind, of a subject, with a key, in [since, until), oldest first.

        last, first: only so many of the newest, or of the oldest. outcomes: those that ended so; () for all.

        Raises: BusyError, DataError, DeniedError, StorageError.
        """
        wanted = {
            "kind = ?": kind,
            "subject = ?": subject,
            "key = ?": key,
            "at >= ?": None if since is None else stamp(since.astimezone(UTC)),
            "at < ?": None if until is None else stamp(until.astimezone(UTC)),
        }
        conditions = [condition for condition, value in wanted.items() if value is not None]
        if outcomes:
            conditions.append(f"outcome IN ({', '.join('?' * len(outcomes))})")
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        way = "DESC" if first is None else "ASC"
        query = f"SELECT {_COLUMNS} FROM outcomes {where} ORDER BY at {way}, number {way} LIMIT ?"  # noqa: S608 - constant text, bound values
        values = [_text(value) for value in (*wanted.values(), *outcomes) if value is not None]
        most = last if first is None else first
        if not self._database.path.exists():
            return []
        with self._database.connected() as connection:
            rows = connection.execute(query, [*values, -1 if most is None else max(most, 0)]).fetchall()
        return [self._record(row) for row in (reversed(rows) if first is None else rows)]

    def prune(self, before: datetime) -> int:
        """Remove the records that ended before a time; return how many. Raises: BusyError, DataError, DeniedError, StorageError."""
        if not self._database.path.exists():
            return 0
        with self._database.changing() as connection:
            return _remove(connection, stamp(before.astimezone(UTC)), -1)

    def _record(self, row: Sequence[Any]) -> OutcomeRecord:
        at, kind, subject, key, outcome, revision, host, duration_ms, details = row
        try:
            found = json.loads(details)
            if isinstance(found, dict):
                ended = datetime.fromisoformat(at)
                return OutcomeRecord(ended, kind, subject, key, outcome, revision, host, duration_ms, found)
        except (ValueError, RecursionError):
            pass
        raise DataError(
            f"outcomes {str(self._database.path)!r}: the record of {at[:40]!r} is damaged: restore the file from a backup"
        )


def open_outcomes(state_dir: Path) -> Outcomes:
    """Open the outcomes of a state folder. The first record creates the file."""
    return Outcomes(state_dir / "outcomes.sqlite")


def _kept_since(connection: sqlite3.Connection) -> str:
    return str(connection.execute("SELECT since FROM kept").fetchone()[0])


def _remove(connection: sqlite3.Connection, before: str, most: int) -> int:
    connection.execute("UPDATE kept SET since = max(since, ?)", [before])
    return connection.execute(_REMOVE, [before, most]).rowcount


def _values(record: OutcomeRecord) -> tuple[str | int | None, ...]:
    if record.at.tzinfo is None:
        raise UsageError(f"the time of an outcome has no time zone: {record.at}: give it in UTC")
    if record.duration_ms is not None and not 0 <= record.duration_ms <= _LARGEST:
        raise UsageError(f"the duration of an outcome is not a number of milliseconds: {record.duration_ms}")
    texts = (record.kind, record.subject, record.key, record.outcome, record.revision, record.host)
    at = stamp(record.at.astimezone(UTC))
    return (at, *map(_text, texts), record.duration_ms, _json(record.details))


def _text(text: str) -> str:
    """Return a text that UTF-8 can hold: names of files and words of logs may have other bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _json(details: Mapping[str, JSON]) -> str:
    try:
        text = json.dumps(details, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the details of an outcome are not plain JSON: {error}") from error
    if len(text) > LARGEST_DETAILS:
        raise UsageError(f"the details of an outcome have {len(text)} characters: keep at most {LARGEST_DETAILS}")
    return text
