"""The state of a job now. Reading it records ended runs and missed due times, and sends the events of the job."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial

from pratique.clock import iso, stamp, utc_now
from pratique.errors import PratiqueError
from pratique.files import locked
from pratique.jobs.alerts import events_of
from pratique.jobs.backoff import read_backoff
from pratique.jobs.ended_runs import record_ended_runs
from pratique.jobs.job import Job
from pratique.jobs.memory import CLOCK_STEP, Memory, change_memory, checked_until, missed_dues, open_due, read_memory
from pratique.jobs.outcome import BAD, KIND, RAN, End, record_of
from pratique.jobs.schedule import next_due
from pratique.jobs.status import JobStatus, bad_in_a_row, count_of, missed_of, p95_of, state_of
from pratique.notify import notify
from pratique.outcomes import OutcomeRecord, open_outcomes
from pratique.printable_text import printable
from pratique.runtime.one_off import OneOffState

LONGEST_REASON = 300
LOOKED_AT = 500
"""How many of the last runs and missed due times of a job count for its state."""


def current_status(job: Job, now: datetime | None = None, *, mine: str = "", send_events: bool = True) -> JobStatus:
    """Record ended runs and missed due times, send events, and return the state of the job.

    mine: the id of the caller's own run. send_events: False sends nothing. An engine that does not answer is in the answer.
    Raises: DeniedError, StorageError, DataError (the state folder).
    """
    now = now or utc_now()
    running, unknown = _running(job, mine)
    memory = _note_missed(job, now)
    records = _ends(job, now)
    due, flag = open_due(job, memory, now), read_backoff(job)
    if send_events:
        for event in events_of(job, records, now, None if flag or running else due):
            notify(job.config, job.target.state_dir, event)
    ended = [record for record in records if record.outcome != "missed"]
    return JobStatus(
        name=job.name,
        service=job.target.service,
        schedule=schedule_text(job),
        state=state_of(job.settings, records, now, due=due, running=running, backoff=flag),
        next=next_due(job.settings, now),
        due=due,
        last=ended[-1] if ended else None,
        missed=missed_of(records),
        in_a_row=sum(map(count_of, bad_in_a_row(records))),
        running=running,
        running_s=(now - running.started).total_seconds() if running and running.started else None,
        p95_ms=p95_of(records),
        backoff=flag,
        unknown=unknown,
        records=records,
    )


def _ends(job: Job, now: datetime) -> list[OutcomeRecord]:
    """Return how the last runs ended and what was missed, oldest first; of a long row of bad ends also its beginning.

    Events are sent once because their keys are those of the beginning of a row, however long it is. Skipped runs and those
    held back are left out: they could be more than all the rest. So are records of a clock that was ahead.
    """
    outcomes = open_outcomes(job.target.state_dir)
    read = partial(outcomes.read, kind=KIND, subject=job.subject, until=now + CLOCK_STEP)
    found = read(last=LOOKED_AT, outcomes=(*RAN, "missed"))
    if len(found) < LOOKED_AT or any(record.outcome == "ok" for record in found):
        return found
    good = read(last=1, outcomes=("ok",))
    first = read(since=good[0].at if good else None, first=job.settings.alert_after, outcomes=BAD)
    return [*(record for record in first if record.at < found[0].at), *found]


def schedule_text(job: Job) -> str:
    """Return when the job is due, for people."""
    return f"every {job.settings.every_s:g} s" if job.settings.every_s else job.settings.schedule


def _running(job: Job, mine: str) -> tuple[OneOffState | None, str]:
    try:
        state = record_ended_runs(job, mine=mine)
    except PratiqueError as error:
        return None, str(error)
    return (state if state is not None and state.ended is None and not state.error else None), ""


def _note_missed(job: Job, now: datetime) -> Memory:
    """Record the due times whose grace is over and that nobody began: one record for all that one look finds."""
    with locked(job.folder / "look"):
        memory = read_memory(job, now)
        flag = read_backoff(job)
        missed = [due for due in missed_dues(job, memory, now) if flag is None or stamp(due) < flag.since]
        if missed:
            open_outcomes(job.target.state_dir).add(_missed_record(job, missed))
        return change_memory(job, lambda known: checked_until(job, known, now), now)


def _missed_record(job: Job, missed: list[datetime]) -> OutcomeRecord:
    until = f" and {len(missed) - 1} more until {iso(missed[-1])}" if len(missed) > 1 else ""
    return record_of(
        job,
        End("missed", f"nothing began it at {iso(missed[0])}{until}"),
        key=f"due {stamp(missed[0])}",
        at=missed[-1] + timedelta(seconds=job.settings.grace_s),
        planned=stamp(missed[0]),
        count=len(missed),
        last=stamp(missed[-1]),
    )


class Watch:
    """Looks at jobs again and again, for a process that watches: one that cannot be looked at does not stop the others."""

    def __init__(self, say: Callable[[str], object]) -> None:
        """say: called with what keeps it from looking at a job, once for each reason."""
        self._say = say
        self._reasons: dict[str, str] = {}

    def look(self, names: Iterable[str], find: Callable[[str], Job]) -> None:
        """Look at each job of these names once. find: gives a job."""
        for name in names:
            try:
                reason = current_status(find(name)).unknown
            except Exception as error:  # noqa: BLE001 - whatever it is, the watch goes on, and says it
                reason = str(error) if isinstance(error, PratiqueError) else f"{type(error).__name__}: {error}"
            if reason and reason != self._reasons.get(name):
                self._say(f"job {name} cannot be looked at: {printable(reason, LONGEST_REASON)}")
            self._reasons[name] = reason
