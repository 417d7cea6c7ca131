"""The file of rejected lines: written as they come, and put in place when the import is complete."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pratique.errors import StorageError

MAX_LINE = 2000
"""Characters of a rejected line that are kept."""
MOST_BYTES = 256 << 20
"""Size of the file from which further lines are only counted."""


class RejectsFile:
    """Rejected lines as JSON, because they may hold anything.

    Used as a context: without `keep`, nothing is left and the file of an earlier import stays as it was.
    kept: lines written so far.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.new")
        self._file: IO[str] | None = None
        self._bytes = 0
        self.kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
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
        except OSError as error:
            raise self._failed(error) from error

    def keep(self) -> Path | None:
        """Put the file in place and return its path; None when nothing was rejected. Raises: StorageError."""
        if self._file is None:
            return None
        try:
            self._file.close()
            self._draft.replace(self._path)
        except OSError as error:
            raise self._failed(error) from error
        return self._path

    def _opened(self) -> IO[str]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._draft, flags, 0o600), "w", encoding="utf-8")
        return self._file

    def _failed(self, error: OSError) -> StorageError:
        return StorageError(f"rejects file {str(self._path)!r} cannot be written: {error.strerror}; nothing was stored")
