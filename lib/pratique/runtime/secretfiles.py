"""Secrets of containers: files in a memory folder of the engine's host, never on a disk or in an environment."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from pratique.errors import DeniedError, StorageError, UnavailableError
from pratique.release.ssh import is_private, ssh_words

ROOT = "pratique-secrets"
MOUNT = "/run/secrets"
SSH_TIMEOUT_S = 20.0
SWEEP_MIN_AGE_S = 60.0
"""A younger folder may belong to a container that is being created."""
REMOTE_OLD = '[ ! -d "$1" ] || find "$1" -mindepth 1 -maxdepth 1 -type d -mmin +1'
REMOTE_FOLDER = (
    'umask 077; mkdir -p "$1" && [ -O "$1" ] && [ ! -L "$1" ] && chmod 700 "$1" '
    '&& mkdir -p "$(dirname "$1/$2")" && mkdir "$1/$2" && chmod 755 "$1/$2"'
)


def with_secret_files(env: Mapping[str, str], hidden: Collection[str]) -> dict[str, str]:
    """Return an environment in which NAME_FILE, the path of a file, replaces each secret NAME of `hidden`."""
    return {key: value for key, value in env.items() if key not in hidden} | {
        f"{key}_FILE": f"{MOUNT}/{key}" for key in sorted(hidden)
    }


def home(engine: str, service: str) -> str:
    """Return the folder, below the root, of the secrets of a service's containers. Engines on one host have their own.

    engine: the engine's id.
    """
    return f"{hashlib.sha256(engine.encode()).hexdigest()[:16]}/{service}"


def path_of(folder: str, where: str) -> str:
    """Return the path that `write` writes to."""
    return f"{folder}/{ROOT}/{where}"


def folders_of(mounted: Iterable[Mapping[str, Any]], folder: str) -> list[str]:
    """Return the folders of secrets among a container's mounts, as its engine lists them, below `folder` of the host."""
    root = path_of(folder, "")
    return [mount["Source"] for mount in mounted if mount["Destination"] == MOUNT and mount["Source"].startswith(root)]


def write(host: str, folder: str, where: str, secrets: Mapping[str, str]) -> None:
    """Write the secrets of a container to `where` (its home and name), below `folder` of an engine's host.

    Every user of the container can read them; on the host only root can.
    Raises: StorageError when the folder is not in memory, DeniedError, UnavailableError (the host over SSH).
    """
    root, path = f"{folder}/{ROOT}", path_of(folder, where)
    if host.startswith("ssh://"):
        _write_remote(host, folder, where, secrets)
        return
    if _kind_of(Path(folder)) not in {"tmpfs", "ramfs"}:
        raise StorageError(f"runtime.docker.secrets_dir {folder!r} is not in memory: choose a folder on a tmpfs")
    try:
        Path(root).mkdir(mode=0o700, exist_ok=True)
        if not is_private(Path(root)):
            raise DeniedError(f"{root!r} is open to other users: remove it, or set another runtime.docker.secrets_dir")
        Path(path).mkdir(parents=True)
        # explicit, because the umask applies to mkdir
        Path(path).chmod(0o755)
        for key, value in secrets.items():
            file = Path(path, key)
            file.touch(mode=0o600)
            file.write_bytes(os.fsencode(value))
            file.chmod(0o444)
    except OSError as error:
        raise DeniedError(f"cannot write secrets below {folder!r}: {error.strerror}") from error


def remove(host: str, path: str) -> None:
    """Remove the secrets that `write` wrote. It is not an error if they no longer exist."""
    if host.startswith("ssh://"):
        _ssh(host, ["rm", "-rf", "--", path], "")
    else:
        shutil.rmtree(path, ignore_errors=True)


def sweep(host: str, folder: str, where: str, names: Collection[str]) -> None:
    """Remove the folders of secrets in a home whose name is not among `names`, except those of the last minute."""
    path = path_of(folder, where)
    if host.startswith("ssh://"):
        found = _ssh(host, ["sh", "-c", REMOTE_OLD, "sh", path], "").splitlines()
    else:
        found = [str(there) for there in Path(path).glob("*") if _age_s(there) > SWEEP_MIN_AGE_S]
    for name in {Path(there).name for there in found} - set(names):
        remove(host, f"{path}/{name}")


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _kind_of(path: Path) -> str:
    """Return the type of the file system of a path."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, found, *_ = line.split(" ")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _write_remote(host: str, folder: str, where: str, secrets: Mapping[str, str]) -> None:
    if _ssh(host, ["stat", "-f", "-c", "%T", folder], "").strip() not in {"tmpfs", "ramfs"}:
        raise StorageError(
            f"runtime.docker.secrets_dir {folder!r} of {host} is not in memory: choose a folder on a tmpfs"
        )
    _ssh(host, ["sh", "-c", REMOTE_FOLDER, "sh", f"{folder}/{ROOT}", where], "")
    for key, value in secrets.items():
        _ssh(
            host,
            ["sh", "-c", 'umask 077; cat > "$1" && chmod 444 "$1"', "sh", f"{path_of(folder, where)}/{key}"],
            value,
        )


def _ssh(host: str, command: list[str], text: str) -> str:
    words = [*ssh_words(host), shlex.join(command)]
    try:
        done = subprocess.run(words, input=os.fsencode(text), capture_output=True, timeout=SSH_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{host} cannot be reached: {type(error).__name__}") from error
    if done.returncode != 0:
        raise UnavailableError(f"{host} rejected the command: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}")
    return done.stdout.decode("utf-8", "replace")
