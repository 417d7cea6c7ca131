"""SIGTERM and SIGINT: how a signal ends a step, and where signals are ignored."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from pratique.errors import Interrupted


class Interrupts:
    """A run's signal handlers: SIGTERM during a step raises Interrupted there; between steps it ends the run.

    Python delivers signals to the main thread only. In any other thread this does nothing, and the watchdog
    cleans up after the process has ended.
    """

    def __init__(self, terminate: Callable[[], None], reason: Callable[[], str]) -> None:
        """terminate: ends the run when a signal arrives between steps. reason: why a signal came, asked when it comes."""
        self._terminate = terminate
        self._reason = reason
        self._previous: Any = None
        self._installed = False
        self._working = False

    def install(self) -> None:
        """Install the handler of SIGTERM."""
        if threading.current_thread() is threading.main_thread() and not self._installed:
            self._previous = signal.signal(signal.SIGTERM, self._terminated)
            self._installed = True

    def remove(self) -> None:
        """Restore the previous handler of SIGTERM."""
        if threading.current_thread() is threading.main_thread() and self._installed:
            signal.signal(signal.SIGTERM, self._previous)
            self._installed = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """Mark the time in which a step runs."""
        self._working = True
        try:
            yield
        finally:
            self._working = False

    def _terminated(self, number: int, _frame: FrameType | None) -> None:
        if self._working:
            raise Interrupted(self._reason())
        self._terminate()
        if not self._installed:
            # left behind by another run's handler: without this it would call itself for ever
            signal.signal(number, signal.SIG_DFL)
        self.remove()
        os.kill(os.getpid(), number)


@contextmanager
def signals_ignored() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM while something is undone: undoing must not stop halfway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
