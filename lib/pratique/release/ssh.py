"""Connect to another host with the system's ssh, and the keys and known hosts of the user."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

CONNECTION_IDLE_S = 60


def ssh_words(address: str, *, kept: bool = False) -> list[str]:
    """Return ssh and its options for "ssh://user@host:port/…", to which the caller appends the command.

    kept: many short commands share one connection, if there is a private folder for its socket.
    """
    parts = urlsplit(address)
    user = f"{parts.username}@" if parts.username else ""
    port = ["-p", str(parts.port)] if parts.port else []
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *(_kept() if kept else [])]
    return ["ssh", *options, *port, "--", f"{user}{parts.hostname}"]


def is_private(folder: Path) -> bool:
    """Return whether it is a folder, not a link, that only this user can access."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _kept() -> list[str]:
    # ssh does not check who listens on its control socket, so the folder must be private
    folder = Path(tempfile.gettempdir(), f"pratique-ssh-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not is_private(folder):
            return []
    except OSError:
        return []
    path = str(folder / "%C")
    return ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", f"ControlPersist={CONNECTION_IDLE_S}"]
