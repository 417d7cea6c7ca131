"""Run jobs at their times, for hosts without cron: one process that starts `pratique job NAME --if-due` for each due time.

Two schedulers are harmless, on one host or on two: whoever comes second at a due time finds it begun.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pratique.clock import utc_now
from pratique.isolated import isolated_command
from pratique.jobs.job import Job
from pratique.jobs.look import look_at_all
from pratique.jobs.memory import change_memory, open_due, read_memory
from pratique.jobs.schedule import next_due
from pratique.notify import send_waiting

PROGRAM = "pratique.cli"
LONGEST_SLEEP_S = 1.0
"""Not longer: the clock may be set, and a child may end."""
LOOK_EVERY_S = 10.0


class Scheduler:
    """Starts jobs when they are due, and looks at all of them every ten seconds."""

    def __init__(self, jobs: Sequence[Job], options: Sequence[str], say: Callable[[str], object]) -> None:
        """options: of the command, such as --config FILE, which each run gets. say: called with each line of progress."""
        self._jobs = list(jobs)
        self._options = list(options)
        self._say = say
        self._started: dict[str, datetime] = {}
        self._children: list[subprocess.Popen[bytes]] = []

    def run(self, stopping: threading.Event) -> None:
        """Run until `stopping` is set. Runs that were started go on: a later look records their ends."""
        for job in self._jobs:
            change_memory(job, lambda known: known)  # due times count from now on
        looking = threading.Thread(target=self._look, args=(stopping,), name="look", daemon=True)
        looking.start()
        while not stopping.is_set():
            now = utc_now()
            for job in self._jobs:
                self._start_if_due(job, now)
            self._children = [child for child in self._children if child.poll() is None]
            stopping.wait(self._until_next())

    def _start_if_due(self, job: Job, now: datetime) -> None:
        due = open_due(job, read_memory(job), now)
        if due is None or now - due > timedelta(seconds=job.settings.grace_s) or self._started.get(job.name) == due:
            return
        self._started[job.name] = due
        command = isolated_command(PROGRAM, "job", job.name, "--if-due", *self._options)
        # its own session: stopping the scheduler stops no job
        self._children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        self._say(f"{job.name}: due at {due:%Y-%m-%d %H:%M:%S}Z, started")

    def _look(self, stopping: threading.Event) -> None:
        while not stopping.wait(LOOK_EVERY_S):
            look_at_all(self._jobs)
            for state_dir in {job.target.state_dir for job in self._jobs}:
                send_waiting(state_dir)

    def _until_next(self) -> float:
        dues = [due for job in self._jobs if (due := next_due(job.settings, utc_now())) is not None]
        left = min(((due - utc_now()).total_seconds() for due in dues), default=LONGEST_SLEEP_S)
        return min(LONGEST_SLEEP_S, max(0.01, left))
