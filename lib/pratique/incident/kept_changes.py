"""The changes that people and webhooks reported, in a file of the state folder: appended under a lock, each once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from pratique.errors import DeniedError, StorageError
from pratique.files import PRIVATE, locked, open_private, replace_file
from pratique.incident.foreign_change import ForeignChange, each_once, foreign_change

FILE = "changes.jsonl"
MOST = 10_000
"""Changes that are kept; the oldest entries are dropped first."""
_SPARE = MOST // 10
"""How many more are dropped at once."""


class KeptChanges:
    """The kept changes of a state folder. Any number of processes may add."""

    def __init__(self, state_dir: Path) -> None:
        """The first change makes the file; reading never does."""
        self.path = state_dir / FILE
        self._known: tuple[tuple[int, int, int], set[tuple[str, str]]] | None = None

    def add(self, changes: Sequence[ForeignChange]) -> int:
        """Keep changes durably, and return how many of them are new. One with a known source and id changes nothing.

        Raises: DeniedError, StorageError.
        """
        try:
            with locked(self.path):
                known = self._keys()
                new = [change for change in each_once(changes) if change.key not in known]
                if len(known) + len(new) > MOST:
                    rest = [*self._read()[0], *new][-(MOST - _SPARE) :]
                    replace_file(self.path, "".join(map(_line, rest)), mode=PRIVATE)
                elif new:
                    self._append("".join(map(_line, new)))
                    self._known = self._state(), known | {change.key for change in new}
        except PermissionError as error:
            raise DeniedError(
                f"the change cannot be kept in {str(self.path)!r}: {error.strerror}: check the permissions"
            ) from error
        except OSError as error:
            raise StorageError(f"the change cannot be kept in {str(self.path)!r}: {error.strerror}") from error
        return len(new)

    def read(self) -> tuple[list[ForeignChange], int]:
        """Return the changes in the order in which they were reported, and how many lines cannot be read. Raises: DeniedError."""
        try:
            return self._read()
        except OSError as error:
            raise DeniedError(f"{str(self.path)!r} cannot be read: {error.strerror}: check the permissions") from error

    def _keys(self) -> set[tuple[str, str]]:
        """The sources and ids of the kept changes; read again only when another process has changed the file."""
        if self._known is None or self._known[0] != self._state():
            self._known = self._state(), {change.key for change in self._read()[0]}
        return self._known[1]

    def _state(self) -> tuple[int, int, int]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> tuple[list[ForeignChange], int]:
        found, damaged = [], 0
        for line in self._lines():
            try:
                found.append(foreign_change(json.loads(line), source=FILE))
            except (ValueError, RecursionError):
                damaged += 1
        return found, damaged

    def _lines(self) -> Iterator[str]:
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                yield from (line for line in file if line.strip())
        except FileNotFoundError:
            return

    def _append(self, text: str) -> None:
        with open_private(self.path, "a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                # a power cut may have taken the end of the last line
                text = text if file.read(1) == b"\n" else f"\n{text}"
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())


def _line(change: ForeignChange) -> str:
    return json.dumps(change.to_json()) + "\n"
