"""The state of a job: what its runs, its due times and its flag say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from pratique.clock import stamp
from pratique.config import JobSettings
from pratique.jobs.backoff import Backoff
from pratique.jobs.outcome import BAD, RAN
from pratique.outcomes import OutcomeRecord
from pratique.runtime.one_off import OneOffState

State = Literal[
    "new", "up", "late", "running", "failed", "timed out", "lost", "stopped", "missed", "backed off", "too often"
]
BAD_STATES: tuple[State, ...] = ("failed", "timed out", "lost", "missed")
TOO_OFTEN = 10
"""From this many runs on that no due time asked for, between two that one did."""
QUANTILE = 0.95


@dataclass(frozen=True)
class JobStatus:
    """Everything known about a job at one moment. Times are UTC.

    due: the due time that was not begun yet. next: the next one. last: the last run that ended. missed: how many due times
    were missed since then. in_a_row: bad ends without a good one since. running: its run, for running_s; p95_ms: of the
    duration of runs that were well. unknown: why nobody can say whether it runs, such as an engine that does not answer.
    """

    name: str
    service: str
    schedule: str
    state: State
    next: datetime | None
    due: datetime | None = None
    last: OutcomeRecord | None = None
    missed: int = 0
    in_a_row: int = 0
    running: OneOffState | None = None
    running_s: float | None = None
    p95_ms: float | None = None
    backoff: Backoff | None = None
    unknown: str = ""
    records: Sequence[OutcomeRecord] = field(default=(), repr=False)

    @property
    def is_bad(self) -> bool:
        """Whether somebody should look."""
        return self.state in BAD_STATES or bool(self.unknown)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; times are ISO 8601, UTC."""
        last = self.last
        return {
            "job": self.name,
            "service": self.service,
            "schedule": self.schedule,
            "state": self.state,
            "next": stamp(self.next) if self.next else None,
            "due": stamp(self.due) if self.due else None,
            "missed": self.missed,
            "failures_in_a_row": self.in_a_row,
            "running": {"run": self.running.run, "for_s": self.running_s} if self.running else None,
            "p95_ms": self.p95_ms,
            "backoff": {"who": self.backoff.who, "why": self.backoff.why, "since": self.backoff.since}
            if self.backoff
            else None,
            "unknown": self.unknown or None,
            "last": {"at": stamp(last.at), "outcome": last.outcome, "revision": last.revision,
                     "duration_ms": last.duration_ms, **last.details} if last else None,
        }  # fmt: skip


def state_of(
    settings: JobSettings,
    records: Sequence[OutcomeRecord],
    now: datetime,
    *,
    due: datetime | None = None,
    running: OneOffState | None = None,
    backoff: Backoff | None = None,
) -> State:
    """Return the state of a job. records: its outcomes, oldest first. due: a due time that was not begun yet."""
    told = [record for record in records if record.outcome in (*RAN, "missed")]
    last = told[-1].outcome if told else "new"
    late = due is not None and now - due <= timedelta(seconds=settings.grace_s)
    states: tuple[tuple[bool, State], ...] = (
        (running is not None, "running"),
        (backoff is not None, "backed off"),
        *((last == bad, bad) for bad in BAD_STATES),
        (late, "late"),
        (last == "new", "new"),
        (last == "stopped", "stopped"),
        (_unplanned(told) >= TOO_OFTEN, "too often"),
        (True, "up"),
    )
    return next(state for holds, state in states if holds)


def missed_of(records: Sequence[OutcomeRecord]) -> int:
    """Return how many due times were missed since the last run."""
    count = 0
    for record in reversed(records):
        if record.outcome == "missed":
            count += count_of(record)
        elif record.outcome in RAN:
            break
    return count


def bad_in_a_row(records: Sequence[OutcomeRecord]) -> list[OutcomeRecord]:
    """Return the last failures and missed runs with no good run since, oldest first."""
    found: list[OutcomeRecord] = []
    for record in reversed(records):
        if record.outcome in BAD:
            found.append(record)
        elif record.outcome == "ok":
            break
    return found[::-1]


def count_of(record: OutcomeRecord) -> int:
    """Return how many due times a record of missed ones stands for; 1 for any other record."""
    count = record.details.get("count", 1)
    return count if isinstance(count, int) and count > 0 else 1


def p95_of(records: Sequence[OutcomeRecord]) -> float | None:
    """Return the 95th percentile of the durations of good runs, in ms; None without any. Nearest rank."""
    times = sorted(
        record.duration_ms for record in records if record.outcome == "ok" and record.duration_ms is not None
    )
    return float(times[min(len(times) - 1, int(QUANTILE * len(times)))]) if times else None


def _unplanned(told: Sequence[OutcomeRecord]) -> int:
    count = 0
    for record in reversed(told):
        if record.details.get("planned"):
            break
        count += 1
    return count
