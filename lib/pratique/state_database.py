"""A SQLite file of the state folder: private, shared by several processes, and damage is reported in one line.

The file appears whole: its tables are made in a draft, which then gets the name. So a file without content, of another
program or of a newer version is never taken for one that has nothing in it yet.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pratique.errors import BusyError, DataError, DeniedError, PratiqueError, StorageError
from pratique.files import open_private

BUSY_S = 60.0
"""How long a writer waits for other writers: SQLite has no queue, and on a slow disk each holds the file longer."""


@dataclass(frozen=True)
class StateDatabase:
    """The file, opened again for each use, so from any thread.

    what: names the file in messages, such as "outcomes". schema: SQL that makes the tables. application: a number that no
    other kind of file has. version: of the schema. busy_s: how long to wait for other processes.
    """

    path: Path
    what: str
    schema: str
    application: int
    version: int = 1
    busy_s: float = BUSY_S

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that commits each statement by itself; the file is made where it is missing.

        Raises: BusyError, DataError (damaged, or of another program), DeniedError, StorageError.
        """
        with self._errors():
            if not self.path.exists():
                self._make()
            if self.path.stat().st_size == 0:
                raise DataError(f"{self._name} is empty: restore it from a backup, or delete it")
            connection = sqlite3.connect(self.path, timeout=self.busy_s, isolation_level=None)
            try:
                self._require_own(connection)
                connection.execute("PRAGMA synchronous=FULL")
                connection.execute("PRAGMA foreign_keys=ON")
                yield connection
            finally:
                connection.close()

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction that no other writer enters; an exception takes all changes back.

        Raises: as `connected`.
        """
        with self.connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                # on a full disk SQLite itself has taken the changes back
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @property
    def _name(self) -> str:
        return f"{self.what} {str(self.path)!r}"

    def _make(self) -> None:
        draft = self.path.with_name(f".{self.path.name}.{secrets.token_hex(6)}.new")
        open_private(draft, "xb").close()
        try:
            connection = sqlite3.connect(draft, isolation_level=None)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute(f"PRAGMA application_id={self.application}")
                connection.execute(f"PRAGMA user_version={self.version}")
                connection.executescript(self.schema)
            finally:
                connection.close()
            with suppress(FileExistsError):  # another process made it first
                os.link(draft, self.path)
        finally:
            for ending in ("", "-wal", "-shm"):
                draft.with_name(draft.name + ending).unlink(missing_ok=True)

    def _require_own(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != self.application:
            raise DataError(f"{self._name} is a file of another program: move it away")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != self.version:
            raise DataError(f"{self._name} was written by another version of Pratique (format {version}): use that one")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._mapped(str(error)) from error
        except PermissionError as error:
            raise DeniedError(f"{self._name} cannot be opened: {error.strerror}: check the permissions") from error
        except OSError as error:
            raise StorageError(f"{self._name} cannot be used: {error.strerror}") from error

    def _mapped(self, text: str) -> PratiqueError:
        if "locked" in text:
            return BusyError(f"{self._name} was locked by another process for {self.busy_s:.0f} s: try again")
        if "readonly" in text or "unable to open" in text:
            return DeniedError(f"{self._name} cannot be opened: {text}: check the permissions of file and folder")
        if any(sign in text for sign in ("not a database", "malformed", "no such", "disk image", "unsupported")):
            return DataError(f"{self._name} is damaged: {text}: restore it from a backup, or delete it")
        return StorageError(f"{self._name}: {text}: earlier content is safe")
