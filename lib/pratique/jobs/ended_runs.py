"""Record the ended runs of a job: each gets its outcome, whoever started it and whether or not anybody waited.

The container of a run stays after its end, so its end is known until it is recorded. One that is gone without a record was
removed by somebody, or its engine lost it: it is recorded as lost. The record is kept before anything is removed, and a
record of the same run is kept once: so any number of processes may do this at the same time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from pratique.clock import utc_now
from pratique.errors import DataError
from pratique.jobs.job import Job
from pratique.jobs.kept_logs import keep_log, last_lines
from pratique.jobs.memory import Memory, change_memory, read_memory, with_begun
from pratique.jobs.outcome import End, attempt_of, end_of, lost, record_of
from pratique.jobs.ping import Ping, Say, silent
from pratique.jobs.stop_request import stop_reason
from pratique.outcomes import OutcomeRecord, open_outcomes
from pratique.runtime.one_off import OneOffState
from pratique.subject_lock import Lock

STARTING_S = 60.0
"""How long a container may wait to be started by the process that created it."""
REMOTE_S = 10.0
"""How long the end of a run is left to its owner on another host."""
OVERDUE_S = 15.0
"""How long after its time a run is left to its owner, who stops it."""


def record_ended_runs(job: Job, *, mine: str = "") -> OneOffState | None:
    """Record a run that ended, stop one that is past its time and has no owner, and return the run on the engine.

    mine: the id of the caller's own run, whose lock it holds; "" for one that only looks.
    Raises: UnavailableError (the engine), DataError (a container of that name is not of this job).
    """
    state, memory = job.runner.find(job.container), read_memory(job)
    if state is None:
        started = memory.started
        if started is not None and memory.recorded != started.run and not _is_owned(job, started.run, mine):
            # once more: it may have been created between the two looks
            state = job.runner.find(job.container)
            if state is None:
                _record_lost(job, memory)
        return state
    require_own(job, state)
    _note_begun(job, state, memory)
    if state.run in {mine, memory.recorded}:
        return state
    if state.ended is None and not state.error:
        return _without_owner(job, state, mine)
    if not left_to_owner(job, state, mine):
        record_end(job, state)
    return state


def _note_begun(job: Job, state: OneOffState, memory: Memory) -> None:
    """Note the due time of a run that another host began."""
    planned = state.labels.get("planned", "")
    if planned and planned not in memory.begun and planned > max(memory.checked, memory.since):
        with suppress(ValueError):  # a label that somebody else wrote
            change_memory(job, lambda known: with_begun(known, datetime.fromisoformat(planned)))


def require_own(job: Job, state: OneOffState) -> None:
    """Raises: DataError when a container has the job's name and is not the job's."""
    if state.service != job.target.service or state.labels.get("job") != job.name:
        raise DataError(
            f"a container {job.container!r} is on the engine, and it is not one of job {job.name!r}: remove or rename it"
        )


def left_to_owner(job: Job, state: OneOffState, mine: str = "") -> bool:
    """Whether the end of a run is still for its owner to record, who may also try it again."""
    if state.labels.get("home") == job.home:
        return _is_owned(job, state.run, mine)
    ended = state.ended or state.created
    again = state.exit_code != 0 and state.labels.get("last") != "yes"
    wait_s = REMOTE_S + (job.settings.retry_delay_s if again else 0.0)
    return job.runner.now() - ended < timedelta(seconds=wait_s)


def record_end(job: Job, state: OneOffState, *, end: End | None = None, say: Say = silent) -> OutcomeRecord:
    """Record how a run ended, once, and keep its log when it failed; its secrets are removed, the container stays."""
    found = end or end_of(state, memory_limit(job), stopped=stop_reason(job, state.run))
    ended = state.ended or utc_now()
    text = job.runner.log(state) if found.word != "ok" else ""
    log = keep_log(job, text, ended=ended, exit_code=state.exit_code, attempt=attempt_of(state)).name if text else ""
    record = record_of(
        job, found, key=state.run, at=ended, planned=state.labels.get("planned", ""), state=state, log=log,
        lines=last_lines(text),
    )  # fmt: skip
    keep_end(job, record, say=say, begun_here=state.labels.get("home") == job.home)
    job.runner.release_secrets(state)
    return record


def keep_end(job: Job, record: OutcomeRecord, *, say: Say = silent, begun_here: bool = True) -> None:
    """Keep the record of a run, once, and tell its check, whoever waited for it. begun_here: by this process."""
    added = open_outcomes(job.target.state_dir).add(record)
    change_memory(job, _with_recorded(record.key))
    if added and begun_here:
        Ping(job, record.key, say).end(record)


def memory_limit(job: Job) -> str:
    """Return the memory that a run may use, as the service file has it."""
    runtime = job.target.settings.runtime
    return runtime.docker.memory if runtime.kind != "process" else "the machine has"


def _record_lost(job: Job, memory: Memory) -> None:
    started = memory.started
    if started is None:
        return
    end = lost("its container is gone, and nobody saw it end: it was removed, or its engine lost it")
    record = record_of(
        job, end, key=started.run, at=utc_now(), planned=started.planned, revision=started.revision, started=started.at
    )
    keep_end(job, record)


def _with_recorded(run: str) -> Callable[[Memory], Memory]:
    return lambda memory: replace(memory, recorded=run)


def _without_owner(job: Job, state: OneOffState, mine: str) -> OneOffState | None:
    """Stop a run that is past its time, and remove one that its owner never started; return what is then there."""
    begun_here = state.labels.get("home") == job.home
    if begun_here and _is_owned(job, state.run, mine):
        return state
    now = job.runner.now()
    if state.running and state.started is not None:
        if (now - state.started).total_seconds() < state.timeout_s + (0.0 if begun_here else OVERDUE_S):
            return state
        job.runner.stop(state, drain_s=job.drain_s)
    elif (now - state.created).total_seconds() < (1.0 if begun_here else STARTING_S):
        return state
    else:
        record_end(job, state, end=End("failed", "never started: whoever created it died before it was started"))
        job.runner.remove(state)
        return None
    stopped = job.runner.find(job.container)
    if stopped is not None and stopped.run == state.run and stopped.ended is not None:
        record_end(job, stopped)
    return stopped


def _is_owned(job: Job, run: str, mine: str) -> bool:
    """Whether a process of this host works on a run: it holds the lock of the job."""
    if mine:
        return run == mine
    holder = Lock(job.target.state_dir, job.subject).holder()
    return holder is not None and holder.run == run
