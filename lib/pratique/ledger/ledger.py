"""The ledger: one SQLite file that several processes append to; entries are never changed or removed."""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from pratique import __version__
from pratique.clock import stamp, utc_now
from pratique.errors import BusyError, DataError, DeniedError, PratiqueError, StorageError, UsageError
from pratique.files import open_private
from pratique.ledger.anchors import anchors_of, check_heads, check_schema, compare, heads_path, keep_head, read_anchors
from pratique.ledger.entry import GENESIS, Entry, LedgerHead, canonical
from pratique.ledger.history import ReleaseRecord, releases_of, weights_of
from pratique.weight_changes import WeightChange

BUSY_S = 60.0
"""How long a writer waits for other writers: SQLite has no queue, and on a slow disk each holds the file longer."""

CHANGES_BEFORE = 10
"""Changes of shares that are read from before a range; the last of them is in force at its start."""

# with AUTOINCREMENT SQLite remembers the highest number ever given, which reveals a truncated end
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    time     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    service  TEXT NOT NULL,
    who      TEXT NOT NULL,
    why      TEXT NOT NULL,
    revision TEXT,
    run      TEXT,
    version  TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL UNIQUE,
    data     TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_service ON entries (service, kind, number);
CREATE TRIGGER IF NOT EXISTS entries_keep BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_follow BEFORE INSERT ON entries
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM entries)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""
COLUMNS = "number, time, kind, service, who, why, revision, run, version, previous, hash, data"


class Ledger:
    """Append entries, read them, and verify that nobody changed them. Usable from any thread."""

    def __init__(self, path: str | Path) -> None:
        """path: of the SQLite file. The first entry creates it; reading never does."""
        self.path = Path(path)
        self._busy_s = BUSY_S

    @contextmanager
    def busy_timeout(self, seconds: float) -> Iterator[None]:
        """Within the context, wait for other writers at most this long."""
        before, self._busy_s = self._busy_s, seconds
        try:
            yield
        finally:
            self._busy_s = before

    def append(
        self,
        kind: str,
        service: str,
        *,
        who: str | None = None,
        why: str = "",
        revision: str | None = None,
        run: str | None = None,
        data: dict[str, Any] | None = None,
        time: datetime | None = None,
    ) -> Entry:
        """Append one entry durably and return it. who: default the current user. time: default now; another one for prepared data.

        Raises: UsageError (`data` is not plain JSON), BusyError, DeniedError, StorageError.
        """
        with self._connect() as connection:
            _begin(connection)
            entry = _append(connection, kind, service, who or current_user(), why, revision, run, data or {}, time)
        keep_head(self.path, entry.number, entry.hash)
        return entry

    def bind(
        self,
        service: str,
        revision: str,
        digest: str,
        *,
        configuration: str = "",
        who: str | None = None,
        run: str | None = None,
    ) -> None:
        """Bind a revision to the digests of its content and configuration permanently. Repeating a binding changes nothing.

        Bind a revision once an instance of it was ready, so that a release that never ran can be corrected under its name.
        configuration: "" where it is unknown, which matches any.
        Raises: UsageError when the revision is already bound to another digest; BusyError, DeniedError, StorageError.
        """
        wanted = {"digest": digest, "configuration": configuration}
        with self._connect() as connection:
            _begin(connection)
            bound = self.binding(service, revision, connection)
            entry = None
            if bound is None:
                entry = _append(connection, "bind", service, who or current_user(), "", revision, run, wanted)
        if entry is not None:
            keep_head(self.path, entry.number, entry.hash)
        elif bound is not None:
            _require_same(service, revision, bound, wanted)

    def require_unchanged(self, service: str, revision: str, digest: str, *, configuration: str = "") -> None:
        """Refuse a revision that is bound to other digests. The parameters and errors are those of `bind`."""
        bound = self.binding(service, revision)
        if bound is not None:
            _require_same(service, revision, bound, {"digest": digest, "configuration": configuration})

    def binding(
        self, service: str, revision: str, connection: sqlite3.Connection | None = None
    ) -> dict[str, str] | None:
        """Return the digests that a revision is bound to, as `digest` and `configuration`; None while it is not bound."""
        entries = _entries(connection, service, "bind", None) if connection else self.entries(service, "bind")
        return next((dict(entry.data) for entry in entries if entry.revision == revision), None)

    def entries(self, service: str | None = None, kind: str | None = None, run: str | None = None) -> list[Entry]:
        """Return the entries, oldest first; an empty list when there is no ledger yet."""
        if not self.path.exists():
            return []
        with self._connect() as connection:
            return _entries(connection, service, kind, run)

    def since(self, kinds: Sequence[str], start: datetime | None) -> list[Entry]:
        """Return the entries of some kinds, of all services, that were written from a time on, oldest first."""
        marks = ", ".join("?" * len(kinds))
        if start is None:
            return self._select(f"kind IN ({marks})", *kinds)
        return self._select(f"kind IN ({marks}) AND time >= ?", *kinds, stamp(start.astimezone(UTC)))

    def after(self, number: int, most: int) -> list[Entry]:
        """Return the entries that follow entry `number`, oldest first, at most so many."""
        return self._select("number > ? AND number <= ?", number, number + most)

    def revisions(self, service: str) -> list[str]:
        """Return the revisions of a service that are bound to a digest, oldest first."""
        found = self._select("service = ? AND kind = 'bind' AND revision IS NOT NULL", service)
        return list(dict.fromkeys(str(entry.revision) for entry in found))

    def releases(self, service: str) -> list[ReleaseRecord]:
        """Return the releases of a service, oldest first."""
        return releases_of(self._select("service = ? AND kind IN ('release', 'report')", service))

    def latest_shares(self, service: str) -> Entry | None:
        """Return the last entry that changed the shares of a service; None if there is none."""
        if not self.path.exists():
            return None
        query = (
            f"SELECT {COLUMNS} FROM entries WHERE service = ? AND kind IN ('weight', 'lapse') "  # noqa: S608 - constant columns
            "ORDER BY number DESC LIMIT 1"
        )
        with self._connect() as connection:
            row = connection.execute(query, [service]).fetchone() if _is_set_up(connection) else None
        return _entry(row) if row else None

    def weights(self, service: str, start: datetime | None = None, end: datetime | None = None) -> list[WeightChange]:
        """Return the changes of shares in [start, end), oldest first, preceded by the one in force at `start`."""
        changes = "service = ? AND kind IN ('weight', 'lapse', 'clock')"
        if start is None:
            return weights_of(self._select(changes, service), start, end)
        # entered in order of their times; a few more, because a lapse is entered after the time it began
        first = f"SELECT number FROM entries WHERE {changes} AND time < ? ORDER BY number DESC LIMIT {CHANGES_BEFORE}"  # noqa: S608 - constant text
        later = f"{changes} AND number >= coalesce((SELECT min(number) FROM ({first})), 0)"  # noqa: S608 - constant text
        return weights_of(self._select(later, service, service, stamp(start.astimezone(UTC))), start, end)

    def _select(self, condition: str, *values: str | int) -> list[Entry]:
        """Return the entries that meet a condition in SQL, oldest first."""
        if not self.path.exists():
            return []
        with self._connect() as connection:
            if not _is_set_up(connection):
                return []
            query = f"SELECT {COLUMNS} FROM entries WHERE {condition} ORDER BY number"  # noqa: S608 - constant text, bound values
            return [_entry(row) for row in connection.execute(query, values)]

    def head(self) -> LedgerHead | None:
        """Return the number and hash of the last entry; None while there is none. Raises: DataError when it is damaged."""
        if not self.path.exists():
            return None
        with self._connect() as connection:
            if not _is_set_up(connection):
                return None
            row = connection.execute("SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1").fetchone()
        return LedgerHead(*row) if row else None

    def verify(self, kept: Sequence[Path] = ()) -> int:
        """Verify the whole chain, its triggers, and what other files keep about it (anchors.py). Return the number of entries.

        kept: further files to compare with: the JSON of a verdict, a result.json or a copy of ledger.heads.
        Raises: DataError that names the first entry that was changed, added or removed.
        """
        anchors = [*read_anchors(self.path), *chain.from_iterable(map(anchors_of, kept))]
        if not self.path.exists():
            compare(self.path, (), anchors)
            return 0
        with self._connect() as connection:
            if not _is_set_up(connection):
                compare(self.path, (), anchors)
                return 0
            # one transaction for both: other processes may append between two
            connection.execute("BEGIN")
            rows = connection.execute(f"SELECT {COLUMNS} FROM entries ORDER BY number").fetchall()  # noqa: S608 - constant columns
            highest = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence").fetchone()[0]
        previous = GENESIS
        for number, row in enumerate(rows, start=1):
            previous = self._checked(row, number, previous)
        if highest != len(rows):
            raise DataError(
                f"ledger {self.path}: entry {len(rows) + 1} is missing: entries after {len(rows)} cannot be trusted"
            )
        compare(self.path, [str(row[-2]) for row in rows], anchors)
        check_heads(self.path, len(rows))
        with self._connect() as connection:
            check_schema(connection, self.path, SCHEMA)
        return len(rows)

    def _checked(self, row: Sequence[Any], number: int, previous: str) -> str:
        if row[0] != number:
            raise DataError(
                f"ledger {self.path}: entry {number} is missing: entries after {number - 1} cannot be trusted"
            )
        try:
            entry = _entry(row)
            right = entry.previous == previous and entry.digest() == entry.hash
        except (ValueError, TypeError, UsageError):
            right = False
        if not right:
            raise DataError(
                f"ledger {self.path}: entry {number} was changed: entries from {number} on cannot be trusted"
            )
        return str(row[-2])

    def _refuse_emptied(self) -> None:
        """Refuse a file without content, unless another process is just creating it. Raises: DataError."""
        with suppress(OSError):
            found = self.path.stat()
            if found.st_size == 0 and (time.time() - found.st_mtime > BUSY_S or heads_path(self.path).exists()):
                raise DataError(
                    f"ledger {str(self.path)!r} is empty: restore it from a backup, or delete it if nothing was released yet"
                )

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        self._refuse_emptied()
        try:
            # SQLite would make it as the umask says; its other files get the permissions of this one
            open_private(self.path, "ab").close()
            connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise DeniedError(
                f"ledger {str(self.path)!r} cannot be opened: {error}: check the permissions of the folder"
            ) from error
        try:
            connection.execute("PRAGMA synchronous=FULL")
            yield connection
            if connection.in_transaction:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _mapped(self.path, error, self._busy_s) from error
        finally:
            connection.close()


def open_ledger(state_dir: Path) -> Ledger:
    """Open the ledger of a state folder. The first entry creates the file."""
    return Ledger(state_dir / "ledger.sqlite")


def current_user() -> str:
    """Return the user who acts: PRATIQUE_WHO, else the login name, else the user id."""
    named = os.environ.get("PRATIQUE_WHO")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


_MADE_OF = {
    "digest": "its folder or its image",
    "configuration": "runtime.command or runtime.env in the service file",
}
"""What each digest of a release is made of."""


def _require_same(service: str, revision: str, bound: dict[str, str], wanted: dict[str, str]) -> None:
    for what, now in wanted.items():
        if bound[what] and now and bound[what] != now:
            raise UsageError(
                f"{service} {revision!r} was released with {what} {bound[what][:19]}…, but now it has {now[:19]}…: "
                f"undo the change of {_MADE_OF[what]}: a changed release needs a new revision name"
            )


def _begin(connection: sqlite3.Connection) -> None:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'entries_follow'").fetchone():
        _write_ahead(connection)
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    connection.execute("BEGIN IMMEDIATE")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging; SQLite itself does not wait when several processes create a ledger at once."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _append(
    connection: sqlite3.Connection,
    kind: str,
    service: str,
    who: str,
    why: str,
    revision: str | None,
    run: str | None,
    data: dict[str, Any],
    time: datetime | None = None,
) -> Entry:
    last = connection.execute("SELECT number, hash FROM entries ORDER BY number DESC LIMIT 1").fetchone()
    number, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
    plain = json.loads(canonical(data))
    draft = Entry(number, time or utc_now(), kind, service, who, why, revision, run, __version__, previous, "", plain)
    entry = Entry(**{**vars(draft), "hash": draft.digest()})
    connection.execute(
        f"INSERT INTO entries ({COLUMNS}) VALUES ({','.join('?' * 12)})",  # noqa: S608 - constant columns
        (
            number,
            stamp(entry.time),
            kind,
            service,
            who,
            why,
            revision,
            run,
            __version__,
            previous,
            entry.hash,
            canonical(plain),
        ),
    )
    return entry


def _entries(connection: sqlite3.Connection, service: str | None, kind: str | None, run: str | None) -> list[Entry]:
    if not _is_set_up(connection):
        return []
    wanted = {"service": service, "kind": kind, "run": run}
    conditions = [f"{name} = ?" for name, value in wanted.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    query = f"SELECT {COLUMNS} FROM entries {where} ORDER BY number"  # noqa: S608 - constant columns, bound values
    found = connection.execute(query, [value for value in wanted.values() if value is not None])
    return [_entry(row) for row in found]


def _is_set_up(connection: sqlite3.Connection) -> bool:
    # another process may just have created the file, but not the table yet
    return bool(connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'entries'").fetchone()[0])


def _entry(row: Sequence[Any]) -> Entry:
    number, time, kind, service, who, why, revision, run, version, previous, digest, data = row
    moment, content = datetime.fromisoformat(time), json.loads(data)
    return Entry(number, moment, kind, service, who, why, revision, run, version, previous, digest, content)


def _mapped(path: Path, error: sqlite3.Error, busy_s: float) -> PratiqueError:
    text = str(error)
    if "locked" in text:
        return BusyError(f"ledger {str(path)!r} was locked by another process for {busy_s:.0f} s: try again")
    if "readonly" in text or "unable to open" in text:
        return DeniedError(f"ledger {str(path)!r} cannot be written: {text}: check the permissions of file and folder")
    if "not a database" in text or "malformed" in text or "no such table" in text:
        return DataError(f"ledger {str(path)!r} is damaged: {text}: restore it from a backup")
    return StorageError(f"ledger {str(path)!r}: {text}: entries written before are safe")
