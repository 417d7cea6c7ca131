"""On a kernel's path, this module kills or holds the kernel at one line of its journal. STEP is a step's key.

FAULT_AT is "begun STEP" (killed when that line is on disk: nothing of the step is done) or "done STEP" (killed before
that line is written: all of the step is done, but the journal does not know).
FAULT_HOLD is a step at whose beginning the kernel waits for the fault: it creates the file FAULT_FILE, and continues
when the file is gone.
"""

import os
import signal
import sys
import time
from pathlib import Path

HELD_S = 60.0

if "ipykernel_launcher" in sys.orig_argv and os.environ.get("FAULT_AT"):
    from pratique.runbook.engine.journal import Journal

    _event, _, _step = os.environ["FAULT_AT"].partition(" ")
    _append = Journal.append

    def append(self, event, step="", data=None):
        """Write a line, and kill the kernel at the chosen one."""
        if (event, step) == (_event, _step):
            if event == "begun":
                _append(self, event, step, data)
            os.kill(os.getpid(), signal.SIGKILL)
        return _append(self, event, step, data)

    Journal.append = append

if "ipykernel_launcher" in sys.orig_argv and os.environ.get("FAULT_HOLD"):
    from pratique.runbook.engine.journal import Journal

    _before = Journal.append

    def hold(self, event, step="", data=None):
        """Write a line, and wait once at the chosen one."""
        line = _before(self, event, step, data)
        if (event, step) == ("begun", os.environ.get("FAULT_HOLD")):
            del os.environ["FAULT_HOLD"]
            file, until = Path(os.environ["FAULT_FILE"]), time.monotonic() + HELD_S
            file.touch()
            while file.exists() and time.monotonic() < until:
                time.sleep(0.02)
        return line

    Journal.append = hold
