"""The memory of a job between its runs: the due times that were looked at, and the run that was started last."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta

from pratique.clock import stamp, utc_now
from pratique.errors import DeniedError, StorageError
from pratique.files import PRIVATE, locked, replace_file
from pratique.jobs.job import Job
from pratique.jobs.schedule import dues_between, fields_of, last_due
from pratique.kept_json import read_kept

FILE = "memory.json"
CLOCK_STEP = timedelta(minutes=10)
"""A memory that is further ahead than this was written while the clock was wrong; hosts differ by less."""


@dataclass(frozen=True)
class Started:
    """A run that was begun from here. planned: its due time, "" for one that nobody planned. Times as text, UTC."""

    run: str
    planned: str
    at: str
    revision: str
    attempt: int = 1


@dataclass(frozen=True)
class Memory:
    """The memory of a job. Times are text as `clock.stamp` writes it, which sorts as time does.

    schedule: for which it holds; another schedule starts over. since: when the job was first seen with it. checked: up to
    which due times were looked at for missed ones. begun: due times that were begun, skipped or held back. started: the
    last run that was begun from here. recorded: the run whose end was recorded last.
    """

    schedule: str
    since: str
    checked: str
    begun: list[str] = field(default_factory=list)
    started: Started | None = None
    recorded: str = ""


def read_memory(job: Job, clock: datetime | None = None) -> Memory:
    """Return the memory of a job; a new one where there is none, or when its schedule has changed. clock: the present time."""
    clock = clock or utc_now()
    now = stamp(clock)
    # without the zone of the host: a process with another TZ must not make the others start over
    schedule = (
        f"{job.settings.every_s:g} s" if job.settings.every_s else f"{fields_of(job.settings)} {job.settings.timezone}"
    )
    try:
        found = read_kept(job.folder / FILE, Memory)
    except (FileNotFoundError, ValueError):
        # a damaged memory may cost a missed run that is not recorded; refusing to run would cost every run
        return Memory(schedule, now, now)
    except OSError as error:
        raise DeniedError(
            f"{str(job.folder / FILE)!r} cannot be read: {error.strerror}: check the state folder"
        ) from error
    if found.schedule != schedule:
        return replace(found, schedule=schedule, since=now, checked=now, begun=[])
    return _not_ahead(found, clock)


def _not_ahead(memory: Memory, clock: datetime) -> Memory:
    """Return the memory without what a clock that was ahead wrote: else no due time would count until that time comes."""
    now, latest = stamp(clock), stamp(clock + CLOCK_STEP)
    if max(memory.since, memory.checked, *memory.begun) <= latest:
        return memory
    begun = [due for due in memory.begun if due <= latest]
    return replace(memory, since=min(memory.since, now), checked=min(memory.checked, now), begun=begun)


def change_memory(job: Job, change: Callable[[Memory], Memory], clock: datetime | None = None) -> Memory:
    """Change the memory of a job while no other process does; return the new one. Raises: DeniedError, StorageError."""
    try:
        with locked(job.folder / FILE):
            after = change(read_memory(job, clock))
            text, file = json.dumps(asdict(after)), job.folder / FILE
            # by content: the memory may stand for a file that is missing, damaged or of another schedule
            if not file.exists() or file.read_bytes() != text.encode():
                replace_file(file, text, mode=PRIVATE)
    except PermissionError as error:
        raise DeniedError(f"{str(job.folder)!r} cannot be written: {error.strerror}: check the state folder") from error
    except OSError as error:
        raise StorageError(
            f"{str(job.folder)!r} cannot be written: {error.strerror}: check the state folder"
        ) from error
    return after


def with_begun(memory: Memory, planned: datetime | None) -> Memory:
    """Return the memory after a due time was begun, skipped or held back."""
    if planned is None:
        return memory
    begun = sorted({*memory.begun, stamp(planned)})
    return replace(memory, begun=begun)


def open_due(job: Job, memory: Memory, now: datetime) -> datetime | None:
    """Return the last due time, if it was not begun yet; None otherwise."""
    due = last_due(job.settings, now)
    return due if due is not None and stamp(due) > memory.since and stamp(due) not in memory.begun else None


def missed_dues(job: Job, memory: Memory, now: datetime) -> list[datetime]:
    """Return the due times whose grace is over, that were not begun, and that were not recorded as missed before."""
    until = now - timedelta(seconds=job.settings.grace_s)
    after = datetime.fromisoformat(max(memory.checked, memory.since))
    return [due for due in dues_between(job.settings, after, until) if stamp(due) not in memory.begun]


def checked_until(job: Job, memory: Memory, now: datetime) -> Memory:
    """Return the memory after the missed due times up to now were recorded. It never goes back, as the clock may."""
    checked = max(memory.checked, stamp(now - timedelta(seconds=job.settings.grace_s)))
    # the last one stays: a run by hand after it is none of its runs
    kept = [due for due in memory.begun if due > checked] or memory.begun[-1:]
    return replace(memory, checked=checked, begun=kept)
