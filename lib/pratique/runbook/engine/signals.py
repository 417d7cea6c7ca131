"""SIGTERM and SIGINT: what a step does when somebody wants it to stop, and when it must not stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """SIGTERM in the middle of a step. Like Ctrl-C it is no Exception, so that no handler swallows it."""


class Interrupts:
    """The signal handlers of a run: SIGTERM in a step raises Interrupted there; between steps it ends the run.

    Python gives signals to the main thread only; in any other thread this does nothing, and the
    guardian does what is left to do after the process is gone.
    """

    def __init__(self, abort: Callable[[str], None]) -> None:
        """abort: ends the run when a signal comes while no step is at work."""
        self._abort = abort
        self._before: Any = None
        self._installed = False
        self._working = False

    def install(self) -> None:
        """Take SIGTERM over."""
        if threading.current_thread() is threading.main_thread() and not self._installed:
            self._before = signal.signal(signal.SIGTERM, self._terminated)
            self._installed = True

    def remove(self) -> None:
        """Give SIGTERM back."""
        if threading.current_thread() is threading.main_thread() and self._installed:
            signal.signal(signal.SIGTERM, self._before)
            self._installed = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """While a step is at work."""
        self._working = True
        try:
            yield
        finally:
            self._working = False

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """While something is undone: nothing may stop that; a signal that comes now is dropped."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _terminated(self, number: int, _frame: FrameType | None) -> None:
        if self._working:
            raise Interrupted("SIGTERM")
        self._abort("the process was told to end (SIGTERM)")
        self.remove()
        os.kill(os.getpid(), number)
