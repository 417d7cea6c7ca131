"""Read log files as blocks of complete lines: plain, gzip or Zstandard, recognised by their first bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from pratique.errors import DataError, DeniedError, MissingError

BLOCK = 16 << 20


def blocks(path: Path, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield the content in blocks that end with a newline, which the last block may omit.

    progress: called with the number of bytes read from the (compressed) file so far.
    Raises: MissingError, DeniedError, DataError (truncated or damaged compression, with the last line read).
    """
    rest = b""
    lines = 0
    with _opened(path) as file:
        try:
            for content in _decompressed(file):
                whole, newline, tail = (rest + content).rpartition(b"\n")
                rest = tail
                if newline:
                    lines += whole.count(b"\n") + 1
                    yield whole + newline
                if progress is not None:
                    progress(file.tell())
        except (EOFError, zlib.error, gzip.BadGzipFile, _BrokenZstdError) as error:
            raise DataError(
                f"{str(path)!r} is truncated or damaged after line {lines:,} ({error}): nothing was stored, copy the file again"
            ) from error
    if rest:
        yield rest


class _BrokenZstdError(Exception):
    """A Zstandard stream that is truncated or damaged."""


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise MissingError(f"file {str(path)!r} does not exist: check its path") from None
    except OSError as error:
        raise DeniedError(f"file {str(path)!r} cannot be read: {error.strerror}") from error


def _decompressed(file: BinaryIO) -> Iterator[bytes]:
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from iter(lambda: unpacked.read(BLOCK), b"")
    elif magic == b"\x28\xb5\x2f\xfd":
        yield from _zstd(file)
    else:
        yield from iter(lambda: file.read(BLOCK), b"")


def _zstd(file: BinaryIO) -> Iterator[bytes]:
    import zstandard  # noqa: PLC0415 - rarely needed

    try:
        frame = zstandard.ZstdDecompressor().decompressobj()
        for packed in iter(lambda: file.read(1 << 20), b""):
            left = packed
            while left:
                if frame.eof:
                    frame = zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(left)
                left = frame.unused_data
        ended = frame.eof
    except zstandard.ZstdError as error:
        raise _BrokenZstdError(str(error)) from error
    if not ended:
        raise _BrokenZstdError("the last frame has no end")
