"""Begin a run of a job, as a command, a scheduler or cron asks for it: one at a time, and at a due time only once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from pratique.clock import utc_now
from pratique.errors import BusyError, Interrupted, PratiqueError
from pratique.jobs.current_status import current_status
from pratique.jobs.job import Job
from pratique.jobs.memory import change_memory, open_due
from pratique.jobs.ping import Say
from pratique.jobs.run import JobRequest, leave_out, new_request, run_job, stop_own, stop_running
from pratique.outcomes import OutcomeRecord
from pratique.subject_lock import Lock

LOOK_S = 1.0
"""How long a lock that is held is asked for again: who only looks at it holds it for a moment."""


def trigger(
    job: Job,
    *,
    who: str,
    why: str = "",
    command: tuple[str, ...] = (),
    revision: str = "",
    wait: bool = True,
    if_due: bool = False,
    say: Say,
) -> OutcomeRecord | None:
    """Run the job now; return how it ended, None when it was only started, or was not due.

    if_due: only when a due time within its grace was not begun yet. wait: for the end.
    Raises: UnavailableError, MissingError, DataError when it cannot be started, after that was recorded.
    """
    # the first look begins the memory of the job, before its due time counts
    memory = change_memory(job, lambda known: known)
    if if_due and not _is_due(job):
        return None
    request = new_request(job, memory, command=command, revision=revision, wait=wait)
    try:
        with _locked(job, request, who, why, say) as busy:
            if busy:
                return leave_out(job, request, "skipped", busy) if request.planned or not if_due else None
            if if_due and not _is_due(job):
                return None
            return _run(job, request, say)
    finally:
        current_status(job)


def _is_due(job: Job) -> bool:
    now = utc_now()
    due = open_due(job, change_memory(job, lambda known: known), now)
    return due is not None and now - due <= timedelta(seconds=job.settings.grace_s)


def _run(job: Job, request: JobRequest, say: Say) -> OutcomeRecord | None:
    try:
        return run_job(job, request, say=say)
    except KeyboardInterrupt as interrupt:
        reason = "SIGTERM" if isinstance(interrupt, Interrupted) else "Ctrl-C"
        try:
            stop_own(job, request.run, f"stopped with the command that ran it ({reason})")
        except PratiqueError as error:
            say(f"{job.name}: the run could not be stopped: {error}")
        raise


@contextmanager
def _locked(job: Job, request: JobRequest, who: str, why: str, say: Say) -> Iterator[str]:
    """Hold the lock of the job; give "", or who holds it and so keeps this run from beginning."""
    lock = Lock(job.target.state_dir, job.subject)
    busy = _take(lock, request, who, why, LOOK_S)
    if busy and job.settings.overlap == "replace":
        say(f"{job.name}: stopping the run that is there: this one replaces it")
        stop_running(job, f"replaced by run {request.run}")
        busy = _take(lock, request, who, why, job.drain_s + 10.0)
    try:
        yield busy
    finally:
        lock.release()


def _take(lock: Lock, request: JobRequest, who: str, why: str, seconds: float) -> str:
    """Take a lock, asking for it for some seconds; return who holds it, "" when it was taken."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            lock.take(who=who, run=request.run, reason=why)
        except BusyError as error:
            if time.monotonic() > deadline:
                holder = lock.holder()
                return f"{holder} still works on it" if holder else str(error)
            time.sleep(0.1)
        else:
            return ""
