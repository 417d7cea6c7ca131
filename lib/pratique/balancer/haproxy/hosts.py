"""The hosts of HAProxy: their files, commands and sockets, on this machine or over SSH."""

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

from typing_extensions import override

from pratique.balancer.haproxy.template import Paths
from pratique.errors import BusyError, DeniedError, StorageError, UnavailableError
from pratique.files import replace_file
from pratique.release.ssh import ssh_words

COMMAND_TIMEOUT_S = 10.0
LOCK_MAX_S = 45.0
"""How long a process may lock HAProxy on another host: longer than the longest change of its pool."""
SOCKET_PATH_MAX_BYTES = 90
"""The kernel allows 107 bytes, of which HAProxy needs some for a temporary name."""


class Host(Protocol):
    """A host with one HAProxy. name: used in errors and drift."""

    name: str
    paths: Paths

    def read(self, path: str) -> str | None:
        """Return the content of a file; None if it does not exist."""

    def write(self, path: str, content: str) -> None:
        """Replace a file atomically."""

    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command without a shell; return its exit status and its output."""

    def ask_socket(self, path: str, text: str) -> str:
        """Send text to a unix socket and return the complete answer. Raises: UnavailableError."""

    def locked(self, *, wait: bool = True) -> contextlib.AbstractContextManager[None]:
        """Lock this HAProxy against changes by other processes. wait: until the lock is free.

        Raises: StorageError, UnavailableError, BusyError.
        """


class LocalHost(Host):
    """HAProxy on this machine, as a process or in a container that shares the directory."""

    def __init__(self, paths: Paths, container: str = "") -> None:
        """container: name of the container that runs HAProxy; "" for a process.

        Raises: StorageError when the path of the directory is too long for a socket.
        """
        if len(paths.control.encode()) > SOCKET_PATH_MAX_BYTES:
            raise StorageError(f"{paths.control!r} is too long for a socket: set a shorter balancer.haproxy.directory")
        self.name = "this machine"
        self.paths = paths
        self._container = container

    @override
    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DeniedError(f"cannot read {path!r}: {error.strerror}") from error

    @override
    def write(self, path: str, content: str) -> None:
        try:
            replace_file(Path(path), content)
        except OSError as error:
            raise StorageError(f"cannot write {path!r}: {error.strerror}") from error

    @override
    def run(self, command: Sequence[str]) -> tuple[int, str]:
        """Run a command, in the container if HAProxy runs in one."""
        words = ["docker", "exec", self._container, *command] if self._container else list(command)
        return _run(words, "")

    @override
    def ask_socket(self, path: str, text: str) -> str:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(COMMAND_TIMEOUT_S)
                connection.connect(path)
                connection.sendall(text.encode())
                # otherwise the master process waits for more commands
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode("utf-8", "replace")
        except OSError as error:
            raise UnavailableError(
                f"HAProxy does not answer at {path} ({error.strerror or error}): start it with pratique up SERVICE REVISION"
            ) from error

    @override
    @contextlib.contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        directory = Path(self.paths.directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = (directory / "lock").open("w")
        except OSError as error:
            raise StorageError(f"cannot write to {str(directory)!r}: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise BusyError("another process is changing HAProxy: wait, and try again") from None
            yield


class SSHHost(Host):
    """HAProxy on another host, which needs socat, flock and timeout."""

    def __init__(self, address: str, paths: Paths) -> None:
        """address: "ssh://user@host:port", with a key that needs no password."""
        self.name = address
        self.paths = paths
        # the many short commands of a rollout share one connection
        self._ssh = ssh_words(address, kept=True)

    @override
    def read(self, path: str) -> str | None:
        status, content = self.run(["cat", path])
        return content if status == 0 else None

    @override
    def write(self, path: str, content: str) -> None:
        """Upload a file, and replace the old one when the upload is complete. Raises: StorageError."""
        status, output = self._remote(["sh", "-c", WRITE, "sh", path, str(len(content.encode()))], content)
        if status != 0:
            raise StorageError(f"cannot write {path!r} on {self.name}: {output.strip()[-200:]}")

    @override
    def run(self, command: Sequence[str]) -> tuple[int, str]:
        return self._remote(command, "")

    @override
    def ask_socket(self, path: str, text: str) -> str:
        status, answer = self._remote(["socat", "-t", "5", "-", f"UNIX-CONNECT:{path}"], text)
        if status != 0:
            raise UnavailableError(f"HAProxy on {self.name} does not answer at {path}: {answer.strip()[-200:]}")
        return answer

    @override
    @contextlib.contextmanager
    def locked(self, *, wait: bool = True) -> Iterator[None]:
        """Lock this HAProxy against changes from any machine. A process that holds the lock too long loses it.

        Raises: BusyError, UnavailableError.
        """
        words = [
            "sh",
            "-c",
            _LOCK,
            "sh",
            self.paths.directory,
            f"{LOCK_MAX_S:g}",
            f"{COMMAND_TIMEOUT_S if wait else 0:g}",
        ]
        command = [*self._ssh, shlex.join(words)]
        try:
            holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise UnavailableError(f"{self.name} cannot be reached: ssh: {error.strerror}") from error
        with holder:
            try:
                if _first_line(holder, COMMAND_TIMEOUT_S * 2) != b"locked":
                    raise self._no_lock(_status(holder))
                yield
                if holder.poll() is not None:
                    raise UnavailableError(
                        f"the lock of HAProxy on {self.name} expired during the change: check its pool"
                    )
            finally:
                holder.kill()

    def _no_lock(self, status: int | None) -> UnavailableError | BusyError:
        if status == _SSH_FAILED:
            return UnavailableError(f"{self.name} cannot be reached: try {shlex.join(self._ssh)}")
        if status == _HELD:
            return BusyError(f"another process is changing HAProxy on {self.name}: wait, and try again")
        return UnavailableError(
            f"cannot lock HAProxy on {self.name} ({'unexpected output' if status is None else f'status {status}'}): "
            f"install flock of util-linux there, and make {self.paths.directory} writable"
        )

    def _remote(self, command: Sequence[str], text: str) -> tuple[int, str]:
        status, output = _run([*self._ssh, shlex.join(command)], text)
        if status == _SSH_FAILED:
            raise UnavailableError(f"{self.name} cannot be reached: {output.strip()[-200:]}")
        return status, output


_SSH_FAILED = 255
_HELD = 75
# a broken connection also ends the input, so the size tells whether the upload is complete
WRITE = (
    'umask 077; mkdir -p "$(dirname "$1")" && new="$(mktemp "$1.XXXXXX")" || exit; '
    'cat > "$new" && [ "$(wc -c < "$new")" -eq "$2" ] && mv "$new" "$1" || { rm -f "$new"; echo "the upload was incomplete"; '
    "exit 1; }"
)
# the lock is held until the input is closed
_LOCK = 'mkdir -p "$1" && exec flock -w "$3" -E 75 "$1/lock" timeout "$2" sh -c "echo locked; exec cat"'


def _status(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit status; None if it still runs."""
    try:
        return process.wait(1.0)
    except subprocess.TimeoutExpired:
        return None


def _first_line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """Return the first line of output; None if there is none in that time."""
    output = process.stdout
    if output is None or not select.select([output], [], [], seconds)[0]:
        return None
    return output.readline().strip()


def _run(words: Sequence[str], text: str) -> tuple[int, str]:
    try:
        done = subprocess.run(
            words, input=text.encode(), capture_output=True, timeout=COMMAND_TIMEOUT_S * 2, check=False
        )
    except FileNotFoundError as error:
        raise UnavailableError(
            f"{words[0]!r} is not installed: install it, or set its path in the service file"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{words[0]!r} did not exit within {COMMAND_TIMEOUT_S * 2:g} s") from error
    shown = done.stdout if done.returncode == 0 else done.stdout + done.stderr
    return done.returncode, shown.decode("utf-8", "replace")
