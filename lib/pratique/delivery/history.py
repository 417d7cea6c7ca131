"""The history of one service's deliveries: record, metrics and canaries of a period, beside those of the period before."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pratique.clock import stamp, utc_now
from pratique.delivery.canaries import Canaries, canaries_of, overturned_of
from pratique.delivery.commits import CommitRecord, commits_of
from pratique.delivery.deployments import Record, record_of
from pratique.delivery.exposure import AfterPromotion, after_promotion
from pratique.delivery.intervals import rates_differ, shares_differ
from pratique.delivery.metrics import (
    FailRate,
    Failure,
    Frequency,
    LeadTime,
    Period,
    Recovery,
    Share,
    fail_rate,
    failures_of,
    frequency,
    lead_time,
    recovery,
    rework,
)
from pratique.errors import UsageError
from pratique.ledger.entry import Entry
from pratique.ledger.incidents import IncidentRecord, incidents_of
from pratique.number_text import plural

if TYPE_CHECKING:
    from pratique.config import Policy
    from pratique.store.base import Store

DEFAULT_RANGE = timedelta(days=90)
MOST_RUNS = 5
"""Runs that one suggestion names."""


@dataclass(frozen=True)
class Metrics:
    """The delivery metrics and the canaries of one period.

    asked: the period as asked for. period: the part that the ledger covers. frequency, lead_time, fail_rate, recovery, rework: the five metrics.
    canaries: what they caught, and what escaped them.
    """

    asked: Period
    period: Period
    frequency: Frequency
    lead_time: LeadTime
    fail_rate: FailRate
    recovery: Recovery
    rework: Share
    canaries: Canaries

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: times as ISO 8601, UTC."""
        return dict(_plain(self))


@dataclass(frozen=True)
class History:
    """The history of one service.

    service: its name. metrics: those of the period. before: the same of the period before; None where the ledger does not reach back.
    record: all deliveries that the ledger knows, of any time. commits: what each deployment brought to users. changed: names of the metrics that differ from the period before at 5 %, by an exact test. incidents: those of the service. suggestions: one line
    each, of what a person should confirm. failures: of all deployments on record. overturned: runs that a person overturned, with the reason.
    escapes: by run, what each revision that escaped its canary served after its promotion. now: when it was calculated (UTC).
    """

    service: str
    now: datetime
    metrics: Metrics
    before: Metrics | None
    changed: tuple[str, ...]
    record: Record
    commits: CommitRecord
    incidents: tuple[IncidentRecord, ...]
    failures: tuple[Failure, ...]
    overturned: Mapping[str, str]
    escapes: Mapping[str, AfterPromotion]
    suggestions: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: times as ISO 8601, UTC."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}


def history_of(
    service: str,
    entries: Sequence[Entry],
    repository: Path | None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    now: datetime | None = None,
    open_store: Callable[[datetime], Store] | None = None,
    policy: Policy | None = None,
    since: datetime | None = None,
) -> History:
    """Return the history of a service. entries: all entries of the ledger about the service, oldest first.

    repository: a folder in the git repository of its releases; None: there is none. start, end: of the period, UTC; default the last 90 days.
    open_store, policy: as for `after_promotion`. since: time of the ledger's first entry, of any service, UTC; default: of `entries`.
    Raises: UsageError when the period ends before it starts.
    """
    now = now or utc_now()
    end = min(end or now, now)
    start = start or end - DEFAULT_RANGE
    if start >= end:
        raise UsageError(
            f"the period from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is empty: give a start before the end and before now"
        )
    record = record_of(service, entries)
    if since is not None and record.since is not None:
        record = replace(record, since=min(since, record.since))
    incidents = tuple(incidents_of(entries))
    commits = commits_of(record, repository)
    overturned = overturned_of(entries)

    failures = failures_of(record, incidents)
    escapes = after_promotion(record, failures, now, open_store, policy)

    def measured(period: Period) -> Metrics:
        return metrics_of(record, commits, incidents, failures, overturned, period, now, escapes)

    metrics = measured(Period(start, end))
    earlier = Period(start - (end - start), start)
    before = measured(earlier) if record.since is not None and record.since < start else None
    return History(
        service, now, metrics, before, _changed(metrics, before), record, commits, incidents, failures, overturned,
        escapes, tuple(_suggestions(metrics, incidents, record)),
    )  # fmt: skip


def metrics_of(
    record: Record,
    commits: CommitRecord,
    incidents: Sequence[IncidentRecord],
    failures: Sequence[Failure],
    overturned: Mapping[str, str],
    asked: Period,
    now: datetime,
    escapes: Mapping[str, AfterPromotion],
) -> Metrics:
    """Return the metrics of one period, which is cut to what the ledger covers. failures, escapes: of all deployments."""
    since = record.since or asked.end
    period = Period(min(max(asked.start, since), asked.end), asked.end)
    failing = fail_rate(record, failures, incidents, period)
    return Metrics(
        asked,
        period,
        frequency(record, period),
        lead_time(record, commits, period),
        failing,
        recovery(failing.failures, now),
        rework(record, period),
        canaries_of(record, failures, overturned, period, now, escapes),
    )


def series(history: History, step: str, number: int) -> list[Metrics]:
    """Return the metrics of the last `number` weeks or months (step: "week" or "month") up to the end of the period, oldest first.

    A week ends where the period ends; a month is one of the calendar, and the last one may not be over.
    Raises: UsageError for another step.
    """
    ends = _ends(history.metrics.asked.end, step, number)
    return [
        metrics_of(
            history.record, history.commits, history.incidents, history.failures, history.overturned, Period(*pair),
            history.now, history.escapes,
        )
        for pair in pairwise(ends)
    ]  # fmt: skip


def _ends(last: datetime, step: str, number: int) -> list[datetime]:
    if step == "week":
        return [last - timedelta(days=7) * back for back in range(number, -1, -1)]
    if step != "month":
        raise UsageError(f"step is {step!r:.40}: use week or month")
    first = last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    found = [last] if last > first else []
    while len(found) <= number:
        found.insert(0, first)
        first = (first - timedelta(days=1)).replace(day=1)
    return found[-number - 1 :]


def _changed(metrics: Metrics, before: Metrics | None) -> tuple[str, ...]:
    if before is None:
        return ()
    now_days, before_days = (m.period.weeks * 7 for m in (metrics, before))
    found = []
    if rates_differ(metrics.frequency.count, now_days, before.frequency.count, before_days):
        found.append("deployment frequency")
    pairs = {
        "change fail rate": (metrics.fail_rate.share, before.fail_rate.share),
        "deployment rework rate": (metrics.rework, before.rework),
        "catch rate": (metrics.canaries.caught, before.canaries.caught),
    }
    found += [n for n, (new, old) in pairs.items() if shares_differ(new.count, new.of, old.count, old.of)]
    return tuple(found)


def _suggestions(metrics: Metrics, incidents: Sequence[IncidentRecord], record: Record) -> list[str]:
    by_id = {incident.id: incident for incident in incidents}
    deployments = sorted(record.deployments, key=lambda deployment: deployment.time)
    times = [deployment.time for deployment in deployments]
    found = []
    for name in metrics.fail_rate.unexplained:
        began = by_id[name].began
        last = deployments[bisect_right(times, began) - 1] if times and times[0] <= began else None
        served = last.revision if last is not None and (last.end is None or last.end > began) else ""
        known = f", and {served} served when it began" if served else ""
        found.append(
            f"incident {name} has no known cause{known}: record it with: pratique incident cause {name} {served or 'REVISION'}; "
            f"if no revision caused it: pratique incident cause {name} none"
        )
    found += [
        f"commit {name[:12]} is newer than its deployment: a clock was wrong" for name in metrics.lead_time.negative
    ]
    found += [
        f"run {run} was stopped, and the same content served later for a week without a failure: if the stop was a false alarm: pratique overturn {run} --why TEXT"
        for run in metrics.canaries.promoted_later
    ]
    stops = [run for run in metrics.canaries.unreviewed if run not in metrics.canaries.promoted_later]
    if stops:
        found.append(
            f"{plural(len(stops), 'stop')} of canaries that nobody reviewed: {', '.join(stops[:MOST_RUNS])}"
            f"{' and others' if len(stops) > MOST_RUNS else ''}: if nothing was wrong with one: pratique overturn RUN --why TEXT"
        )
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__} | _derived(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _derived(value: Any) -> dict[str, Any]:
    return {"share": value.share} if isinstance(value, Share) else {}


__all__ = ["History", "Metrics", "history_of", "metrics_of", "series"]
