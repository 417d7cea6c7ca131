"""A thread beside the collector that looks at the jobs: who runs them by cron has no other process that notices a missed one."""

from __future__ import annotations

import sys
from functools import cached_property, partial
from typing import TYPE_CHECKING

from typing_extensions import override

from pratique.config import Config
from pratique.config.follower import SettingsFollower

if TYPE_CHECKING:
    from pratique.jobs.current_status import Watch


class JobWatch(SettingsFollower):
    """Looks at the jobs of the settings, and does nothing without jobs."""

    name = "jobs"
    every_s = 15.0

    @override
    def is_needed(self, config: Config) -> bool:
        return bool(config.jobs)

    @override
    def work(self, config: Config) -> None:
        from pratique.jobs.job import find_job  # noqa: PLC0415 - loads the runtime

        self._watch.look(config.jobs, partial(find_job, config))

    @cached_property
    def _watch(self) -> Watch:
        from pratique.jobs.current_status import Watch  # noqa: PLC0415 - loads the runtime

        return Watch(lambda line: sys.stderr.write(f"{line}\n"))
