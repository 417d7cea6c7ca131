"""What must survive the collector's process: the counters, and the requests that the server has not yet acknowledged.

Both are in one SQLite file and change in one transaction, so that no window is counted twice or left out, whatever dies.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from pratique.errors import DataError, StorageError
from pratique.export.remote_write.metrics import WIDTH, Key, Values
from pratique.export.remote_write.totals import Slot, Total, Totals
from pratique.files import make_private_folder, open_private

MOST_BYTES = 64 << 20
"""Most bytes of requests that wait; beyond, the oldest are dropped. Counters in later requests include what they counted, but
the events in them, and the start of series that began in them, are lost."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS totals (key TEXT PRIMARY KEY, "values" BLOB, sent BLOB, changed_ms INTEGER, sent_ms INTEGER);
CREATE TABLE IF NOT EXISTS windows (source TEXT, start_ms INTEGER, key TEXT, "values" BLOB, PRIMARY KEY (source, start_ms, key));
CREATE TABLE IF NOT EXISTS closed (source TEXT PRIMARY KEY, end_ms INTEGER);
CREATE TABLE IF NOT EXISTS requests (number INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER, body BLOB);
"""


@dataclass(frozen=True)
class Request:
    """A request that waits. time_ms: of its newest samples, epoch ms."""

    number: int
    time_ms: int
    body: bytes


class State:
    """The file. Threads may share it."""

    def __init__(self, path: Path, url: str) -> None:
        """Read the file of an earlier process, or begin with nothing for another server. Raises: StorageError, DataError."""
        self._path, self._lock = path, threading.Lock()
        with self._errors():
            make_private_folder(path.parent)
            open_private(path, "ab").close()
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_SCHEMA)
        self._made_for = {"url": url, "width": str(WIDTH)}
        if not self._made_for.items() <= self._facts().items():
            self.begin_again()

    @property
    def instance(self) -> str:
        """A name that the series of no other collector have."""
        return self._facts()["instance"]

    @property
    def dropped(self) -> int:
        """How many requests were dropped because too many waited."""
        return int(self._facts().get("dropped", "0"))

    @property
    def refused(self) -> tuple[int, str]:
        """How many requests the server refused for good, and what it said to the last one."""
        facts = self._facts()
        return int(facts.get("refused", "0")), facts.get("refusal", "")

    def begin_again(self) -> None:
        """Forget everything, and count from zero under another name."""
        with self._transaction() as connection:
            for table in ("facts", "totals", "windows", "closed", "requests"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constant names
            self._set(connection, **self._made_for, instance=f"collector-{secrets.token_hex(4)}")

    def totals(self) -> Totals:
        """Return the counters as they were kept last."""
        found = Totals(end_ms=int(self._facts().get("end_ms", "0")))
        with self._errors(), self._lock:
            for key, values, sent, *times in self._connection.execute(
                'SELECT key, "values", sent, changed_ms, sent_ms FROM totals'
            ):
                found.totals[_key(key)] = Total(_values(values), _values(sent), *times)
            for source, start_ms, key, values in self._connection.execute("SELECT * FROM windows"):
                found.windows.setdefault((source, start_ms), {})[_key(key)] = _values(values)
            found.closed = dict(self._connection.execute("SELECT source, end_ms FROM closed").fetchall())
        return found

    def keep(self, totals: Totals, touched: Iterable[Slot], requests: Sequence[tuple[int, bytes]]) -> None:
        """Keep the counters and further requests, all or none. touched: windows that changed. requests: (epoch ms, body)."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM totals")
            connection.executemany(
                "INSERT INTO totals VALUES (?, ?, ?, ?, ?)",
                [
                    (_text(key), one.values.tobytes(), one.sent.tobytes(), one.changed_ms, one.sent_ms)
                    for key, one in totals.totals.items()
                ],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?)",
                [
                    (*slot, _text(key), values.tobytes())
                    for slot in touched
                    for key, values in totals.windows.get(slot, {}).items()
                ],
            )
            for source, end_ms in totals.closed.items():
                connection.execute("INSERT OR REPLACE INTO closed VALUES (?, ?)", (source, end_ms))
            known = set(connection.execute("SELECT DISTINCT source, start_ms FROM windows"))
            connection.executemany(
                "DELETE FROM windows WHERE source = ? AND start_ms = ?", sorted(known - totals.windows.keys())
            )
            self._set(connection, end_ms=str(totals.end_ms))
            self._append(connection, requests)

    def append(self, requests: Sequence[tuple[int, bytes]]) -> None:
        """Keep further requests. requests: (epoch ms, body)."""
        with self._transaction() as connection:
            self._append(connection, requests)

    def first(self) -> Request | None:
        """Return the request that has waited longest; None when none waits."""
        with self._errors(), self._lock:
            row = self._connection.execute(
                "SELECT number, time_ms, body FROM requests ORDER BY number LIMIT 1"
            ).fetchone()
        return Request(*row) if row else None

    def remove(self, request: Request, *, refusal: str = "") -> None:
        """Forget a request that was acknowledged, or refused for good. refusal: what the server said then."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM requests WHERE number = ?", (request.number,))
            if refusal:
                self._set(connection, refused=str(_number(connection, "refused") + 1), refusal=refusal)

    def waiting(self) -> tuple[int, int]:
        """Return how many requests wait, and the time of the oldest, epoch ms."""
        with self._errors(), self._lock:
            number, oldest = self._connection.execute("SELECT count(*), min(time_ms) FROM requests").fetchone()
        return number, oldest or 0

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _append(self, connection: sqlite3.Connection, requests: Sequence[tuple[int, bytes]]) -> None:
        connection.executemany("INSERT INTO requests (time_ms, body) VALUES (?, ?)", requests)
        beyond = connection.execute(
            "SELECT number FROM (SELECT number, sum(length(body)) OVER (ORDER BY number DESC) AS bytes FROM requests) "
            "WHERE bytes > ?",
            (MOST_BYTES,),
        ).fetchall()
        if beyond:
            connection.executemany("DELETE FROM requests WHERE number = ?", beyond)
            self._set(connection, dropped=str(_number(connection, "dropped") + len(beyond)))

    def _facts(self) -> dict[str, str]:
        with self._errors(), self._lock:
            return dict(self._connection.execute("SELECT name, value FROM facts").fetchall())

    @staticmethod
    def _set(connection: sqlite3.Connection, **facts: str) -> None:
        connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._errors(), self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "malformed" in str(error) or "not a database" in str(error):
                raise DataError(
                    f"{str(self._path)!r} is damaged: remove it: the counters of remote write start from zero: {error}"
                ) from error
            raise StorageError(f"{str(self._path)!r} cannot be written: {error}") from error
        except OSError as error:
            raise StorageError(f"{str(self._path)!r} cannot be written: {error.strerror}") from error


def _number(connection: sqlite3.Connection, fact: str) -> int:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (fact,)).fetchone()
    return int(row[0]) if row else 0


@lru_cache(maxsize=50_000)
def _text(key: Key) -> str:
    return json.dumps(key)


def _key(text: str) -> Key:
    service, revision, action, code, host = json.loads(text)
    return service, revision, action, code, host


def _values(blob: bytes) -> Values:
    return np.frombuffer(blob, np.float64)
