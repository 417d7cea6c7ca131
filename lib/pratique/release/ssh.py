"""How another host is reached: the system's own ssh, with the user's keys and known hosts."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

KEPT_S = 60


def ssh_words(address: str, *, kept: bool = False) -> list[str]:
    """Ssh and its options for "ssh://user@host:port/…", up to the command.

    kept: one connection is kept for many short commands, where a folder can be had that nobody else enters.
    """
    parts = urlsplit(address)
    user = f"{parts.username}@" if parts.username else ""
    port = ["-p", str(parts.port)] if parts.port else []
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *(_kept() if kept else [])]
    return ["ssh", *options, *port, "--", f"{user}{parts.hostname}"]


def is_private(folder: Path) -> bool:
    """Whether it is a folder of this user, no link, that nobody else may enter."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _kept() -> list[str]:
    # ssh asks whoever listens at its control socket, and not who that is: the folder's owner is what protects it
    folder = Path(tempfile.gettempdir(), f"pratique-ssh-{os.geteuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not is_private(folder):
            return []
    except OSError:
        return []
    path = str(folder / "%C")
    return ["-o", "ControlMaster=auto", "-o", f"ControlPath={path}", "-o", f"ControlPersist={KEPT_S}"]
