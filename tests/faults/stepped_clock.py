"""A wall clock that a test sets for its processes. The monotonic clock and the times of files stay the true ones.

libfaketime cannot be used: below it, time.sleep() of Python fails with EINVAL.
"""

import contextlib
import mmap
import os
import struct
import subprocess
from pathlib import Path
from unittest import mock

SOURCE = Path(__file__).with_suffix(".c")


class SteppedClock:
    """The clock of all processes that are started with `env`, and of their children."""

    def __init__(self, folder):
        library, file = folder / "stepped-clock.so", folder / "clock-offset"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._offset = mmap.mmap(opened.fileno(), 8)
        self.env = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(file)}

    def set(self, offset_s):
        """Set the clock to so many seconds after the true time, at once for all."""
        self._offset[:] = struct.pack("@q", offset_s)


@contextlib.contextmanager
def stepped_clock(folder):
    """A clock for each process that is started meanwhile."""
    clock = SteppedClock(folder)
    with mock.patch.dict(os.environ, clock.env):
        yield clock
