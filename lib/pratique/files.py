"""Write a file whole or not at all, keep private files from other users, and change a shared file under its lock."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LONGEST_NAME = 100
"""Bytes of a file's name that its draft repeats; a name may have 255."""
PRIVATE = 0o600
"""The permissions of a file that only its owner may read."""
PRIVATE_FOLDER = 0o700


def replace_file(
    path: Path, content: str | bytes, *, durable: bool = True, mode: int | None = None, make_folder: bool = True
) -> None:
    """Replace a file in one step: a reader sees the old content or the new content, never a part of either.

    make_folder: make the folder where it is missing, as private as the file. durable: return only when file and folder are
    on disk, so that a power cut cannot take the new content away. mode: the file's permissions, such as PRIVATE; None
    applies the umask, as `open` does.
    Raises: OSError; then the old file is unchanged and nothing is left beside it. A device, pipe or folder is no file
    to replace: root would put a file in the place of /dev/null, for every program.
    """
    require_replaceable(path)
    if make_folder:
        if mode == PRIVATE:
            make_private_folder(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{os.fsdecode(os.fsencode(path.name)[:LONGEST_NAME])}.{secrets.token_hex(6)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None:
                os.fchmod(descriptor, mode)
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def require_replaceable(path: Path) -> None:
    """Raises: OSError when something other than a regular file has this path."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise FileExistsError(errno.EEXIST, "Not a regular file", str(path))


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each for its owner only, whatever the umask. Raises: OSError."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def open_private(path: Path, mode: str, **options: Any) -> Any:
    """Open a file as `open` does; a new file and a new folder are for their owner only. Raises: OSError."""
    make_private_folder(path.parent)
    return open(path, mode, opener=lambda name, flags: os.open(name, flags, PRIVATE), **options)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within the context, no other process changes the file at `path`: for reading it, changing it and replacing it.

    The lock is a file beside it, because `replace_file` replaces the file itself. Raises: OSError.
    """
    with open_private(path.with_name(f"{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk, or else a new name may be gone after a power cut.

    Some network file systems cannot sync a folder. The file is in place by then, so this is not an error.
    """
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
