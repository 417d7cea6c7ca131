"""Read log files as blocks of complete lines: plain, gzip or Zstandard, recognised by their first bytes.

Memory depends on BLOCK, LONGEST_LINE and MOST_LINES only, never on what the file holds. Nothing is read twice, so that
pipes, FIFOs and standard input are read like files.
"""

from __future__ import annotations

import gzip
import io
import os
import shlex
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from typing_extensions import override

from pratique.errors import DataError, DeniedError, MissingError, UsageError

BLOCK = 8 << 20
"""Decompressed bytes read at a time."""
LONGEST_LINE = 1 << 20
"""Bytes of a line that is read; a longer one is rejected."""
MOST_LINES = 1 << 16
"""Lines of a block: short lines take much more memory than their bytes."""
HEAD = 1 << 16
"""Bytes at the beginning of a log that identify it."""
STDIN = "-"
_BOM = b"\xef\xbb\xbf"
_WIDE = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_ARCHIVES = (
    (257, b"ustar", "tar -xOf {name}"),
    (0, b"PK\x03\x04", "unzip -p {name}"),
    (0, b"PK\x05\x06", "unzip -p {name}"),
    (0, b"\x1f\x8b", "zcat {name} | zcat"),
    (0, b"\x28\xb5\x2f\xfd", "zstdcat {name} | zstdcat"),
    (0, b"BZh", "bzcat {name}"),
    (0, b"\xfd7zXZ\0", "xzcat {name}"),
    (0, b"\x04\x22\x4d\x18", "lz4cat {name}"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z x -so {name}"),
)
"""Where, and with which bytes, the content of a file begins that is no text, and the command that gives its text."""


@dataclass(frozen=True)
class Block:
    """Complete lines of a log.

    number: of the first line, from 1. content: ends with a newline, which the last line of the log may omit. too_long:
    the content is the beginning of one line that is longer than LONGEST_LINE.
    """

    number: int
    content: bytes
    too_long: bool = False


class LogReader:
    """One log file, FIFO or standard input ("-"), read once."""

    def __init__(self, path: Path, progress: Callable[[int], None] | None = None) -> None:
        """progress: called with the number of bytes read from the (compressed) file so far."""
        self._path = path
        self._progress = progress or (lambda _: None)
        self._number = 1
        self._unpacked = self._chunks()
        self._first: bytes | None = None
        self.head = b""
        """The first HEAD bytes of the content; complete before the first block is given."""

    def peek(self) -> bytes:
        """Return the beginning of the content, at most BLOCK bytes, which `blocks` yields all the same. Raises: as `blocks`."""
        if self._first is None:
            self._first = next(self._unpacked, b"")
        return self._first

    def close(self) -> None:
        """Close a file that is not read to its end."""
        self._unpacked.close()

    def blocks(self) -> Iterator[Block]:
        """Yield the content, each line in exactly one block.

        Raises: MissingError, DeniedError, UsageError (a device), DataError (truncated or damaged compression, UTF-16).
        """
        rest, skipping = b"", False
        for chunk in chain([self.peek()], self._unpacked):
            data, rest = rest + chunk, b""
            while data:
                if skipping:
                    end = data.find(b"\n") + 1
                    data, skipping = data[end:] if end else b"", not end
                    continue
                end = _end_of_lines(data)
                yield from self._pieces(data[:end])
                data = data[end:]
                if len(data) <= LONGEST_LINE:
                    rest, data = data, b""
                else:
                    yield self._block(data[:LONGEST_LINE], 1, too_long=True)
                    data, skipping = data[LONGEST_LINE:], True
        if rest:
            yield self._block(rest, 1)

    def _pieces(self, lines: bytes) -> Iterator[Block]:
        """Cut complete lines into blocks of at most MOST_LINES lines."""
        count, start = lines.count(b"\n"), 0
        if count > MOST_LINES:
            ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == ord("\n"))[MOST_LINES - 1 :: MOST_LINES] + 1
            for end in ends.tolist():
                yield self._block(lines[start:end], MOST_LINES)
                start, count = end, count - MOST_LINES
        if count:
            yield self._block(lines[start:], count)

    def _block(self, content: bytes, lines: int, *, too_long: bool = False) -> Block:
        number, self._number = self._number, self._number + lines
        return Block(number, content, too_long)

    def _chunks(self) -> Generator[bytes, None, None]:
        """Yield the decompressed content in chunks of BLOCK bytes, without a byte order mark."""
        with _opened(self._path) as opened:
            counted = _Counted(opened)
            try:
                unpacked = _unpacked(counted)
                while chunk := _filled(unpacked):
                    if not self.head:
                        chunk = self._checked(chunk)
                        self.head = chunk[:HEAD]
                    yield chunk
                    self._progress(counted.position)
            except (EOFError, zlib.error, gzip.BadGzipFile, _BrokenZstdError) as error:
                where = f" after line {self._number - 1:,}" if self._number > 1 else ""
                raise DataError(
                    f"{str(self._path)!r} is truncated or damaged{where} ({error}): "
                    "nothing was stored, copy the file again"
                ) from error
            except OSError as error:
                raise DeniedError(f"file {str(self._path)!r} cannot be read: {error.strerror or error}") from error

    def _checked(self, first: bytes) -> bytes:
        wide = next((name for mark, name in _WIDE.items() if first.startswith(mark)), "")
        if wide:
            raise DataError(
                f"{str(self._path)!r} is {wide} text: nothing was stored, convert it first: iconv -f {wide} -t UTF-8"
            )
        archive = next((way for at, magic, way in _ARCHIVES if first[at:].startswith(magic)), "")
        if archive:
            name = str(self._path) if str(self._path) != STDIN else "FILE"
            raise DataError(
                f"{str(self._path)!r} is an archive, or compressed twice: nothing was stored, give its content: "
                f"{archive.format(name=shlex.quote(name))} | pratique import -"
            )
        return first.removeprefix(_BOM)


def _end_of_lines(data: bytes) -> int:
    """Return the end of the complete lines before the first line that has no end or is too long; linear in time."""
    end = 0
    while (newline := data.rfind(b"\n", end, end + LONGEST_LINE + 1)) >= 0:
        end = newline + 1
    return end


class _BrokenZstdError(Exception):
    """A Zstandard stream that is truncated or damaged."""


def _opened(path: Path) -> BinaryIO:
    if str(path) == STDIN:
        return cast("BinaryIO", os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise UsageError(f"{str(path)!r} is a folder: name its files, as in {shlex.quote(str(path / '*'))}")
        is_terminal = stat.S_ISCHR(mode) and not path.samefile(os.devnull)
        if is_terminal or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
            raise UsageError(f"{str(path)!r} is a device or socket: give a file, a FIFO, or - for standard input")
        return cast("BinaryIO", path.open("rb", buffering=0))
    except FileNotFoundError:
        raise MissingError(f"file {str(path)!r} does not exist: check its path") from None
    except OSError as error:
        raise DeniedError(f"file {str(path)!r} cannot be read: {error.strerror}") from error


class _Counted(io.RawIOBase):
    """A stream from its beginning, whose first bytes can be looked at; it counts the bytes read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._first = b""
        self.position = 0

    def begins_with(self, length: int) -> bytes:
        while len(self._first) < length and (more := self._file.read(length - len(self._first))):
            self._first += more
        return self._first

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any, /) -> int:
        found = self._first[: len(buffer)] or self._file.read(len(buffer)) or b""
        self._first = self._first[len(found) :]
        buffer[: len(found)] = found
        self.position += len(found)
        return len(found)


def _unpacked(file: _Counted) -> Callable[[int], bytes]:
    """Return the read function of the decompressed content."""
    magic = file.begins_with(4)
    buffered = io.BufferedReader(file, 1 << 18)
    if magic[:2] == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=buffered).read
    return _zstd(buffered) if magic == b"\x28\xb5\x2f\xfd" else buffered.read


def _zstd(file: io.BufferedIOBase) -> Callable[[int], bytes]:
    import pyarrow as pa  # noqa: PLC0415 - rarely needed

    stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")

    def read(size: int) -> bytes:
        try:
            return bytes(stream.read(size))
        except OSError as error:
            raise _BrokenZstdError(str(error)) from error

    return read


def _filled(read: Callable[[int], bytes]) -> bytes:
    """Return BLOCK bytes, fewer only at the end: a pipe and a compressed stream give less at a time."""
    parts, size = [], 0
    while size < BLOCK and (part := read(BLOCK - size)):
        parts.append(part)
        size += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
