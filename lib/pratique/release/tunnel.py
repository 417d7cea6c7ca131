"""Forward the socket of a Docker engine on another host through ssh."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pratique.errors import UnavailableError
from pratique.release.ssh import ssh_words

ENGINE_SOCKET = "/var/run/docker.sock"
OPEN_TIMEOUT_S = 10.0
_open: dict[str, Tunnel] = {}


@dataclass
class Tunnel:
    """An ssh process and the folder of its local socket."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def path(self) -> str:
        """The local socket."""
        return str(self.folder / "docker.sock")

    def close(self) -> None:
        """Stop the ssh process and remove the folder."""
        self.process.terminate()
        for pipe in (self.process.stdin, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.process.wait(OPEN_TIMEOUT_S)
        shutil.rmtree(self.folder, ignore_errors=True)


def tunnel(address: str) -> str:
    """Return the path of a local socket that forwards to the engine at an ssh:// address.

    A process opens each tunnel once. Raises: UnavailableError with the error message of ssh.
    """
    found = _open.get(address)
    if found is not None and found.process.poll() is None:
        return found.path
    if found is not None:
        found.close()
    _open[address] = found = _opened(address)
    return found.path


def close_all() -> None:
    """Close every tunnel of this process."""
    while _open:
        _open.popitem()[1].close()


atexit.register(close_all)


def _opened(address: str) -> Tunnel:
    folder = Path(tempfile.mkdtemp(prefix="pratique-ssh-"))
    words = ssh_words(address)
    forward = [
        "-o",
        "ExitOnForwardFailure=yes",
        "-L",
        f"{folder}/docker.sock:{urlsplit(address).path or ENGINE_SOCKET}",
    ]
    try:
        # `cat` exits when its input closes, so the tunnel ends with this process even if it is killed
        process = subprocess.Popen(
            [words[0], *forward, *words[1:], "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise UnavailableError(f"{address} cannot be reached: ssh: {error.strerror}") from error
    opened = Tunnel(process, folder)
    deadline = time.monotonic() + OPEN_TIMEOUT_S
    while not _accepts(opened.path):
        if process.poll() is not None or time.monotonic() > deadline:
            message = (
                process.stderr.read().decode("utf-8", "replace")
                if process.poll() is not None and process.stderr
                else ""
            )
            opened.close()
            raise UnavailableError(f"{address} cannot be reached: {message.strip()[-200:] or 'it does not answer'}")
        time.sleep(0.02)
    return opened


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0
