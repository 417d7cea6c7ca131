"""The watchdog process: the module pratique.runbook.watchdog_main with FOLDER RUN_PID EXECUTOR_PID.

The run is at the other end of standard input. See `pratique.runbook.engine.watchdog` for what it does, and when.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

from pratique.errors import BusyError, PratiqueError
from pratique.runbook.engine.journal import Journal
from pratique.runbook.engine.watchdog import DONE, GRACE_S
from pratique.runbook.recovery import finish_dead_run

EXECUTOR_DIED = "the process that executed the notebook died"
DIED_UNDOING = "the run's process died while it was undoing"


def watch(folder: Path, run_pid: int, executor_pid: int) -> None:
    """Wait until the run ends or one of the processes dies, and undo the run if no other process does."""
    executor = _pidfd(executor_pid) if executor_pid else None
    if executor is None and executor_pid:
        _undo(folder, run_pid, EXECUTOR_DIED)
        return
    ready, _, _ = select.select([sys.stdin, *([executor] if executor is not None else [])], [], [])
    if executor is not None and (executor in ready or select.select([executor], [], [], 0)[0]):
        _undo(folder, run_pid, EXECUTOR_DIED)
    elif os.read(sys.stdin.fileno(), len(DONE)) != DONE and _was_undoing(folder):
        _undo(folder, run_pid, DIED_UNDOING)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _was_undoing(folder: Path) -> bool:
    events = [line.event for line in Journal.in_folder(folder).lines() if line.event != "undone"]
    return bool(events) and events[-1] in {"undoing", "cancelled", "failed"}


def _undo(folder: Path, run_pid: int, reason: str) -> None:
    if not _ended_by_itself(run_pid):
        finish_dead_run(folder, reason)


def _ended_by_itself(run_pid: int) -> bool:
    """Wait for the run to report its end; kill a process that does not."""
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline:
        if select.select([sys.stdin], [], [], 0.1)[0]:
            return os.read(sys.stdin.fileno(), len(DONE)) == DONE
    os.kill(run_pid, signal.SIGKILL)
    select.select([sys.stdin], [], [], GRACE_S)
    return False


def main() -> None:
    """Run the watchdog of the run that the arguments name."""
    try:
        watch(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    except BusyError:
        return
    except PratiqueError as error:
        sys.exit(f"watchdog: {error}")


if __name__ == "__main__":
    main()
