"""A thread beside another program that does something again and again, by the latest settings."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from pratique.config.model import Config


class SettingsFollower(ABC):
    """Works by the settings of `follow`; the thread starts with the first ones that need it.

    name: of the thread. every_s: time between two turns.
    """

    name: str
    every_s: float

    def __init__(self) -> None:
        self._config: Config | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def is_needed(self, config: Config) -> bool:
        """Return whether there is anything to do by these settings."""

    @abstractmethod
    def work(self, config: Config) -> None:
        """Do one turn by settings that need it."""

    def follow(self, config: Config) -> None:
        """Work by these settings from now on."""
        self._config = config
        if self._thread is None and self.is_needed(config):
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop; a turn that goes on does not hold up the end of the process."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.is_set():
            config = self._config
            if config is not None and self.is_needed(config):
                self.work(config)
            self._stop.wait(self.every_s)
