"""Run jobs at their times, for hosts without cron: one process that starts `pratique job NAME --if-due` for each due time.

Two schedulers are harmless, on one host or on two: whoever comes second at a due time finds it begun.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from pratique.clock import utc_now
from pratique.errors import PratiqueError
from pratique.isolated import isolated_command
from pratique.jobs.current_status import Watch
from pratique.jobs.job import Job
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
        self._said: dict[str, str] = {}
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
                try:
                    self._start_if_due(job, now)
                except (PratiqueError, OSError) as error:
                    # a full disk, or no process left: its due time is looked at again until its grace is over
                    self._say_once(job.name, f"{job.name}: cannot be started: {error}")
            self._children = [child for child in self._children if child.poll() is None]
            stopping.wait(self._until_next())

    def _start_if_due(self, job: Job, now: datetime) -> None:
        due = open_due(job, read_memory(job), now)
        if due is None or now - due > timedelta(seconds=job.settings.grace_s) or self._started.get(job.name) == due:
            return
        command = isolated_command(PROGRAM, "job", job.name, "--if-due", *self._options)
        # its own session: stopping the scheduler stops no job
        self._children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True))
        self._started[job.name] = due
        self._say(f"{job.name}: due at {due:%Y-%m-%d %H:%M:%S}Z, started")

    def _say_once(self, name: str, line: str) -> None:
        if self._said.get(name) != line:
            self._say(line)
        self._said[name] = line

    def _look(self, stopping: threading.Event) -> None:
        watch, jobs = Watch(self._say), {job.name: job for job in self._jobs}
        while not stopping.wait(LOOK_EVERY_S):
            watch.look(jobs, jobs.__getitem__)
            for state_dir in {job.target.state_dir for job in self._jobs}:
                try:
                    send_waiting(state_dir)
                except (PratiqueError, OSError) as error:
                    self._say_once("notify", f"notifications cannot be sent: {error}")

    def _until_next(self) -> float:
        dues = [due for job in self._jobs if (due := next_due(job.settings, utc_now())) is not None]
        left = min(((due - utc_now()).total_seconds() for due in dues), default=LONGEST_SLEEP_S)
        return min(LONGEST_SLEEP_S, max(0.01, left))
