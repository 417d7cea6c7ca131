"""Finished windows that the store has not taken yet, as files of rollups: the collector's backlog while the store is away.

A window is put here when it takes no more lines. Its lines can then leave the spool, and its totals the memory. The
files are written to the store in the order of their windows, and removed when the store has acknowledged them; a
file that is written twice replaces the same rows.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from pratique.clock import from_ms
from pratique.errors import DataError
from pratique.files import PRIVATE, make_private_folder, replace_file
from pratique.number_text import plural
from pratique.telemetry.rollups import SCHEMA, Rollups

_NAME = re.compile(r"([0-9]{12})-([0-9]{14})-([0-9]{1,9})-([0-9]{1,9})\.arrow")


@dataclass(frozen=True)
class UnstoredFile:
    """A file: its number, the start of its first window in epoch ms, how many windows and rows it has, and its size in bytes."""

    path: Path
    number: int
    first_ms: int
    windows: int
    rows: int
    size: int


class UnstoredWindows:
    """The files of a folder, which one collector uses."""

    def __init__(self, folder: Path) -> None:
        """folder: made when the first file is written. Raises: OSError; DataError for a file of another program."""
        self._folder = folder
        self._files = sorted(self._found(), key=lambda file: file.number)

    def _found(self) -> list[UnstoredFile]:
        found = []
        for path in self._folder.glob("*.arrow"):
            named = _NAME.fullmatch(path.name)
            if named is None or not path.is_file():
                raise DataError(
                    f"{str(path)!r} is no file of the collector: move it out of the folder, and start again"
                )
            number, first_ms, windows, rows = map(int, named.groups())
            found.append(UnstoredFile(path, number, first_ms, windows, rows, path.stat().st_size))
        return found

    @property
    def windows(self) -> int:
        """How many windows wait here."""
        return sum(file.windows for file in self._files)

    @property
    def first_ms(self) -> int | None:
        """The start of the oldest window that waits here, epoch ms; None when none waits."""
        return min((file.first_ms for file in self._files), default=None)

    @property
    def size_bytes(self) -> int:
        """The disk space of all files."""
        return sum(file.size for file in self._files)

    def add(self, rollups: Rollups, *, first_ms: int, windows: int) -> None:
        """Keep the rows of some windows, durably. Raises: OSError."""
        make_private_folder(self._folder)
        number = self._files[-1].number + 1 if self._files else 1
        path = self._folder / f"{number:012d}-{first_ms:014d}-{windows}-{len(rollups)}.arrow"
        content = io.BytesIO()
        with ipc.new_file(content, SCHEMA, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(rollups.table)
        replace_file(path, content.getvalue(), mode=PRIVATE)
        self._files.append(UnstoredFile(path, number, first_ms, windows, len(rollups), content.tell()))

    def oldest(self, most_rows: int) -> list[UnstoredFile]:
        """Return the files to write next: the first one, and those after it as long as they have no more rows together."""
        chosen: list[UnstoredFile] = []
        rows = 0
        for file in self._files:
            rows += file.rows
            if chosen and rows > most_rows:
                break
            chosen.append(file)
        return chosen

    def read(self, files: Iterable[UnstoredFile]) -> Rollups:
        """Return the rows of files. Raises: DataError for a damaged one, which is renamed and left out; OSError, MemoryError: try again."""
        tables = []
        for file in files:
            try:
                with pa.OSFile(str(file.path)) as opened, ipc.open_file(opened) as reader:
                    tables.append(reader.read_all().cast(SCHEMA))
            except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, FileNotFoundError) as error:
                self._leave_out(file)
                raise DataError(
                    f"{str(file.path)!r} is damaged, so {plural(file.windows, 'window')} from {from_ms(file.first_ms):%Y-%m-%d %H:%M:%SZ} on "
                    f"cannot be written to the store; it is kept as {file.path.name}.damaged: {str(error)[:200]}"
                ) from error
        return Rollups(pa.concat_tables(tables))

    def _leave_out(self, file: UnstoredFile) -> None:
        with suppress(OSError):
            file.path.rename(file.path.with_name(f"{file.path.name}.damaged"))
        self._files.remove(file)

    def remove(self, files: Iterable[UnstoredFile]) -> None:
        """Remove files whose windows the store has."""
        for file in list(files):
            file.path.unlink(missing_ok=True)
            self._files.remove(file)
