"""The watchdog: a small process that undoes a run when the run's own process cannot.

A notebook server that shuts a kernel down gives it about five seconds, and a kernel whose papermill died ends within
one: too little to drain and stop a canary. The watchdog outlives both. It ends when the run does.

    the run's process dies while it undoes               the watchdog finishes undoing
    the process that executes the notebook dies first    this cancels the run: the watchdog undoes
    the run's process dies alone (crash, SIGKILL)        nothing: the lease returns the traffic, and
                                                         the same run_id can resume
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pratique.files import open_private
from pratique.isolated import isolated_command

MODULE = "pratique.runbook.watchdog_main"
LOG_NAME = "watchdog.log"
DONE = b"done"
"""The line that the run writes to the watchdog's standard input when it ends."""
GRACE_S = 8.0
"""How long a process whose executor died may take to die too, or to undo by itself."""


class Watchdog:
    """The run's handle on its watchdog process."""

    def __init__(self, folder: Path) -> None:
        """Start the watchdog of the run whose journal is in `folder`."""
        command = isolated_command(MODULE, str(folder), str(os.getpid()), str(_executor()))
        with open_private(folder / LOG_NAME, "ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )

    def dismiss(self) -> None:
        """Report that the run has ended, and wait until the watchdog has exited."""
        try:
            self._process.communicate(DONE, timeout=GRACE_S)
        except (subprocess.TimeoutExpired, OSError, ValueError):
            self._process.kill()
            self._process.wait()


def _executor() -> int:
    """Return the process that executes this kernel (papermill, a notebook server); 0 when there is none to follow."""
    return os.getppid() if "JPY_PARENT_PID" in os.environ else 0
