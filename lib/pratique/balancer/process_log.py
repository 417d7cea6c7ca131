"""The log of the balancer's process: one line for each message, and a bound on the lines, because clients cause them."""

from __future__ import annotations

import logging
import sys
import time

from typing_extensions import override

MOST_LINES = 20
"""Lines within INTERVAL_S; further ones are counted."""
INTERVAL_S = 10.0
LONGEST = 300
"""Characters of a line."""


class BoundedHandler(logging.Handler):
    """Write records to standard error: no traceback, at most MOST_LINES in INTERVAL_S."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._began = -INTERVAL_S
        self._lines = 0

    @override
    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now - self._began >= INTERVAL_S:
            if self._lines > MOST_LINES:
                _write(f"{self._lines - MOST_LINES:,} more messages of this kind were not written")
            self._began, self._lines = now, 0
        self._lines += 1
        if self._lines <= MOST_LINES:
            _write(_text(record))


def _text(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    cause = f": {type(error).__name__}: {error}" if error is not None else ""
    return f"{record.getMessage()}{cause}"


def _write(text: str) -> None:
    print(" ".join(text.split())[:LONGEST], file=sys.stderr, flush=True)  # noqa: T201 - the process's own log


def bound_the_log() -> None:
    """Send everything that libraries log through one BoundedHandler."""
    logging.basicConfig(handlers=[BoundedHandler()], level=logging.WARNING, force=True)
