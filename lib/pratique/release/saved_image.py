"""Save an image of an engine into a temporary file, within a limit and a time.

The engine prepares the archive before it sends the first byte, for up to minutes: the time limit of the request is the whole budget.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pratique.errors import DataError, StorageError, UnavailableError
from pratique.release.bounds import Deadline, Limits, NotRead
from pratique.release.docker_engine import engine
from pratique.release.sides import Progress

PIECE = 2 << 20
"""Bytes of one piece; the client is slow with small ones."""


def inspect_image(address: str, name: str) -> dict[str, Any]:
    """Return the configuration of an engine's image, in the form of the OCI Image Specification.

    address: of the engine. Raises: MissingError, UnavailableError.
    """
    with engine(address) as client:
        found: Mapping[str, Any] = client.api.inspect_image(name)
    return {
        "architecture": found.get("Architecture", ""),
        "os": found.get("Os", ""),
        "variant": found.get("Variant", ""),
        "config": found.get("Config") or {},
        "rootfs": {"type": "layers", "diff_ids": list((found.get("RootFS") or {}).get("Layers") or ())},
    }


def save_image(
    address: str, name: str, path: Path, *, limits: Limits, deadline: Deadline, progress: Progress | None = None
) -> None:
    """Write an engine's image into a file, as `docker save` does.

    Raises: MissingError, UnavailableError (no engine, no time left), DataError (too large), StorageError.
    """
    written = 0
    try:
        with engine(address, timeout_s=max(1.0, deadline.left_s())) as client, path.open("wb") as file:
            for piece in client.api.get_image(name, chunk_size=PIECE):
                written += len(piece)
                if written > limits.unpacked_bytes:
                    raise DataError(f"image {name} has more than {limits.unpacked_bytes >> 30} GiB: it is not read")
                _write(file, piece, path)
                deadline.check()
                if progress is not None:
                    progress("saving the image, MB", written // 1_000_000, 0)
    except NotRead as error:
        raise UnavailableError(f"image {name} was not saved by the engine: {error}") from error


def _write(file: Any, piece: bytes, path: Path) -> None:
    try:
        file.write(piece)
    except OSError as error:
        folder = os.fspath(path.parent)
        raise StorageError(
            f"cannot write the image into {folder!r}: {error.strerror}: free space or set TMPDIR"
        ) from error
