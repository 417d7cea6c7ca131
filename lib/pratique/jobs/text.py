"""The jobs as a table for a terminal, and a run's outcome in one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from pratique.clock import iso
from pratique.jobs.status import JobStatus
from pratique.outcomes import OutcomeRecord
from pratique.printable_text import printable
from pratique.text_table import padded

HEADER = ("job", "state", "last", "took", "next (UTC)", "missed", "schedule")
LONGEST = 120
STATE = HEADER.index("state")


def jobs_table(found: Sequence[JobStatus], now: datetime, *, paint: Callable[[str], str] = str) -> list[str]:
    """Return one line for each job and one for each thing that is wrong with it. paint: applied to each state."""
    cells = padded([HEADER, *(_row(status, now) for status in found)])
    lines = []
    for row, status in zip(cells, [None, *found], strict=True):
        if status is not None:
            row[STATE] = paint(row[STATE])
        lines.append("  ".join(row).rstrip())
        lines += [f"    {line}" for line in _notes(status)] if status is not None else []
    return lines


def outcome_line(name: str, record: OutcomeRecord) -> str:
    """Return how a run ended, in one line."""
    took = f" in {seconds(record.duration_ms / 1000)}" if record.duration_ms is not None else ""
    reason = printable(str(record.details.get("reason", "")), 1000)
    log = record.details.get("log")
    kept = f" (log: jobs/{name}/logs/{log})" if log else ""
    return f"{name}: {record.outcome}{took}{f': {reason}' if reason else ''}{kept}"


def seconds(value: float) -> str:
    """Return a duration for people: 0.4 s, 12 s, 3 min, 2.5 h."""
    if value < 10:
        return f"{value:.1f} s"
    if value < 120:
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def _row(status: JobStatus, now: datetime) -> tuple[str, ...]:
    last, took = "-", "-"
    if status.last is not None:
        last = f"{status.last.outcome}, {seconds(max(0.0, (now - status.last.at).total_seconds()))} ago"
        took = seconds(status.last.duration_ms / 1000) if status.last.duration_ms is not None else "-"
    upcoming = f"{status.next:%Y-%m-%d %H:%M:%S}" if status.next else "never"
    missed = str(status.missed) if status.missed else "-"
    return (status.name, status.state, last, took, upcoming, missed, printable(status.schedule, LONGEST))


def _notes(status: JobStatus) -> list[str]:
    notes = []
    if status.unknown:
        notes.append(f"not looked at: {printable(status.unknown, 300)}")
    if status.backoff is not None:
        notes.append(printable(str(status.backoff), 300))
    if status.running is not None:
        usual = f", usually {seconds(status.p95_ms / 1000)}" if status.p95_ms is not None else ""
        notes.append(f"run {status.running.run} runs for {seconds(status.running_s or 0.0)}{usual}")
    if status.state == "late" and status.due is not None:
        notes.append(f"due since {iso(status.due)}")
    if status.is_bad and status.last is not None and not status.unknown:
        log = status.last.details.get("log")
        kept = f" (log: jobs/{status.name}/logs/{log})" if log else ""
        notes.append(printable(f"{status.last.details.get('reason', '')}{kept}", 400) or "the last run was well")
        notes.append(f"run it: pratique job {status.name}")
    return notes
