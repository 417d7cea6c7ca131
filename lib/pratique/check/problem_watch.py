"""A thread beside the collector that looks for problems, and lets notifications that wait be sent."""

from __future__ import annotations

from typing_extensions import override

from pratique.check.problems import notify_problems
from pratique.config import Config
from pratique.config.follower import SettingsFollower
from pratique.notify import send_waiting

LOOK_EVERY = 12
"""Looks at what waits between two looks for problems: a minute."""


class ProblemWatch(SettingsFollower):
    """Looks by the settings, and does nothing without a route."""

    name = "problems"
    every_s = 5.0

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    @override
    def is_needed(self, config: Config) -> bool:
        return bool(config.notify)

    @override
    def work(self, config: Config) -> None:
        send_waiting(config.state_dir)
        if self._looks % LOOK_EVERY == 0:
            notify_problems(config)
        self._looks += 1
