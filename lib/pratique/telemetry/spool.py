"""The collector's write-ahead log: what was received, until it is in the store for good.

A segment is a file of records: length and CRC-32 as two little-endian 32-bit numbers, then the datagram. A
record that was torn by a kill ends its segment; everything before it counts.
"""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

from pratique.files import replace_file
from pratique.telemetry.frames import LONGEST

_FRAME = struct.Struct("<II")
MAX_RECORD = LONGEST
MOST_PENDING = 128 << 20


def frame(record: bytes) -> bytes:
    """A record as it stands in a segment. Raises: ValueError when it is longer than what is read back."""
    if len(record) > MAX_RECORD:
        raise ValueError(f"a record of {len(record)} bytes is longer than {MAX_RECORD}")
    return _FRAME.pack(len(record), zlib.crc32(record)) + record


def records(content: bytes) -> Iterator[bytes]:
    """The whole records at the head of a segment's content."""
    at = 0
    while at + _FRAME.size <= len(content):
        length, check = _FRAME.unpack_from(content, at)
        record = content[at + _FRAME.size : at + _FRAME.size + length]
        if length > MAX_RECORD or len(record) < length or zlib.crc32(record) != check:
            return
        yield record
        at += _FRAME.size + length


class Spool:
    """Segments in a folder, and beside them the small facts that must outlive the collector."""

    def __init__(self, folder: Path) -> None:
        """folder: made when it is not there. Raises: OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._number = max((int(path.stem) for path in self._paths()), default=0)
        self._file = Path(os.devnull).open("ab", buffering=0)  # noqa: SIM115 - kept open until the next segment
        self._pending = bytearray()

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.spool"))

    def replay(self) -> Iterator[tuple[int, bytes]]:
        """Every record that is kept, with its segment's number, oldest first."""
        for path in self._paths():
            for record in records(path.read_bytes()):
                yield int(path.stem), record

    def rotate(self) -> int:
        """Begin the next segment; returns its number."""
        self.sync()
        self._file.close()
        self._number += 1
        self._file = (self._folder / f"{self._number:012d}.spool").open("ab", buffering=0)
        return self._number

    @property
    def full(self) -> bool:
        """Whether so much waits for a disk that takes nothing that no more may be appended."""
        return len(self._pending) > MOST_PENDING

    def append(self, record: bytes) -> None:
        """Add a record; it is durable after the next `sync`. Raises: ValueError when it is too long."""
        self._pending += frame(record)

    def sync(self) -> None:
        """Make everything appended durable. Raises: OSError; what could not be written is tried again next time."""
        if not self._pending:
            return
        start = os.fstat(self._file.fileno()).st_size
        try:
            _write(self._file, self._pending)
        except OSError:
            # a half-written record would hide those behind it
            os.ftruncate(self._file.fileno(), start)
            raise
        self._pending.clear()

    def remove(self, number: int) -> None:
        """Remove a segment; that it is gone already is no error."""
        (self._folder / f"{number:012d}.spool").unlink(missing_ok=True)

    def keep(self, facts: dict[str, int]) -> None:
        """Make small facts durable, atomically. Raises: OSError."""
        replace_file(self._folder / "facts.json", json.dumps(facts))

    def facts(self) -> dict[str, int]:
        """The facts kept last; none before the first."""
        try:
            return {str(k): int(v) for k, v in json.loads((self._folder / "facts.json").read_text("utf-8")).items()}
        except FileNotFoundError:
            return {}

    def close(self) -> None:
        """Make everything durable and close."""
        self.sync()
        self._file.close()


def _write(file: FileIO, content: bytes | bytearray) -> None:
    if file.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(file.fileno())
