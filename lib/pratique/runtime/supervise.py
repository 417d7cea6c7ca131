"""The parent of one instance, a process of its own that outlives whoever started it.

    python -I -S supervise.py LOG COMMAND…

It stands for the instance in the process table: its environment holds the labels, which a server that
writes a title over its own would lose. It keeps the instance's log bounded, passes SIGTERM on, and ends with
the instance; should it be killed, the kernel kills the instance too. Only the standard library, and little of it.

Standard output tells the starter how it went: the supervisor's process id, or "!" and why there is none.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

LOG_BYTES = 1 << 20
"""A log that has grown beyond this becomes the older half, LOG.1, and a new one is begun."""
STATE_LABEL = "PRATIQUE_STATE"
_PR_SET_PDEATHSIG = 1


class BoundedLog:
    """A log file of which the last mebibyte or two are kept."""

    def __init__(self, path: Path) -> None:
        """Begin a new one."""
        self._path = path
        self._older = path.with_name(path.name + ".1")
        self._older.unlink(missing_ok=True)
        self._file = path.open("wb", buffering=0)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; what a full disk does not take is lost, since the instance is worth more than its log."""
        try:
            if self._size > LOG_BYTES:
                self._path.replace(self._older)
                self._file.close()
                self._file = self._path.open("wb", buffering=0)
                self._size = 0
            self._size += self._file.write(data)
        except (OSError, ValueError):
            self._size += len(data)


class Supervisor:
    """Start the instance, keep its log, and end when it ends."""

    def __init__(self, log: BoundedLog, command: list[str]) -> None:
        """Raises: OSError when there is no such command."""
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
        """Keep the log until the instance has ended, then end with whatever it left behind."""
        while self._instance.poll() is None or self._stopping:
            select.select([self._output, self._wake], [], [])
            if not self._move():
                break
        status = self._instance.wait()
        while self._readable(self._output) and self._move():
            pass
        how = f"exited with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"
        self._log.write(f"pratique: {how}\n".encode())
        os.killpg(0, signal.SIGKILL)

    def _move(self) -> bool:
        """Move what there is into the log; False when nobody is left who could write more."""
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
        # to all of its processes, as systemd does: a shell in between would not pass it on
        if not self._stopping:
            self._stopping = True
            os.killpg(0, signal.SIGTERM)


def main(log: str, *command: str) -> None:
    """Leave the starter, start the instance, tell the starter, and stay."""
    if os.fork():
        os._exit(0)
    os.setsid()
    try:
        supervisor = Supervisor(BoundedLog(Path(log)), list(command))
    except OSError as error:
        os.write(1, f"!{error.strerror}: {error.filename!r}".encode())
        # at once: the starter reads to the end of output, and nothing with labels may be left then
        os._exit(1)
    os.write(1, str(os.getpid()).encode())
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    supervisor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
