"""The parent process of one one-off process: the module pratique.runtime.supervise_one_off with FOLDER TIMEOUT_S DRAIN_S COMMAND…

It outlives whoever started it: it bounds the log, stops the command when its time is over, and keeps how it ended in
FOLDER/state.json. The lock FOLDER/lock is held by it and by every process of the command: while one of them runs, no second
one starts. On standard output it reports to its starter: "ok", "taken", or "!" and an error.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pratique.clock import stamp, utc_now
from pratique.files import PRIVATE, open_private, replace_file
from pratique.runtime.supervise import BoundedLog

LOCK, STATE, LOG = "lock", "state.json", "log"
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
LOOK_EVERY_S = 0.2
LEFT_BEHIND_S = 5.0
"""How long processes that the command left behind are killed at most: one of another user cannot be."""
KEEP_TRIES, BETWEEN_TRIES_S = 60, 1.0
"""How often the end is written again on a full disk."""


class OneOffSupervisor:
    """Start the command, write its log, bound its time, and keep its end."""

    def __init__(self, folder: Path, state: dict[str, Any], timeout_s: float, drain_s: float) -> None:
        """state: the facts that are known from the beginning. The caller holds the lock."""
        self._file = folder / STATE
        self._log = BoundedLog(folder / LOG)
        self._state = state
        self._timeout_s, self._drain_s = timeout_s, drain_s
        self._stop_asked = False
        signal.signal(signal.SIGTERM, self._stop)

    def run(self, command: list[str], lock: int) -> None:
        """Run the command to its end. Raises: OSError when it cannot be executed."""
        self._keep()
        output, written = os.pipe()
        prctl = ctypes.CDLL(None).prctl
        # what the command leaves behind becomes a child of this process, as of PID 1 in a container
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
            pass_fds=[lock],
            preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - there are no threads here
        )
        os.close(written)
        self._keep(started=stamp(utc_now()), pid=process.pid)
        _report(b"ok")
        _detach_output()
        self._follow(process, output)
        status, ended = process.wait(), stamp(utc_now())
        _end_left_behind()
        self._copy_rest(output)
        self._keep_end(ended=ended, exit_code=status if status >= 0 else 128 - status)

    def keep_error(self, error: OSError, status: int) -> None:
        """Keep why the command never started. status: as a shell has it, 126 or 127."""
        self._keep(error=f"{error.strerror}: {error.filename!r}", exit_code=status)

    def _follow(self, process: subprocess.Popen[bytes], output: int) -> None:
        """Copy the output until the command has ended; ask it to stop when its time is over, then kill it."""
        deadline, kill_at, open_ = time.monotonic() + self._timeout_s, float("inf"), True
        while process.poll() is None:
            _reap_others(process.pid)
            if open_ and select.select([output], [], [], LOOK_EVERY_S)[0]:
                open_ = self._copy(output)
            elif not open_:
                time.sleep(LOOK_EVERY_S / 4)
            now = time.monotonic()
            if kill_at == float("inf") and (self._stop_asked or now > deadline):
                kill_at = now + self._drain_s
                os.killpg(process.pid, signal.SIGTERM)
            elif now > kill_at:
                os.killpg(process.pid, signal.SIGKILL)

    def _copy_rest(self, output: int) -> None:
        """Copy the rest of the pipe, but not the output that a process goes on writing that could not be killed."""
        deadline = time.monotonic() + LEFT_BEHIND_S
        while time.monotonic() < deadline and select.select([output], [], [], 0)[0] and self._copy(output):
            pass

    def _copy(self, output: int) -> bool:
        data = os.read(output, 1 << 16)
        self._log.write(data)
        return bool(data)

    def _keep_end(self, **facts: Any) -> None:
        """Keep the end, also when the disk is full for a while: what the command did to it may just be cleaned up."""
        for _ in range(KEEP_TRIES):
            with contextlib.suppress(OSError):
                return self._keep(**facts)
            time.sleep(BETWEEN_TRIES_S)
        return self._keep(**facts)

    def _stop(self, *_: object) -> None:
        self._stop_asked = True

    def _keep(self, **facts: Any) -> None:
        self._state |= facts
        replace_file(self._file, json.dumps(self._state), mode=PRIVATE)


def main() -> None:
    """Take the lock, detach from the starter, run the command, and keep how it ended."""
    folder, timeout_s, drain_s, *command = sys.argv[1:]
    with open_private(Path(folder, LOCK), "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.write(1, b"taken")
            return
        if Path(folder, STATE).exists():
            # another one ran to its end since the starter looked: its end is not known yet
            os.write(1, b"taken")
            return
        if os.fork():
            os._exit(0)
        os.setsid()
        supervisor = OneOffSupervisor(Path(folder), _first_state(folder), float(timeout_s), float(drain_s))
        try:
            supervisor.run(command, lock.fileno())
        except OSError as error:
            supervisor.keep_error(error, 127 if isinstance(error, FileNotFoundError) else 126)
            _report(b"ok")


def _first_state(folder: str) -> dict[str, Any]:
    """Return what the starter hands over in the environment, and takes out of it: the command does not get it."""
    given: dict[str, Any] = json.loads(os.environ.pop("PRATIQUE_ONE_OFF"))
    return {**given, "folder": folder, "created": stamp(utc_now()), "supervisor": os.getpid()}


def _end_left_behind() -> None:
    """Kill every process that the command left behind, in other sessions too."""
    import psutil  # noqa: PLC0415 - slow to load

    deadline = time.monotonic() + LEFT_BEHIND_S
    while (left := psutil.Process().children(recursive=True)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        _reap_others(0)
        time.sleep(0.01)


def _reap_others(command: int) -> None:
    """Reap children that have ended, but not the command, whose status is waited for elsewhere."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != command:
            os.waitpid(ended.si_pid, 0)


def _report(answer: bytes) -> None:
    """Tell the starter; it may be dead, and the command runs all the same."""
    with contextlib.suppress(OSError):
        os.write(1, answer)


def _detach_output() -> None:
    devnull = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(devnull, standard)


if __name__ == "__main__":
    main()
