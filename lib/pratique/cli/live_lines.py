"""Lines of a run on a terminal: each look at a stage replaces the one before; elsewhere every line stays."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable

LOOK = re.compile(r" {4}\d\d:\d\d:\d\d  [\d.]+ %  window (?P<window>\d+) ")
ERASE = "\r\x1b[2K"


class LiveLines:
    """Prints lines. On a terminal a look is one line that is redrawn, cut to the width of the terminal."""

    def __init__(self, paint: Callable[[str], str], *, terminal: bool) -> None:
        """paint: colours a line. terminal: whether lines can be redrawn."""
        self._paint = paint
        self._terminal = terminal
        self._is_open = False

    def __call__(self, line: str) -> None:
        """Print one line."""
        if self._terminal and LOOK.match(line):
            width = shutil.get_terminal_size().columns - 1
            cut = line if len(line) <= width else line[: width - 1] + "…"
            sys.stdout.write((ERASE if self._is_open else "") + self._paint(cut))
            self._is_open = True
        else:
            self.close()
            sys.stdout.write(self._paint(line) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """End a line that was still being redrawn."""
        if self._is_open:
            sys.stdout.write("\n")
            self._is_open = False
