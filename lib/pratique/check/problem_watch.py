"""A thread beside the collector that looks for problems, and lets notifications that wait be sent."""

from __future__ import annotations

import threading

from pratique.check.problems import notify_problems
from pratique.config import Config
from pratique.notify import send_waiting

SEND_S = 5.0
"""Time between two looks at what waits."""
LOOK_EVERY = 12
"""Looks at what waits between two looks for problems: a minute."""


class ProblemWatch:
    """Looks by the settings of `follow`, and does nothing without a route."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, config: Config) -> None:
        """Look by these settings from now on."""
        self._config = config
        if config.notify and self._thread is None:
            self._thread = threading.Thread(target=self._look, name="problems", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop looking; a look that goes on does not hold up the end of the process."""
        self._stop.set()

    def _look(self) -> None:
        looks = 0
        while not self._stop.is_set():
            config = self._config
            if config is not None and config.notify:
                send_waiting(config.state_dir)
                if looks % LOOK_EVERY == 0:
                    notify_problems(config)
            looks += 1
            self._stop.wait(SEND_S)
