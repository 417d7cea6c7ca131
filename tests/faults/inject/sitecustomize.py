"""Put on the path of a kernel, it kills the kernel at one line of its journal.

FAULT_AT is "begun STEP" (killed as soon as that line is on disk: nothing of the step is done) or "done STEP"
(killed before that line is written: all of the step is done, and nobody knows).
"""

import os
import signal
import sys

if "ipykernel_launcher" in sys.orig_argv and os.environ.get("FAULT_AT"):
    from pratique.runbook.journal import Journal

    _event, _, _step = os.environ["FAULT_AT"].partition(" ")
    _append = Journal.append

    def append(self, event, step="", data=None):
        """Write a line, unless it is the one."""
        if (event, step) == (_event, _step):
            if event == "begun":
                _append(self, event, step, data)
            os.kill(os.getpid(), signal.SIGKILL)
        return _append(self, event, step, data)

    Journal.append = append
