"""The hosts that HAProxy runs on: their files, commands and sockets, on this machine or over SSH."""

from __future__ import annotations

import contextlib
import fcntl
import select
import shlex
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from pratique.balancer.haproxy.template import Paths
from pratique.errors import BusyError, DeniedError, StorageError, UnavailableError
from pratique.files import replace_file
from pratique.release.ssh import ssh_words

TIMEOUT_S = 10.0
LOCK_S = 45.0
"""How long a HAProxy on another host may be locked: longer than the longest change of its pool."""
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

    def locked(self, *, wait: bool = True) -> contextlib.AbstractContextManager[None]:
        """Only one program at a time. wait: for the other one. Raises: StorageError, UnavailableError, BusyError."""


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
        try:
            replace_file(Path(path), content)
        except OSError as error:
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
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        """Only one program of this machine at a time changes this HAProxy. wait: for the other one.

        Raises: StorageError, BusyError.
        """
        directory = Path(self.paths.directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = (directory / "lock").open("w")
        except OSError as error:
            raise StorageError(f"{str(directory)!r} cannot be written: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise BusyError("HAProxy is being changed by somebody else") from None
            yield


class SshSite:
    """HAProxy on another host; socat, flock and timeout must be installed there."""

    def __init__(self, address: str, paths: Paths) -> None:
        """address: "ssh://user@host:port", with a key that needs no password."""
        self.name = address
        self.paths = paths
        # one connection is kept for the many short commands of a rollout
        self._ssh = ssh_words(address, kept=True)

    def read(self, path: str) -> str | None:
        """A file's content; None when there is none."""
        status, said = self.run(["cat", path])
        return said if status == 0 else None

    def write(self, path: str, content: str) -> None:
        """Upload a file, and put it in place atomically, when all of it has come. Raises: StorageError."""
        status, said = self._remote(["sh", "-c", WRITE, "sh", path, str(len(content.encode()))], content)
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

    @contextlib.contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        """Only one program changes this HAProxy, from whichever machine; one that hangs loses the lock.

        wait: for the other one. Raises: BusyError when another one has it, UnavailableError.
        """
        words = ["sh", "-c", _LOCK, "sh", self.paths.directory, f"{LOCK_S:g}", f"{TIMEOUT_S if wait else 0:g}"]
        command = [*self._ssh, shlex.join(words)]
        try:
            holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise UnavailableError(f"{self.name} cannot be reached: ssh: {error.strerror}") from error
        with holder:
            try:
                if _first_line(holder, TIMEOUT_S * 2) != b"locked":
                    raise self._no_lock(_status(holder))
                yield
                if holder.poll() is not None:
                    raise UnavailableError(f"HAProxy on {self.name} was locked for too long: look at its pool")
            finally:
                holder.kill()

    def _no_lock(self, status: int | None) -> UnavailableError | BusyError:
        if status == _SSH_FAILED:
            return UnavailableError(f"{self.name} cannot be reached: try {shlex.join(self._ssh)}")
        if status == _HELD:
            return BusyError(f"HAProxy on {self.name} is being changed by somebody else: wait, and try again")
        return UnavailableError(
            f"{self.name} cannot be locked ({'it says something else' if status is None else status}): have flock of util-linux there, and a directory that can be written"
        )

    def _remote(self, command: Sequence[str], text: str) -> tuple[int, str]:
        status, said = _run([*self._ssh, shlex.join(command)], text)
        if status == _SSH_FAILED:
            raise UnavailableError(f"{self.name} cannot be reached: {said.strip()[-200:]}")
        return status, said


_SSH_FAILED = 255
_HELD = 75
# a connection that breaks ends the input: what has come by then is no file
WRITE = (
    'umask 077; mkdir -p "$(dirname "$1")" && new="$(mktemp "$1.XXXXXX")" || exit; '
    'cat > "$new" && [ "$(wc -c < "$new")" -eq "$2" ] && mv "$new" "$1" || { rm -f "$new"; echo "not all of it came"; '
    "exit 1; }"
)
# held as long as the input is open
_LOCK = 'mkdir -p "$1" && exec flock -w "$3" -E 75 "$1/lock" timeout "$2" sh -c "echo locked; exec cat"'


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """How it ended; None when it has not."""
    try:
        return process.wait(1.0)
    except subprocess.TimeoutExpired:
        return None


def _first_line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """What it says first; None when it says nothing in that time."""
    output = process.stdout
    if output is None or not select.select([output], [], [], seconds)[0]:
        return None
    return output.readline().strip()


def _run(words: Sequence[str], text: str) -> tuple[int, str]:
    try:
        done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=TIMEOUT_S * 2, check=False)
    except FileNotFoundError as error:
        raise UnavailableError(f"{words[0]!r} is not installed: install it, or name it in the service file") from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{words[0]!r} has not ended within {TIMEOUT_S * 2:g} s") from error
    shown = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    return done.returncode, shown.decode("utf-8", "replace")
