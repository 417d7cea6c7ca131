"""Run a job once, as cron, a scheduler or a notebook asks for it.

An earlier run is recorded first: the container of the last run is its memory, so the outcome of a run whose waiter died is
not lost. Its name is the lock: of any number of hosts that ask for the same due time, one runs it.
"""

from __future__ import annotations

import secrets
import socket
import time
from dataclasses import dataclass, replace
from datetime import datetime

from pratique.clock import stamp, utc_now
from pratique.errors import PratiqueError, UnavailableError
from pratique.jobs.backoff import read_backoff
from pratique.jobs.ended_runs import keep_end, left_to_owner, record_end, record_ended_runs
from pratique.jobs.job import Job
from pratique.jobs.kept_logs import keep_log
from pratique.jobs.memory import Memory, Started, change_memory, open_due, read_memory, with_begun
from pratique.jobs.outcome import End, lost, record_of
from pratique.jobs.ping import Ping, Say
from pratique.jobs.serving import serving_release
from pratique.jobs.stop_request import request_stop, stop_reason
from pratique.outcomes import OutcomeRecord, open_outcomes
from pratique.release import Release
from pratique.runtime.one_off import NameTakenError, OneOff, OneOffState, wait_for_end
from pratique.subject_lock import Lock

TRIES = 20
"""How often a name that was just taken and is free again is tried."""
BETWEEN_TRIES_S = 0.5
STOP_TRIES, ABSENT_TRIES = 10, 4
"""How often a run that is to be stopped is looked for, and how often when it is not there: its engine may just create it."""
TAKEN = "another host began it at the same moment"
STARTING_S = 60.0
"""How long a run that is about to begin is waited for, to stop it."""


@dataclass(frozen=True)
class JobRequest:
    """The request for one run. command: in place of the job's. revision: in place of the one that serves. wait: for its end.

    planned: the due time that it is for; None when nobody planned it. attempts: how often it is tried.
    """

    run: str
    planned: datetime | None
    command: tuple[str, ...] = ()
    revision: str = ""
    wait: bool = True
    attempts: int = 1

    @property
    def planned_text(self) -> str:
        """The due time as text."""
        return stamp(self.planned) if self.planned else ""


def new_request(job: Job, memory: Memory, **given: object) -> JobRequest:
    """Return the request for a run that begins now: of the due time that nobody has begun yet, if there is one."""
    now = utc_now()
    run = f"{job.name[:60]}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    request = JobRequest(run, open_due(job, memory, now), attempts=job.settings.retries + 1)
    return replace(request, **given)  # type: ignore[arg-type] # names of its fields


def run_job(job: Job, request: JobRequest, *, say: Say) -> OutcomeRecord | None:
    """Run it, and return how it ended; None when it was started and nobody waits. The caller holds the lock of the job.

    say: called with each line of progress.
    Raises: UnavailableError, MissingError, DataError when it cannot be started; that is recorded as a failure too.
    """
    flag = read_backoff(job)
    if flag is not None:
        return leave_out(job, request, "backed off", str(flag))
    try:
        busy = _make_way(job, request, say)
        if busy:
            return leave_out(job, request, "skipped", busy)
        release = serving_release(job.target, request.revision)
        return _attempts(job, request, release, say)
    except PratiqueError as error:
        _record_failure(job, request, error, say)
        raise


def leave_out(job: Job, request: JobRequest, word: str, reason: str) -> OutcomeRecord:
    """Record that a due time was left out: skipped or held back."""
    end = End("backed off" if word == "backed off" else "skipped", reason)
    record = record_of(job, end, key=request.run, at=utc_now(), planned=request.planned_text)
    # first the record: whoever dies between the two leaves a due time that comes again, and none without an outcome
    open_outcomes(job.target.state_dir).add(record)
    change_memory(job, lambda memory: with_begun(memory, request.planned))
    return record


def stop_running(job: Job, reason: str, *, mine: str = "") -> bool:
    """Stop the run that is there, if any, and record why; return whether there was one. Raises: UnavailableError."""
    state = record_ended_runs(job, mine=mine)
    deadline = time.monotonic() + STARTING_S
    while not mine and _is_about_to_begin(job, state) and time.monotonic() < deadline:
        time.sleep(BETWEEN_TRIES_S / 5)
        state = record_ended_runs(job)
    if state is None:
        return False
    if not state.running:
        return not mine and _end_wait(job, state, reason)
    request_stop(job, state.run, reason)
    job.runner.stop(state, drain_s=job.drain_s)
    record_ended_runs(job, mine=mine)
    return True


def _is_about_to_begin(job: Job, state: OneOffState | None) -> bool:
    """Whether a process of this host holds the lock for a run that is not there yet."""
    holder = Lock(job.target.state_dir, job.subject).holder()
    return holder is not None and (state is None or state.starting or state.run != holder.run)


def _end_wait(job: Job, state: OneOffState, reason: str) -> bool:
    """Ask a run that failed, and whose process waits before the next attempt, to end; return whether there was one."""
    holder = Lock(job.target.state_dir, job.subject).holder()
    if holder is None or state.run != holder.run:
        return False
    request_stop(job, state.run, reason)
    return True


def stop_own(job: Job, run: str, reason: str) -> None:
    """Stop a run and record that, at whatever moment it was interrupted: its engine may be about to start it.

    Raises: UnavailableError.
    """
    for tries in range(STOP_TRIES):
        state = job.runner.find(job.container)
        if state is None or state.run != run:
            if not _is_unrecorded(job, run) or tries >= ABSENT_TRIES:
                break
            time.sleep(BETWEEN_TRIES_S)
            continue
        if state.ended is not None:
            record_end(job, state)
            return
        request_stop(job, run, reason)
        if state.running:
            job.runner.stop(state, drain_s=job.drain_s)
            continue
        record_end(job, state, end=End("stopped", reason))
        job.runner.remove(state)
        time.sleep(BETWEEN_TRIES_S)
    if _is_unrecorded(job, run):
        started = read_memory(job).started
        planned, revision = (started.planned, started.revision) if started else ("", "")
        end = End("stopped", f"{reason}, before it was started")
        keep_end(job, record_of(job, end, key=run, at=utc_now(), planned=planned, revision=revision))


def _is_unrecorded(job: Job, run: str) -> bool:
    """Whether a run was begun from here and has no outcome yet."""
    memory = read_memory(job)
    return memory.started is not None and memory.started.run == run and memory.recorded != run


def _make_way(job: Job, request: JobRequest, say: Say) -> str:
    """Record and remove what ended; return why the job cannot run now, "" when it can."""
    left = ""
    for tries in range(TRIES):
        state = record_ended_runs(job, mine=request.run)
        if state is None:
            return ""
        left = state.run
        if state.ended is None and not state.error:
            if job.settings.overlap != "replace" or not state.running:
                return f"run {state.run} still runs, since {stamp(state.started or state.created)[:19]}Z"
            say(f"stopping run {state.run}, which still runs: this one replaces it")
            stop_running(job, f"replaced by run {request.run}", mine=request.run)
        elif request.planned and state.labels.get("planned") == request.planned_text:
            return f"run {state.run} of {state.labels.get('host', 'another host')} was for the same due time"
        elif left_to_owner(job, state, request.run):
            time.sleep(BETWEEN_TRIES_S)
        else:
            job.runner.remove(state)
            time.sleep(min(BETWEEN_TRIES_S, 0.05 * tries))
    return f"run {left} is not over: another host is about to run it again, or a process that it left behind still runs"


def _attempts(job: Job, request: JobRequest, release: Release, say: Say) -> OutcomeRecord | None:
    ping, ended = Ping(job, request.run, say), None
    for attempt in range(1, request.attempts + 1):
        flag = read_backoff(job)
        if flag is not None and ended is None:
            # it was set since the first look, as while the image was fetched
            return leave_out(job, request, "backed off", str(flag))
        try:
            state = _start(job, request, release, attempt)
        except NameTakenError:
            # a run by hand, or on another host, came between two attempts
            return record_end(job, ended, say=say) if ended else leave_out(job, request, "skipped", TAKEN)
        ping.start()
        say(f"{job.name}: run {request.run} of {release.service} {release.revision} started")
        if not request.wait:
            return None
        ended = wait_for_end(job.runner, state, drain_s=job.drain_s)
        if ended is None:
            return _record_gone(job, request, release, say)
        well = ended.exit_code == 0 and not ended.timed_out
        if well or attempt == request.attempts or not _may_try_again(job, ended, attempt, say):
            break
        job.runner.remove(ended)
    return record_end(job, ended, say=say) if ended else None


def _may_try_again(job: Job, ended: OneOffState, attempt: int, say: Say) -> bool:
    """Keep the log of a failed attempt, and wait before the next one; return whether there is one."""
    if stop_reason(job, ended.run):
        return False
    text = job.runner.log(ended)
    keep_log(job, text, ended=ended.ended or utc_now(), exit_code=ended.exit_code, attempt=attempt)
    say(f"{job.name}: attempt {attempt} failed with exit status {ended.exit_code}: trying again")
    return _waited(job, ended.run)


def _waited(job: Job, run: str) -> bool:
    """Wait before the next attempt; return False as soon as somebody stops the run or holds the job back."""
    end = time.monotonic() + job.settings.retry_delay_s
    while not stop_reason(job, run) and read_backoff(job) is None:
        left_s = end - time.monotonic()
        if left_s <= 0:
            return True
        time.sleep(min(left_s, BETWEEN_TRIES_S))
    return False


def _start(job: Job, request: JobRequest, release: Release, attempt: int) -> OneOffState:
    begun = Started(request.run, request.planned_text, stamp(utc_now()), release.revision, attempt)
    change_memory(job, lambda memory: with_begun(replace(memory, started=begun), request.planned))
    wanted = OneOff(
        name=job.container,
        release=release,
        command=request.command or job.settings.command,
        run=request.run,
        timeout_s=job.settings.timeout_s,
        drain_s=job.drain_s,
        labels={
            "job": job.name,
            "planned": request.planned_text,
            "home": job.home,
            "host": socket.gethostname(),
            "attempt": str(attempt),
            "last": "yes" if attempt == request.attempts else "no",
        },
    )
    return job.runner.start(wanted)


def _record_gone(job: Job, request: JobRequest, release: Release, say: Say) -> OutcomeRecord:
    end = lost("its container was removed while it ran: another host may have replaced it")
    record = record_of(job, end, key=request.run, at=utc_now(), planned=request.planned_text, revision=release.revision)
    keep_end(job, record, say=say)
    return record


def _record_failure(job: Job, request: JobRequest, error: PratiqueError, say: Say) -> None:
    """Record a run that could not be started.

    One whose engine fell silent may have been started: it is recorded when the engine answers again.
    """
    started = read_memory(job).started
    if isinstance(error, UnavailableError) and started is not None and started.run == request.run:
        return
    end = End("failed", f"never started: {error}")
    record = record_of(job, end, key=request.run, at=utc_now(), planned=request.planned_text)
    keep_end(job, record, say=say)
    change_memory(job, lambda memory: with_begun(memory, request.planned))
