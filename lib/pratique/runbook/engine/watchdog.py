"""The guardian: a small process that finishes a run's undoing when the run's own process cannot.

A notebook server that shuts a kernel down gives it about five seconds, and a kernel whose papermill was
ended dies within one: too little to drain and stop a canary. The guardian outlives both. It ends when
the run does.

    the run's process dies, and had begun to undo        the guardian finishes the undoing
    whoever executes the notebook dies before it          that is cancelling: the guardian undoes
    the run's process dies alone (crash, SIGKILL)         nothing: the lease gives the traffic back,
                                                          and the same run id can go on
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from pratique.errors import BusyError, PratiqueError
from pratique.runbook.engine.journal import Journal

DONE = b"done"
GRACE_S = 8.0
"""How long a process whose executor died may take to die too, or to undo by itself."""


class Guardian:
    """The run's end of it."""

    def __init__(self, folder: Path) -> None:
        """Start the guardian of the run whose journal is in `folder`."""
        with (folder / "guardian.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pratique.runbook.engine.watchdog",
                    str(folder),
                    str(os.getpid()),
                    str(_executor()),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def dismiss(self) -> None:
        """Tell it that the run has ended, and wait until it is gone."""
        try:
            self._process.communicate(DONE, timeout=GRACE_S)
        except (subprocess.TimeoutExpired, OSError, ValueError):
            self._process.kill()
            self._process.wait()


def _executor() -> int:
    """The process that executes this kernel (papermill, a notebook server); 0 where there is none to follow."""
    return os.getppid() if "JPY_PARENT_PID" in os.environ else 0


def watch(folder: Path, run_pid: int, executor_pid: int) -> None:
    """Wait for the run's end, or for somebody's death, and do what is to be done then."""
    executor = _pidfd(executor_pid) if executor_pid else None
    if executor is None and executor_pid:
        _undo(folder, run_pid, "whoever executed the notebook has ended")
        return
    ready, _, _ = select.select([sys.stdin, *([executor] if executor is not None else [])], [], [])
    if executor is not None and (executor in ready or select.select([executor], [], [], 0)[0]):
        _undo(folder, run_pid, "whoever executed the notebook has ended")
    elif os.read(sys.stdin.fileno(), len(DONE)) != DONE and _was_undoing(folder):
        _undo(folder, run_pid, "the run's process died while it undid")


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _was_undoing(folder: Path) -> bool:
    events = [line.event for line in Journal(folder / "journal.jsonl").lines() if line.event != "undone"]
    return bool(events) and events[-1] in {"undoing", "cancelled", "failed"}


def _undo(folder: Path, run_pid: int, reason: str) -> None:
    if _ended_by_itself(run_pid):
        return
    from pratique.runbook.service.session import undo_run  # noqa: PLC0415 - heavy, and hardly ever needed

    undo_run(folder, reason)


def _ended_by_itself(run_pid: int) -> bool:
    """Whether the run says "done" while it is being waited for; a process that only hangs on is ended."""
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if select.select([sys.stdin], [], [], 0.1)[0]:
            return os.read(sys.stdin.fileno(), len(DONE)) == DONE
    os.kill(run_pid, signal.SIGKILL)
    select.select([sys.stdin], [], [], GRACE_S)
    return False


def main() -> None:
    """`python -m pratique.runbook.engine.watchdog FOLDER RUN_PID EXECUTOR_PID`, with the run at standard input."""
    try:
        watch(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except BusyError:
        return
    except PratiqueError as error:
        sys.exit(f"guardian: {error}")


if __name__ == "__main__":
    main()
