"""Secrets for containers: files in a folder in memory of the engine's host, never on a disk nor in an environment."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from pratique.errors import DeniedError, StorageError, UnavailableError
from pratique.release.ssh import is_private, ssh_words

ROOT = "pratique-secrets"
MOUNT = "/run/secrets"
TIMEOUT_S = 20.0
YOUNG_S = 60.0
REMOTE_OLD = '[ ! -d "$1" ] || find "$1" -mindepth 1 -maxdepth 1 -type d -mmin +1'
REMOTE_FOLDER = (
    'umask 077; mkdir -p "$1" && [ -O "$1" ] && [ ! -L "$1" ] && chmod 700 "$1" '
    '&& mkdir -p "$(dirname "$1/$2")" && mkdir "$1/$2" && chmod 755 "$1/$2"'
)


def home(engine: str, service: str) -> str:
    """Where below the root the secrets of a service's containers are: apart for each engine that shares the host.

    engine: the engine's own id.
    """
    return f"{hashlib.sha256(engine.encode()).hexdigest()[:16]}/{service}"


def path_of(folder: str, where: str) -> str:
    """Where `place` writes."""
    return f"{folder}/{ROOT}/{where}"


def place(host: str, folder: str, where: str, secrets: Mapping[str, str]) -> None:
    """Write secrets for a container to `where` (its home and name), below `folder` of an engine's host.

    Readable for every user of the container, and on the host for root only.
    Raises: StorageError when the folder is not in memory, DeniedError, UnavailableError (the host over SSH).
    """
    root, path = f"{folder}/{ROOT}", path_of(folder, where)
    if host.startswith("ssh://"):
        _place_remote(host, folder, where, secrets)
        return
    if _kind_of(Path(folder)) not in {"tmpfs", "ramfs"}:
        raise StorageError(f"runtime.docker.secrets_dir {folder!r} is not in memory: name a folder of a tmpfs")
    try:
        Path(root).mkdir(mode=0o700, exist_ok=True)
        if not is_private(Path(root)):
            raise DeniedError(f"{root!r} is not ours alone: remove it, or name another runtime.docker.secrets_dir")
        Path(path).mkdir(parents=True)
        # whatever the umask
        Path(path).chmod(0o755)
        for key, value in secrets.items():
            file = Path(path, key)
            file.touch(mode=0o600)
            file.write_bytes(os.fsencode(value))
            file.chmod(0o444)
    except OSError as error:
        raise DeniedError(f"secrets cannot be written below {folder!r}: {error.strerror}") from error


def remove(host: str, path: str) -> None:
    """Remove the secrets that `place` has written; that they are gone already is no error."""
    if host.startswith("ssh://"):
        _ssh(host, ["rm", "-rf", "--", path], "")
    else:
        shutil.rmtree(path, ignore_errors=True)


def sweep(host: str, folder: str, where: str, living: Collection[str]) -> None:
    """Remove the secrets in a home whose containers are not among `living`; not new ones, whose are just being made."""
    path = path_of(folder, where)
    if host.startswith("ssh://"):
        found = _ssh(host, ["sh", "-c", REMOTE_OLD, "sh", path], "").splitlines()
    else:
        found = [str(there) for there in Path(path).glob("*") if _age_s(there) > YOUNG_S]
    for name in {Path(there).name for there in found} - set(living):
        remove(host, f"{path}/{name}")


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def _kind_of(path: Path) -> str:
    """The type of the file system that a path is on."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, found, *_ = line.split(" ")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _place_remote(host: str, folder: str, where: str, secrets: Mapping[str, str]) -> None:
    if _ssh(host, ["stat", "-f", "-c", "%T", folder], "").strip() not in {"tmpfs", "ramfs"}:
        raise StorageError(f"runtime.docker.secrets_dir {folder!r} of {host} is not in memory: name one of a tmpfs")
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
        done = subprocess.run(words, input=os.fsencode(text), capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{host} cannot be reached: {type(error).__name__}") from error
    if done.returncode != 0:
        raise UnavailableError(f"{host} does not do it: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}")
    return done.stdout.decode("utf-8", "replace")
