"""Check that folders can be used."""

from __future__ import annotations

import os
from pathlib import Path

from pratique.errors import DeniedError, StorageError


def writable_folder(folder: Path) -> str:
    """Describe how a folder can be written: now, or once it is created.

    Raises: StorageError (something else is in its place), DeniedError.
    """
    there = existing_parent(folder)
    if not there.is_dir():
        raise StorageError(f"{str(there)!r} is not a folder: remove it, or choose another path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DeniedError(f"{str(there)!r} cannot be written by this user: change its permissions")
    return f"{folder} can be written" if there == folder.absolute() else f"{folder} will be created"


def existing_parent(folder: Path) -> Path:
    """Return the folder itself, or the nearest one above it that exists."""
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    return there
