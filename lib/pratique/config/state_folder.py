"""The state folder is for its owner only: it holds locks, the balancer's control socket, journals and logs."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from pratique.errors import DeniedError
from pratique.files import PRIVATE_FOLDER, make_private_folder


def make_state_folder(state_dir: Path, base: Path) -> None:
    """Make the state folder for its owner only, whatever the umask, and close one that is open to others.

    base: the folder of the service file. Raises: DeniedError.
    """
    try:
        make_private_folder(state_dir)
        close_state_folder(state_dir, base)
    except OSError as error:
        raise DeniedError(
            f"state folder {str(state_dir)!r} cannot be made: {error.strerror}: check its path and the permissions"
        ) from error


def close_state_folder(state_dir: Path, base: Path) -> None:
    """Close an existing state folder to other users, if it belongs to this user.

    A state folder that is the folder of the service file, or holds it, stays as it is: other programs need it.
    Raises: DeniedError naming the owner when this user may not enter it, OSError.
    """
    if not state_dir.is_dir():
        return
    if not os.access(state_dir, os.R_OK | os.X_OK):
        raise DeniedError(
            f"state folder {str(state_dir)!r} belongs to {_owner(state_dir)}: run the command as that user, or set another "
            "state in the service file"
        )
    if base.resolve().is_relative_to(state_dir.resolve()):
        return
    there = state_dir.stat()
    if there.st_mode & 0o077 and there.st_uid == os.geteuid():
        state_dir.chmod(PRIVATE_FOLDER)


def _owner(folder: Path) -> str:
    number = folder.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
