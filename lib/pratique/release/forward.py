"""Read a part of a file forwards, unpacked on the way: plain, gzip or zstd. Nothing is written anywhere.

Going forwards only also ends every archive that points back into itself, on which tarfile would read without end.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from typing import IO, BinaryIO, Protocol, cast

from typing_extensions import Buffer, override

from pratique.release.bounds import LONGEST_HEADER, LONGEST_READ, Budget, NotRead

CHUNK = 1 << 18
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x04\x22\x4d\x18": "lz4"}
ZSTD_WINDOW = 1 << 25
"""Bytes that a zstd frame may make its reader keep."""
RATIO_FROM = 1 << 24
"""Unpacked bytes from which on the ratio counts: a layer of zeros is small."""


DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
    NotImplementedError,
    MemoryError,
)
"""What the readers of the standard library raise for damaged and hostile archives."""


class Slice(io.RawIOBase):
    """A part of a file as a separate file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size = file, start, size
        self.position = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = 0) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self._size}[whence]
        self.position = max(0, min(base + offset, self._size))
        return self.position

    @override
    def tell(self) -> int:
        return self.position

    @override
    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        wanted = min(len(view), self._size - self.position)
        if wanted <= 0:
            return 0
        self._file.seek(self._start + self.position)
        data = self._file.read(wanted)
        view[: len(data)] = data
        self.position += len(data)
        return len(data)


class Readable(Protocol):
    """What a decompressor gives."""

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""


class ForwardReader:
    """Bytes that are read once, from the first to the last, with the budget of their side.

    `last` is the last header block that was read: an archive ends with a block of zeros. `in_content` says that reads are
    of content, and not of headers, which are bounded more closely.
    """

    def __init__(self, part: Slice, budget: Budget) -> None:
        self._part = part
        self._budget = budget
        self._source, self.is_plain = _unpacked(part)
        self._position = 0
        self.in_content = False
        self.last = b""
        self._header_bytes = 0

    def begin_header(self) -> None:
        """Begin the header of one member, with the extended headers before it."""
        self.in_content, self._header_bytes = False, 0

    def tell(self) -> int:
        """Return the number of unpacked bytes so far."""
        return self._position

    def read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end. Raises: NotRead."""
        if not self.in_content:
            # of one at the end, too: tarfile looks for the end of a damaged map of a sparse file for ever
            self._header_bytes += max(size, 1)
        if size < 0 or size > LONGEST_READ or self._header_bytes > LONGEST_HEADER:
            raise NotRead(f"a header of more than {LONGEST_HEADER:,} bytes")
        pieces = []
        left = size
        while left and (piece := self._source.read(left)):
            pieces.append(piece)
            left -= len(piece)
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._moved(len(data))
        if not self.in_content:
            self.last = data
        return data

    def seek(self, to: int, whence: int = 0) -> int:
        """Go forwards to a position; beyond the end is the end. Raises: NotRead for a position before this one."""
        if whence or to < self._position:
            raise NotRead("it points back into itself")
        if self.is_plain:
            self._moved(self._part.seek(to) - self._position)
            return self._position
        while self._position < to:
            piece = self._source.read(min(CHUNK, to - self._position))
            if not piece:
                break
            self._moved(len(piece))
        return self._position

    def _moved(self, number: int) -> None:
        self._position += number
        if self.is_plain:
            return
        self._budget.spend(number)
        packed = max(self._part.position, 1)
        if self._position > RATIO_FROM and self._position > self._budget.limits.ratio * packed:
            raise NotRead(f"it unpacks to more than {self._budget.limits.ratio} times its size")


class _Zstd:
    """Unpack zstd; its errors become those of a damaged file."""

    def __init__(self, part: Slice) -> None:
        import zstandard  # noqa: PLC0415 - rarely needed

        unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._error = zstandard.ZstdError
        self._reader = unpacker.stream_reader(cast("IO[bytes]", part), read_across_frames=True, closefd=False)

    def read(self, size: int, /) -> bytes:
        """Return at most so many bytes; none at the end."""
        try:
            return self._reader.read(size)
        except self._error as error:
            raise EOFError(str(error)) from error


def _unpacked(part: Slice) -> tuple[Readable, bool]:
    """Return a reader of the unpacked bytes, and whether they are the bytes themselves."""
    start = part.read(6) or b""
    part.seek(0)
    if start.startswith(GZIP):
        return gzip.GzipFile(fileobj=part, mode="rb"), False
    if start.startswith(ZSTD):
        return _Zstd(part), False
    for magic, name in OTHERS.items():
        if start.startswith(magic):
            raise NotRead(f"compressed with {name}, which is not supported")
    return cast("Readable", part), True
