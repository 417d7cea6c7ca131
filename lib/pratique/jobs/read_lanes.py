"""What the picture of the jobs shows: each job with its due times and its runs of the last weeks."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime, timedelta

from pratique.clock import utc_now
from pratique.config import Config
from pratique.jobs.current_status import current_status
from pratique.jobs.job import Job, all_jobs
from pratique.jobs.job_lane import JobLane, LaneRun
from pratique.jobs.outcome import KIND
from pratique.jobs.schedule import dues_between
from pratique.jobs.status import JobStatus, count_of, p95_of
from pratique.outcomes import OutcomeRecord, open_outcomes

SHOWN = timedelta(days=14)
MOST_RUNS = 500
MOST_DUES = 150
"""More due times than this would be a stripe: then those of the last hours are shown."""
ENOUGH = 4
"""From so many good runs on there is a usual duration."""


def lanes_of(config: Config, now: datetime | None = None) -> list[JobLane]:
    """Return a lane for each job of the service file, by name. Raises: ConfigError, DeniedError, DataError."""
    now = now or utc_now()
    return [_lane(job, current_status(job, now, send_events=False), now) for job in all_jobs(config)]


def _lane(job: Job, status: JobStatus, now: datetime) -> JobLane:
    outcomes = open_outcomes(job.target.state_dir)
    records = outcomes.read(kind=KIND, subject=job.subject, since=now - SHOWN, last=MOST_RUNS)
    runs = [_run(record) for record in records]
    since = max(now - SHOWN, min((run.start for run in runs), default=now))
    due = dues_between(job.settings, since - timedelta(seconds=1), now)[-MOST_DUES:]
    return JobLane(job.name, status.state, runs, due, _usual(status.records))


def _run(record: OutcomeRecord) -> LaneRun:
    began = record.details.get("started") or (record.details.get("planned") if record.outcome == "missed" else "")
    start = datetime.fromisoformat(str(began)) if began else record.at
    took = record.duration_ms / 1000 if record.duration_ms is not None else None
    return LaneRun(start, record.outcome, took, str(record.details.get("reason", "")), count_of(record))


def _usual(records: Sequence[OutcomeRecord]) -> tuple[float, float] | None:
    times = [
        record.duration_ms / 1000 for record in records if record.outcome == "ok" and record.duration_ms is not None
    ]
    p95 = p95_of(records)
    return (statistics.median(times), p95 / 1000) if len(times) >= ENOUGH and p95 is not None else None
