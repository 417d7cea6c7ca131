"""A thread beside the collector that looks at the jobs: who runs them by cron has no other process that notices a missed one."""

from __future__ import annotations

import sys
import threading
from functools import partial

from pratique.config import Config

LOOK_EVERY_S = 15.0


class JobWatch:
    """Looks at the jobs of the settings of `follow`, and does nothing without jobs."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, config: Config) -> None:
        """Look at the jobs of these settings from now on."""
        self._config = config
        if config.jobs and self._thread is None:
            self._thread = threading.Thread(target=self._look, name="jobs", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop looking; a look that goes on does not hold up the end of the process."""
        self._stop.set()

    def _look(self) -> None:
        # the runtime is loaded only where there are jobs
        from pratique.jobs.job import find_job  # noqa: PLC0415
        from pratique.jobs.look import Watch  # noqa: PLC0415

        watch = Watch(lambda line: sys.stderr.write(f"{line}\n"))
        while not self._stop.is_set():
            if (config := self._config) is not None:
                watch.look(config.jobs, partial(find_job, config))
            self._stop.wait(LOOK_EVERY_S)
