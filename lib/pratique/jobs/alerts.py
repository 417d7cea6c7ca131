"""Which events the outcomes of a job are: after several bad ends in a row, repeated while they last, and the all-clear.

Every event follows from the records alone and has a key that they fix. So it may be found any number of times, by any
process, also after one died between a record and its event: it is sent once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from pratique.clock import iso, stamp
from pratique.jobs.job import Job
from pratique.jobs.outcome import RAN
from pratique.jobs.status import bad_in_a_row, count_of
from pratique.notify import Event
from pratique.outcomes import OutcomeRecord

LATE_AFTER = 0.5
"""The part of the grace after which a job that was not begun counts as late."""


def events_of(job: Job, records: Sequence[OutcomeRecord], now: datetime, due: datetime | None) -> list[Event]:
    """Return the events that hold now. records: of the job, oldest first. due: a due time that was not begun yet."""
    return [*_bad(job, records, now), *_recovered(job, records), *_late(job, due, now)]


def _bad(job: Job, records: Sequence[OutcomeRecord], now: datetime) -> Iterator[Event]:
    streak = bad_in_a_row(records)
    first = _told_first(job, streak)
    if first is None:
        return
    last = streak[-1]
    yield _bad_event(job, streak, first, first.key)
    if job.settings.alert_each and last.key != first.key:
        yield _bad_event(job, streak, last, last.key)
    repeat = timedelta(hours=job.settings.alert_repeat_h)
    times = int((now - first.at) / repeat) if repeat else 0
    if times > 0:
        yield _bad_event(job, streak, last, f"{first.key}/{times}")


def _recovered(job: Job, records: Sequence[OutcomeRecord]) -> Iterator[Event]:
    ends = [record for record in records if record.outcome in (*RAN, "missed")]
    if not ends or ends[-1].outcome != "ok":
        return
    good = ends[-1]
    streak = bad_in_a_row(ends[:-1])
    if _told_first(job, streak) is None:
        return
    missed = sum(count_of(record) for record in streak if record.outcome == "missed")
    failed = sum(record.outcome != "missed" for record in streak)
    yield Event(
        kind="job.recovered",
        subject=job.subject,
        key=good.key,
        risk="low",
        what=f"Job {job.name} is well again after {failed} failed and {missed} missed runs.",
        where=good.host,
        since=good.at,
        command=f"pratique jobs {job.name}",
    )


def _late(job: Job, due: datetime | None, now: datetime) -> Iterator[Event]:
    grace = timedelta(seconds=job.settings.grace_s)
    if due is not None and LATE_AFTER * grace <= now - due <= grace:
        yield Event(
            kind="job.late",
            subject=job.subject,
            key=stamp(due),
            risk="low",
            what=f"Job {job.name} was due at {iso(due)} and has not begun.",
            since=due,
            command=f"pratique job {job.name}",
        )


def _told_first(job: Job, streak: Sequence[OutcomeRecord]) -> OutcomeRecord | None:
    """Return the record with which a row of bad ends is long enough for an event."""
    count = 0
    for record in streak:
        count += count_of(record)
        if count >= job.settings.alert_after:
            return record
    return None


def _bad_event(job: Job, streak: Sequence[OutcomeRecord], record: OutcomeRecord, key: str) -> Event:
    missed = record.outcome == "missed"
    lines = record.details.get("last_lines", ())
    log = record.details.get("log")
    row = sum(map(count_of, streak))
    again = f", {row} times in a row" if row > 1 else ""
    how = f"missed {count_of(record)} due times" if missed and count_of(record) > 1 else "was missed" if missed else (
        "failed" if record.outcome == "failed" else f"ended as {record.outcome}"
    )  # fmt: skip
    return Event(
        kind="job.missed" if missed else "job.failed",
        subject=job.subject,
        key=key,
        risk="high",
        what=f"Job {job.name} {how}{again}: {record.details.get('reason', '')}",
        where=record.host,
        since=streak[0].at,
        last_lines=tuple(map(str, lines)) if isinstance(lines, list | tuple) else (),
        command=f"pratique job {job.name}",
        report=str(job.folder / "logs" / str(log)) if log else "",
    )
