"""A thread that passes things on, again and again, and waits longer after each failure."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

from pratique.errors import PratiqueError

PAUSE_S = 1.0
RETRY_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses after the first and each further failure; the last one repeats."""
STOP_S = 5.0
"""How long the end of the work in progress is waited for."""


class Forwarding:
    """Repeats one piece of work. error: why the last try failed; None when it succeeded."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        """work: raises PratiqueError or OSError when it fails."""
        self.name = name
        self.error: str | None = None
        self._work, self._stop = work, threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin, after one pause."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the work that is left, or without it when it takes long."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        failures = 0
        while not self._stop.wait(RETRY_S[min(failures, len(RETRY_S)) - 1] if failures else PAUSE_S):
            failures = 0 if self._succeeds() else failures + 1
        # once more, for everything since the last time
        self._succeeds()

    def _succeeds(self) -> bool:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 - the thread lives as long as the collector
            self.error = str(error) or type(error).__name__
            if not isinstance(error, PratiqueError | OSError):
                print(f"pratique collect: {self.name}: unexpected {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
            return False
        self.error = None
        return True
