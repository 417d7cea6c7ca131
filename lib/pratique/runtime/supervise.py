"""The parent process of one instance. It outlives the process that started it.

    python -I -S supervise.py LOG COMMAND…

It represents the instance in the process table. Its environment holds the labels, because a server that
writes its title over its own environment would lose them. It bounds the log of the instance, passes SIGTERM on,
and exits with the instance. If it is killed, the kernel kills the instance. It imports only a small part of the
standard library, so it starts quickly.

On standard output it reports to the starter: the process id of the supervisor, or "!" and an error.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from io import FileIO
from pathlib import Path

LOG_MAX_BYTES = 1 << 20
"""A log that exceeds this is renamed to LOG.1, which replaces the previous one, and a new log begins."""
STATE_LABEL = "PRATIQUE_STATE"
_PR_SET_PDEATHSIG = 1


class BoundedLog:
    """A log file that keeps the last one to two mebibytes."""

    def __init__(self, path: Path) -> None:
        """Begin a new log, and delete the older half of a previous one."""
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._older.unlink(missing_ok=True)
        self._file = self._begin()

    def _begin(self) -> FileIO:
        self._size = 0
        # only the owner may read what an instance prints
        return open(self._path, "wb", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))

    def write(self, data: bytes) -> None:
        """Append. On a full disk, data is dropped: the instance matters more than its log."""
        try:
            if self._size > LOG_MAX_BYTES:
                self._path.replace(self._older)
                self._file.close()
                self._file = self._begin()
            self._size += self._file.write(data)
        except (OSError, ValueError):
            self._size += len(data)


class InstanceSupervisor:
    """Start the instance, write its log, and exit when it exits."""

    def __init__(self, log: BoundedLog, command: list[str]) -> None:
        """Raises: OSError when the command does not exist."""
        self._log = log
        self._stopping = False
        self._output, output = os.pipe()
        self._wake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop)
        prctl = ctypes.CDLL(None).prctl
        self._instance = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={name: value for name, value in os.environ.items() if name != STATE_LABEL},
            preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - there are no threads here
        )
        os.close(output)

    def run(self) -> None:
        """Write the log until the instance exits, then kill the processes that it left running."""
        while self._instance.poll() is None or self._stopping:
            select.select([self._output, self._wake], [], [])
            if not self._move():
                break
        status = self._instance.wait()
        while self._readable(self._output) and self._move():
            pass
        how = f"exited with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"
        self._log.write(f"pratique: {how}\n".encode())
        os.killpg(0, signal.SIGKILL)

    def _move(self) -> bool:
        """Copy available output into the log. Return False when no process can write to it."""
        if self._readable(self._wake):
            os.read(self._wake, 4096)
        if not self._readable(self._output):
            return True
        data = os.read(self._output, 1 << 16)
        self._log.write(data)
        return bool(data)

    @staticmethod
    def _readable(descriptor: int) -> bool:
        return bool(select.select([descriptor], [], [], 0)[0])

    def _stop(self, *_: object) -> None:
        # signal the process group, as systemd does: a shell in between would not pass the signal on
        if not self._stopping:
            self._stopping = True
            os.killpg(0, signal.SIGTERM)


def main(log: str, *command: str) -> None:
    """Detach from the starter, start the instance, report to the starter, and supervise the instance."""
    if os.fork():
        os._exit(0)
    os.setsid()
    try:
        supervisor = InstanceSupervisor(BoundedLog(Path(log)), list(command))
    except OSError as error:
        os.write(1, f"!{error.strerror}: {error.filename!r}".encode())
        # immediately: when the starter has read the output, no process with labels may be left
        os._exit(1)
    os.write(1, str(os.getpid()).encode())
    devnull = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(devnull, standard)
    supervisor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
