"""The collector's write-ahead log: received lines, until their windows are final in the store.

A segment is a file of records: length and CRC-32 as two little-endian 32-bit numbers, then the datagram. A
record that a kill left incomplete ends its segment; all records before it are valid.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

from pratique.errors import DataError
from pratique.files import PRIVATE, make_private_folder, open_private, replace_file
from pratique.kept_json import read_kept
from pratique.telemetry.framing import LONGEST

_FRAME = struct.Struct("<II")
MAX_RECORD = LONGEST
MOST_PENDING = 32 << 20
"""Bytes buffered while the disk accepts no writes; further lines are refused."""


def frame(record: bytes) -> bytes:
    """Return a record in the form of a segment. Raises: ValueError when it is longer than MAX_RECORD."""
    if len(record) > MAX_RECORD:
        raise ValueError(f"a record of {len(record)} bytes is longer than {MAX_RECORD}")
    return _FRAME.pack(len(record), zlib.crc32(record)) + record


def records(segment: BinaryIO) -> Iterator[bytes]:
    """Yield the valid records at the beginning of a segment."""
    while len(head := segment.read(_FRAME.size)) == _FRAME.size:
        length, check = _FRAME.unpack(head)
        record = segment.read(length) if length <= MAX_RECORD else b""
        if len(record) < length or zlib.crc32(record) != check:
            return
        yield record


@dataclass(frozen=True)
class Facts:
    """What must survive the collector.

    source: the base of the rows' source, so that the collectors of one store do not replace each other's rows.
    epoch: how often counting started over; each time under another source. first_segment: the first of this epoch.
    closed_ms: end of the last window that takes no more lines, epoch ms. settings: what the lines are counted with.
    changes: the last changes of settings, each with its time (ISO 8601, UTC), oldest first.
    """

    source: str = "collector"
    epoch: int = 0
    first_segment: int = 0
    closed_ms: int = 0
    settings: dict[str, Any] = field(default_factory=dict)
    changes: list[list[str]] = field(default_factory=list)

    @property
    def row_source(self) -> str:
        """The source of the rows written now."""
        return self.source if self.epoch == 0 else f"{self.source}:{self.epoch}"


def new_source() -> str:
    """Return a name for a collector's source that no other collector has."""
    return f"collector:{secrets.token_hex(4)}"


class Spool:
    """Segments in a folder, and a small file of facts that must survive the collector."""

    def __init__(self, folder: Path) -> None:
        """folder: created if it does not exist.

        facts: kept by the collector before; empty when there was none.
        Raises: OSError, DataError (a file that is no segment, or damaged facts).
        """
        make_private_folder(folder)
        self._folder = folder
        self.facts = self._read_facts()
        self._number = max((int(path.stem) for path in self._paths()), default=0)
        self._file = Path(os.devnull).open("ab", buffering=0)  # noqa: SIM115 - kept open until the next segment
        self._pending = bytearray()

    def _paths(self) -> list[Path]:
        paths = sorted(self._folder.glob("*.spool"))
        for path in paths:
            if not re.fullmatch(r"[0-9]{12}", path.stem) or not path.is_file():
                raise DataError(
                    f"{str(path)!r} is no file of the collector: move it out of the folder, and start again"
                )
        return paths

    def replay(self, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield all records with the number of their segment, oldest first; remove the segments before `first`."""
        for path in self._paths():
            if int(path.stem) < first:
                path.unlink(missing_ok=True)
                continue
            with path.open("rb") as segment:
                for record in records(segment):
                    yield int(path.stem), record

    def rotate(self) -> int:
        """Begin the next segment. Return its number. Raises: OSError."""
        self.sync()
        self._file.close()
        self._number += 1
        self._file = open_private(self._folder / f"{self._number:012d}.spool", "ab", buffering=0)
        return self._number

    @property
    def size_bytes(self) -> int:
        """The disk space of all segments."""
        return sum(path.stat().st_size for path in self._folder.glob("*.spool"))

    @property
    def full(self) -> bool:
        """Whether the buffer has reached MOST_PENDING, and no more records may be appended."""
        return len(self._pending) > MOST_PENDING

    def append(self, record: bytes) -> None:
        """Append a record; it is durable after the next `sync`. Raises: ValueError when it is too long."""
        self._pending += frame(record)

    def sync(self) -> None:
        """Make all appended records durable. Raises: OSError; then the next call tries again."""
        if not self._pending:
            return
        start = os.fstat(self._file.fileno()).st_size
        try:
            _write(self._file, self._pending)
        except OSError:
            # an incomplete record would hide the records after it
            os.ftruncate(self._file.fileno(), start)
            raise
        self._pending.clear()

    def remove(self, number: int) -> None:
        """Remove a segment, if it still exists."""
        (self._folder / f"{number:012d}.spool").unlink(missing_ok=True)

    def keep(self, facts: Facts) -> None:
        """Replace the facts durably and atomically. Raises: OSError."""
        replace_file(self._folder / "facts.json", json.dumps(asdict(facts)), mode=PRIVATE, make_folder=False)

    def _read_facts(self) -> Facts:
        path = self._folder / "facts.json"
        try:
            return read_kept(path, Facts)
        except FileNotFoundError:
            # an unnamed source is that of a collector before version 0.2, whose windows may still be open
            return Facts() if self._paths() else Facts(source=new_source())
        except ValueError as error:
            raise DataError(
                f"{str(path)!r} is damaged: move the folder {str(self._folder)!r} away, and start again; "
                "the lines in it that are not in the store yet are lost"
            ) from error

    def close(self) -> None:
        """Make all appended records durable, and close."""
        self.sync()
        self._file.close()


def _write(file: FileIO, content: bytes | bytearray) -> None:
    if file.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
