"""The hosts that HAProxy runs on: their files, commands and sockets, on this machine or over SSH."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from pratique.balancer.haproxy.template import Paths
from pratique.errors import DeniedError, StorageError, UnavailableError

TIMEOUT_S = 10.0
LONGEST_SOCKET = 90
"""Bytes of a socket's path: the kernel takes 107, of which HAProxy needs some for a temporary name."""


class Site(Protocol):
    """One HAProxy: `name` is what errors and drift call it."""

    name: str
    paths: Paths

    def read(self, path: str) -> str | None:
        """A file's content; None when there is none."""

    def write(self, path: str, content: str) -> None:
        """Replace a file's content, atomically."""

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command there, never through a shell; its exit status, and what it said."""

    def talk(self, path: str, text: str) -> str:
        """Say something to a unix socket, and return the whole answer. Raises: UnavailableError."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Only one program of this machine at a time."""


class LocalSite:
    """HAProxy on this machine, as a process, or in a container that shares the directory."""

    def __init__(self, paths: Paths, container: str = "") -> None:
        """container: name of the container whose HAProxy verifies configurations; "" for this machine's own.

        Raises: StorageError when the directory's path is too long for a socket.
        """
        if len(paths.control.encode()) > LONGEST_SOCKET:
            raise StorageError(
                f"{paths.control!r} is too long for a socket: give balancer.haproxy.directory a shorter path"
            )
        self.name = "this machine"
        self.paths = paths
        self._container = container

    def read(self, path: str) -> str | None:
        """A file's content; None when there is none."""
        try:
            return Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DeniedError(f"{path!r} cannot be read: {error.strerror}") from error

    def write(self, path: str, content: str) -> None:
        """Replace a file's content, atomically and durably. Raises: StorageError."""
        draft = Path(f"{path}.{os.getpid()}.new")
        try:
            draft.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise StorageError(f"{path!r} cannot be written: {error.strerror}") from error

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command; in the container where there is one."""
        words = ["docker", "exec", self._container, *command] if self._container else list(command)
        return _run(words, "")

    def talk(self, path: str, text: str) -> str:
        """Say something to a unix socket. Raises: UnavailableError."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(TIMEOUT_S)
                connection.connect(path)
                connection.sendall(text.encode())
                # the master waits for more commands until it is told that there are none
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode("utf-8", "replace")
        except OSError as error:
            raise UnavailableError(
                f"HAProxy does not answer at {path} ({error.strerror or error}): start it with: pratique up SERVICE REVISION"
            ) from error

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one program of this machine at a time changes this HAProxy."""
        directory = Path(self.paths.directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = (directory / "lock").open("w")
        except OSError as error:
            raise StorageError(f"{str(directory)!r} cannot be written: {error.strerror}") from error
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class SshSite:
    """HAProxy on another host; socat must be installed there."""

    def __init__(self, address: str, paths: Paths) -> None:
        """address: "ssh://user@host:port", with a key that needs no password."""
        parts = urlsplit(address)
        self.name = address
        self.paths = paths
        # one connection is kept for the many short commands of a rollout
        kept = Path(tempfile.gettempdir(), f"pratique-ssh-{os.getuid()}-%C")
        self._ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "ControlMaster=auto"]
        self._ssh += ["-o", f"ControlPath={kept}", "-o", "ControlPersist=60"]
        self._ssh += ["-p", str(parts.port)] if parts.port else []
        self._ssh += ["--", f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)]

    def read(self, path: str) -> str | None:
        """A file's content; None when there is none."""
        status, said = self.run(["cat", path])
        return said if status == 0 else None

    def write(self, path: str, content: str) -> None:
        """Upload a file, and put it in place atomically. Raises: StorageError."""
        script = 'umask 077; mkdir -p "$(dirname "$1")" && cat > "$1.new" && mv "$1.new" "$1"'
        status, said = self._remote(["sh", "-c", script, "sh", path], content)
        if status != 0:
            raise StorageError(f"{path!r} cannot be written on {self.name}: {said.strip()[-200:]}")

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command there."""
        return self._remote(command, "")

    def talk(self, path: str, text: str) -> str:
        """Say something to a unix socket there. Raises: UnavailableError."""
        status, said = self._remote(["socat", "-t", "5", "-", f"UNIX-CONNECT:{path}"], text)
        if status != 0:
            raise UnavailableError(f"HAProxy on {self.name} does not answer at {path}: {said.strip()[-200:]}")
        return said

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """No lock: the wanted state's version tells two operators from one."""
        return contextlib.nullcontext()

    def _remote(self, command: Sequence[str], text: str) -> tuple[int, str]:
        status, said = _run([*self._ssh, shlex.join(command)], text)
        if status == _SSH_FAILED:
            raise UnavailableError(f"{self.name} cannot be reached: {said.strip()[-200:]}")
        return status, said


_SSH_FAILED = 255


def _run(words: Sequence[str], text: str) -> tuple[int, str]:
    try:
        done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=TIMEOUT_S * 2, check=False)
    except FileNotFoundError as error:
        raise UnavailableError(f"{words[0]!r} is not installed: install it, or name it in the service file") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{words[0]!r} has not ended within {TIMEOUT_S * 2:g} s") from error
    shown = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    return done.returncode, shown.decode("utf-8", "replace")
