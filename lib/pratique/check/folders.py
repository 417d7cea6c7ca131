"""Check that folders and the store can be used."""

from __future__ import annotations

import os
from pathlib import Path

from pratique.config import StoreSettings
from pratique.errors import DeniedError, StorageError
from pratique.store import open_store


def writable_folder(folder: Path) -> str:
    """Describe how a folder can be written: now, or once it is created.

    Raises: StorageError (something else is in its place), DeniedError.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise StorageError(f"{str(there)!r} is not a folder: remove it, or choose another path")
    if not os.access(there, os.W_OK | os.X_OK):
        raise DeniedError(f"{str(there)!r} cannot be written by this user: change its permissions")
    return f"{folder} can be written" if there == folder.absolute() else f"{folder} will be created"


def store_state(settings: StoreSettings) -> str:
    """Describe whether the store answers and has data.

    Raises: UsageError, DataError, DeniedError, StorageError, UnavailableError.
    """
    has_data = open_store(settings).exists()
    where = "the address answers" if "://" in settings.url else writable_folder(Path(settings.url))
    return f"{where}; {'it has data' if has_data else 'it has no data yet'}"
