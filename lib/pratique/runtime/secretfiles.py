"""Secrets for containers: files in a folder in memory of the engine's host, never on a disk nor in an environment."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from pratique.errors import DeniedError, StorageError, UnavailableError
from pratique.release.ssh import is_private, ssh_words

ROOT = "pratique-secrets"
MOUNT = "/run/secrets"
TIMEOUT_S = 20.0
REMOTE_FOLDER = (
    'umask 077; d="$(dirname "$1")"; mkdir -p "$d" && [ -O "$d" ] && [ ! -L "$d" ] && chmod 700 "$d" '
    '&& mkdir "$1" && chmod 755 "$1"'
)


def place(host: str, folder: str, name: str, secrets: Mapping[str, str]) -> str:
    """Write secrets for the container `name` below `folder` on an engine's host; return their folder.

    Readable for every user of the container, and on the host for root only.
    Raises: StorageError when the folder is not in memory, UnavailableError (the host over SSH).
    """
    path = f"{folder}/{ROOT}/{name}"
    if host.startswith("ssh://"):
        _place_remote(host, folder, path, secrets)
        return path
    if _kind_of(Path(folder)) not in {"tmpfs", "ramfs"}:
        raise StorageError(f"runtime.docker.secrets_dir {folder!r} is not in memory: name a folder of a tmpfs")
    try:
        Path(path).parent.mkdir(mode=0o700, exist_ok=True)
        if not is_private(Path(path).parent):
            raise DeniedError(
                f"{str(Path(path).parent)!r} is not ours alone: remove it, or name another runtime.docker.secrets_dir"
            )
        Path(path).mkdir(mode=0o755)
        for key, value in secrets.items():
            file = Path(path, key)
            file.touch(mode=0o600)
            file.write_text(value, encoding="utf-8")
            file.chmod(0o444)
    except OSError as error:
        raise DeniedError(f"secrets cannot be written below {folder!r}: {error.strerror}") from error
    return path


def remove(host: str, folder: str, name: str) -> None:
    """Remove the secrets of a container; that they are gone already is no error."""
    path = f"{folder}/{ROOT}/{name}"
    if host.startswith("ssh://"):
        _ssh(host, ["rm", "-rf", path], "")
    else:
        shutil.rmtree(path, ignore_errors=True)


def sweep(host: str, folder: str, prefix: str, living: Collection[str]) -> None:
    """Remove the secrets of containers whose name begins with `prefix` and which are not among `living`."""
    if host.startswith("ssh://"):
        return
    for path in Path(folder, ROOT).glob(f"{prefix}*"):
        if path.name not in living:
            shutil.rmtree(path, ignore_errors=True)


def _kind_of(path: Path) -> str:
    """The type of the file system that a path is on."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, found, *_ = line.split(" ")
        if path.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _place_remote(host: str, folder: str, path: str, secrets: Mapping[str, str]) -> None:
    if _ssh(host, ["stat", "-f", "-c", "%T", folder], "").strip() not in {"tmpfs", "ramfs"}:
        raise StorageError(f"runtime.docker.secrets_dir {folder!r} of {host} is not in memory: name one of a tmpfs")
    _ssh(host, ["sh", "-c", REMOTE_FOLDER, "sh", path], "")
    for key, value in secrets.items():
        _ssh(host, ["sh", "-c", 'umask 077; cat > "$1" && chmod 444 "$1"', "sh", f"{path}/{key}"], value)


def _ssh(host: str, command: list[str], text: str) -> str:
    words = [*ssh_words(host), shlex.join(command)]
    try:
        done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{host} cannot be reached: {type(error).__name__}") from error
    if done.returncode != 0:
        raise UnavailableError(f"{host} does not do it: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}")
    return done.stdout.decode("utf-8", "replace")
