"""The socket through which runbooks control the embedded balancer: a file that only its owner can connect to.

Any user of a machine, and any web page in a browser on it, can connect to a port on loopback, and anybody can listen on one
while the balancer is down. A socket file in the state folder is within reach of its owner alone, in both directions.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

from pratique.errors import BusyError, DeniedError, UnavailableError
from pratique.files import open_private

_CREDENTIALS = struct.Struct("3i")
"""Process id, user id and group id of the other side, as SO_PEERCRED gives them: unix(7)."""


def control_path(state_dir: Path, service: str) -> Path:
    """Return the path of the control socket of a service's embedded balancer."""
    return state_dir / "balancer" / f"{service}.socket"


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen on a socket file within the context; remove it afterwards.

    Raises: BusyError when another balancer uses it, DeniedError, UnavailableError when the file system has no sockets.
    """
    with contextlib.ExitStack() as held:
        try:
            lock = held.enter_context(open_private(path.with_suffix(".lock"), "w"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            listener = held.enter_context(_bound(path))
        except BlockingIOError:
            raise BusyError(f"another balancer uses {str(path)!r}: stop it first") from None
        except PermissionError as error:
            raise DeniedError(
                f"balancer cannot make {str(path)!r}: {error.strerror}: check the state folder"
            ) from error
        except OSError as error:
            raise UnavailableError(
                f"balancer cannot listen on {str(path)!r}: {error.strerror}: use a state folder on a local disk"
            ) from error
        yield listener
        path.unlink(missing_ok=True)


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        with _short(path) as name:
            listener.bind(name)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


class ControlConnection(http.client.HTTPConnection):
    """An HTTP connection to the control socket. It refuses a listener that runs as another user."""

    def __init__(self, path: Path, timeout: float) -> None:
        """path: of the socket file. timeout: of each operation, in seconds."""
        super().__init__("localhost", timeout=timeout)
        self._path = path

    @override
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with _short(self._path) as name:
            self.sock.connect(name)
        other = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        user = _CREDENTIALS.unpack(other)[1]
        if user != os.geteuid():
            raise ConnectionRefusedError(f"user {user} listens at {self._path}")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of the socket file that fits into an address, which has at most 107 bytes, however deep the folder is."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
