"""The file of rejected lines: written as they come, and put in place when the import is complete."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pratique.errors import StorageError, UsageError

MAX_LINE = 2000
"""Characters of a rejected line that are kept."""
MOST_BYTES = 256 << 20
"""Size of the file from which further lines are only counted."""


class RejectsFile:
    """Rejected lines as JSON, because they may hold anything.

    Used as a context: without `keep`, nothing is left and the file of an earlier import stays as it was. A device or a
    pipe, such as /dev/null, is written to as it is: a rename would put a file in its place, for every program.
    kept: lines written so far.
    """

    def __init__(self, path: Path, inputs: Iterable[Path] = ()) -> None:
        """path: of the file. inputs: files that it must not replace. Raises: StorageError, UsageError."""
        self._path = path
        self._file: IO[str] | None = None
        self._in_place = _is_special(path)
        if any(_same(path, read) for read in inputs):
            raise UsageError(f"rejects file {str(path)!r} is among the logs to import: give it another name")
        self._draft = path if self._in_place else path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.new")
        self._bytes = 0
        self.kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            if not self._in_place:
                self._draft.unlink(missing_ok=True)

    def add(self, source: Path, rejects: Iterable[tuple[int, str, str]]) -> None:
        """Write (line number, reason, line). Raises: StorageError."""
        try:
            for number, reason, line in rejects:
                if self._bytes > MOST_BYTES:
                    return
                reject = {"file": str(source), "line": number, "reason": reason, "text": line[:MAX_LINE]}
                self._bytes += self._opened().write(f"{json.dumps(reject)}\n")
                self.kept += 1
            if self._file is not None:
                self._file.flush()  # a full disk is an error here, before anything is stored
        except OSError as error:
            raise self._failed(error, "nothing was stored") from error

    def keep(self) -> Path | None:
        """Put the file in place and return its path; None when nothing was rejected. Raises: StorageError."""
        if self._file is None:
            return None
        try:
            self._file.close()
            if not self._in_place:
                self._draft.replace(self._path)
        except OSError as error:
            raise self._failed(error, "the requests were stored") from error
        return self._path

    def _opened(self) -> IO[str]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # without waiting: a pipe that nobody reads is an error
            create = os.O_NONBLOCK if self._in_place else os.O_CREAT | os.O_EXCL
            descriptor = os.open(self._draft, os.O_WRONLY | os.O_CLOEXEC | create, 0o600)
            os.set_blocking(descriptor, True)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        return self._file

    def _failed(self, error: OSError, consequence: str) -> StorageError:
        return StorageError(f"rejects file {str(self._path)!r} cannot be written: {error.strerror}; {consequence}")


def _is_special(path: Path) -> bool:
    """Return whether a path is a device or a pipe. Raises: StorageError for a folder."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False  # there is no such file yet, or writing it raises the error
    if stat.S_ISDIR(mode):
        raise StorageError(f"rejects file {str(path)!r} is a folder: give the path of a file")
    return not stat.S_ISREG(mode)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
