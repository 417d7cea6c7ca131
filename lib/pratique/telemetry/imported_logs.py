"""The logs imported so far, each identified by the beginning of its content: `imports.json` in the state folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pratique.errors import DataError, StorageError
from pratique.files import locked, replace_file
from pratique.kept_json import read_kept

ROTATED_MS = 60_000
"""A log that was rotated may end so long after the next one begins: lines are written when a request ends."""


@dataclass
class _Log:
    """A log: the source name of its rows, the length and hash of its known beginning, and what shaped its rows.

    path: where it was read; "" where nobody knows. first, last: epoch ms of its first and last request. grows: whether its
    beginning alone tells it, as of lines; a table is known by its whole content.
    """

    source: str
    length: int
    sha256: str
    settings: str = ""
    path: str = ""
    first: int = 0
    last: int = 0
    grows: bool = False


@dataclass(frozen=True)
class Place:
    """Where a log was read. first, last, grows: see _Log."""

    path: str
    first: int
    last: int
    grows: bool = False


def _put(log: _Log, place: Place | None) -> None:
    if place is not None:
        log.path, log.first, log.last, log.grows = place.path, place.first, place.last, place.grows


class ImportedLogs:
    """The logs imported before. changed: sources of which earlier rows must go. rewritten: tables written again since. overlapping: (path, ms) of logs that have so much time in common with another log that was read at the same path. Use it within `open`, or two imports at a time lose or double each other's logs."""

    def __init__(self, path: Path) -> None:
        """path: of the JSON file with the list. Raises: DataError when the file is corrupt, StorageError."""
        self._path = path
        self.changed: set[str] = set()
        self.rewritten = 0
        self.overlapping: list[tuple[str, int]] = []
        try:
            self._logs = read_kept(path, list[_Log])
        except FileNotFoundError:
            self._logs = []
        except OSError as error:
            raise StorageError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise DataError(f"{str(path)!r} is corrupt: delete it and import the logs again") from error

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Read the list, and keep other imports from changing it within the context. Raises: DataError, StorageError."""
        with ExitStack() as lock:
            try:
                lock.enter_context(locked(path))
            except OSError as error:
                raise StorageError(
                    f"{str(path)!r} cannot be locked: {error.strerror}: check the state folder"
                ) from error
            yield cls(path)

    def source(self, head: bytes, settings: str = "", place: Place | None = None) -> str:
        """Return the source name of a log that begins with `head`: that of a known log, or a new one.

        place: where it was read; a table at the same path with requests of the same time is the same, written again.

        settings: what shapes its rows. With other settings than before, its old rows would stay beside the new ones, so
        the source is among `changed`.
        """
        digest = hashlib.sha256(head).hexdigest()
        again = self._again(digest, settings, place)
        if again is not None:
            return again
        for log in self._logs:
            if log.length <= len(head) and hashlib.sha256(head[: log.length]).hexdigest() == log.sha256:
                log.length, log.sha256 = len(head), digest
                if log.settings != settings:
                    self.changed.add(log.source)
                log.settings = settings
                _put(log, place)
                return log.source
        self._note_overlap(settings, place)
        source = f"file:{digest[:16]}"
        self._logs.append(_Log(source, len(head), digest, settings))
        _put(self._logs[-1], place)
        return source

    def _again(self, digest: str, settings: str, place: Place | None) -> str | None:
        """Take a table that was written again for the earlier one; return the source name.

        It is read in the same way. One that both begins and ends later is the next part of an export, which may overlap.
        """
        known = {log.sha256 for log in self._logs}
        for log in self._logs:
            if place is None or place.grows or digest in known or log.path != place.path or log.settings != settings:
                continue
            is_next = place.first > log.first and place.last > log.last
            if not log.grows and log.first <= place.last and place.first <= log.last and not is_next:
                # rows of the earlier content that the new one lacks must go
                self.changed.add(log.source)
                self.rewritten += 1
                log.sha256 = digest
                _put(log, place)
                return log.source
        return None

    def _note_overlap(self, settings: str, place: Place | None) -> None:
        """Note a new log that another one of the same path overlaps, as exports of the last hours do; read in the same way."""
        if place is None or not place.grows:
            return
        common = [
            min(log.last, place.last) - max(log.first, place.first)
            for log in self._logs
            if log.grows and log.path == place.path and log.settings == settings
        ]
        if common and max(common) > ROTATED_MS:
            self.overlapping.append((place.path, max(common)))

    def keep(self) -> None:
        """Replace the file atomically. Raises: StorageError."""
        try:
            replace_file(self._path, json.dumps([asdict(log) for log in self._logs]))
        except OSError as error:
            raise StorageError(f"{str(self._path)!r} cannot be written: {error.strerror}") from error
