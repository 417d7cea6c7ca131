"""The five delivery metrics, as DORA names them, calculated from ledger and git. Each is defined at its function, and nowhere else.

Source of the names: DORA's metrics guide (dora.dev/guides/dora-metrics). Where the guide leaves a choice, the definition is at the function.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from pratique.delivery.commits import CommitRecord
from pratique.delivery.deployments import Deployment, Record
from pratique.delivery.intervals import (
    Interval,
    Survival,
    median,
    median_interval,
    poisson_interval,
    quantile,
    share_interval,
    survival,
)
from pratique.ledger.incidents import NONE, IncidentRecord

WEEK = timedelta(days=7)
Mended = dict[str, list[tuple[datetime, str]]]
"""By an incident's id: when which revision got all of the traffic by a run that names it."""


@dataclass(frozen=True)
class Period:
    """A time range [start, end). start, end: UTC."""

    start: datetime
    end: datetime

    def holds(self, time: datetime) -> bool:
        """Whether a time is in the range."""
        return self.start <= time < self.end

    @property
    def weeks(self) -> float:
        """Its length in weeks."""
        return max(0.0, (self.end - self.start) / WEEK)


@dataclass(frozen=True)
class Frequency:
    """How often something is deployed.

    count: deployments. per_week, interval: by week, and its limits; None: not known. days: with a deployment. gap_days: median days between two;
    None for less than two.
    """

    count: int
    per_week: float | None
    interval: Interval | None
    days: int
    gap_days: float | None


@dataclass(frozen=True)
class LeadTime:
    """How long commits took to reach users, in hours.

    count: commits that did. median, interval, p90: of those. waiting: commits on the main branch that did not yet; with_waiting: of all, Kaplan-Meier.
    negative: commits left out because a clock was wrong. unknown: deployments in the period whose commit is not known. why: reason that nothing is known.
    """

    count: int
    median: float | None
    interval: Interval | None
    p90: float | None
    waiting: int
    with_waiting: Survival | None
    negative: tuple[str, ...]
    unknown: int
    why: str = ""


@dataclass(frozen=True)
class Share:
    """A share of deployments. count, of: so many of so many. interval: Clopper-Pearson; None for 0 of 0."""

    count: int
    of: int
    interval: Interval | None

    @property
    def share(self) -> float | None:
        """From 0 to 1; None for 0 of 0."""
        return self.count / self.of if self.of else None


@dataclass(frozen=True)
class Failure:
    """A deployment that failed. Times are UTC.

    deployment: the failed one. incidents: ids of those that name it as their cause. rolled_back: when a rollback took it out, if one did. began: when users were hit first;
    None without an incident. ended: when they were well again; None while they are not, or if it is not known.
    """

    deployment: Deployment
    incidents: tuple[str, ...]
    rolled_back: datetime | None
    began: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class FailRate:
    """The change fail rate. share: of the deployments that failed. at_most: the share if each incident without a known cause were one more failed deployment.

    unexplained: ids of these incidents. failures: what failed.
    """

    share: Share
    at_most: Share
    unexplained: tuple[str, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Recovery:
    """How long users waited until they were well again after a deployment that failed, in minutes.

    minutes: of each that is over, rising. open: of each that is not over, so far. unknown: failed deployments without an incident. survival: of all with a time.
    """

    minutes: tuple[float, ...]
    open: tuple[float, ...]
    unknown: int
    survival: Survival


def frequency(record: Record, period: Period) -> Frequency:
    """Deployment frequency: deployments in the period, by its weeks. None was made: the rate is 0, with an upper limit."""
    # a clock that was set back puts a later deployment before an earlier one
    times = sorted(deployment.time for deployment in _within(record, period))
    weeks = period.weeks
    limits = poisson_interval(len(times))
    interval = Interval((limits.low or 0.0) / weeks, (limits.high or 0.0) / weeks) if weeks else None
    gaps = [(later - earlier) / timedelta(days=1) for earlier, later in pairwise(times)]
    per_week = len(times) / weeks if weeks else None
    return Frequency(len(times), per_week, interval, len({time.date() for time in times}), median(gaps))


def lead_time(record: Record, commits: CommitRecord, period: Period) -> LeadTime:
    """Change lead time: per commit, from its committer date to the first deployment that contains it."""
    inside = [commit for commit in commits.delivered if period.holds(commit.deployed)]
    hours = [commit.hours for commit in inside if commit.hours >= 0]
    negative = (*(commit.commit for commit in inside if commit.hours < 0), *commits.undated)
    # at the end of the period, commits that were deployed later waited too
    later = (commit.committed for commit in commits.delivered if commit.deployed >= period.end)
    waiting = [(period.end - time) / timedelta(hours=1) for time in (*commits.waiting, *later) if time < period.end]
    unknown = set(commits.unknown)
    return LeadTime(
        count=len(hours),
        median=median(hours),
        interval=median_interval(hours),
        p90=quantile(hours, 0.9),
        waiting=len(waiting),
        with_waiting=survival(hours, waiting) if hours or waiting else None,
        negative=negative,
        unknown=sum(deployment.revision in unknown for deployment in _within(record, period)),
        why=commits.why,
    )


def fail_rate(
    record: Record, failures: Sequence[Failure], incidents: Sequence[IncidentRecord], period: Period
) -> FailRate:
    """Change fail rate: deployments that an incident names as its cause, or that a rollback took out, by deployments.

    Each counts once. A drill is no failure. An incident without a cause is laid on no deployment: it only raises `at_most`.
    failures: as `failures_of` returns them.
    """
    made = len(_within(record, period))
    failed = tuple(failure for failure in failures if period.holds(failure.deployment.time))
    unexplained = tuple(i.id for i in incidents if not _is_explained(i, record) and period.holds(i.began))
    most = min(made, len(failed) + len(unexplained))
    return FailRate(
        Share(len(failed), made, share_interval(len(failed), made)),
        Share(most, made, share_interval(most, made)),
        unexplained,
        failed,
    )


def _is_explained(incident: IncidentRecord, record: Record) -> bool:
    """Whether it is known what caused an incident: no revision, or one that the ledger knows."""
    return incident.cause == NONE or incident.cause in record.revisions


def recovery(failures: Sequence[Failure], now: datetime) -> Recovery:
    """Failed deployment recovery time: from the first minute that users were hit to the last."""
    known = [(failure.began, failure.ended) for failure in failures if failure.began is not None]
    over = sorted(minutes(began, ended) for began, ended in known if ended is not None)
    still = sorted(minutes(began, max(now, began)) for began, ended in known if ended is None)
    return Recovery(tuple(over), tuple(still), len(failures) - len(known), survival(over, still))


def rework(record: Record, period: Period) -> Share:
    """Deployment rework rate: deployments whose run names an incident that it mends, by deployments."""
    made = _within(record, period)
    count = sum(bool(deployment.incident) for deployment in made)
    return Share(count, len(made), share_interval(count, len(made)))


def _within(record: Record, period: Period) -> list[Deployment]:
    return [deployment for deployment in record.deployments if period.holds(deployment.time)]


def failures_of(record: Record, incidents: Sequence[IncidentRecord]) -> tuple[Failure, ...]:
    """Return every deployment that failed, with when users were hit and when they were well again."""
    caused: dict[str, list[IncidentRecord]] = {}
    for incident in incidents:
        if incident.cause != NONE:
            caused.setdefault(incident.cause, []).append(incident)
    taken_out: dict[str, datetime] = {}
    for found in record.returns:
        if found.backwards and not found.drill:
            taken_out.setdefault(found.out, found.time)
    sources = Counter(incident.id for incident in incidents)
    # an id that several programs use names none of their incidents
    mended = {name: found for name, found in _mended(record).items() if sources[name] == 1}
    failures = []
    for deployment in record.deployments:
        named, out = caused.get(deployment.revision, []), taken_out.get(deployment.revision)
        if named or out is not None:
            failures.append(_failure(deployment, named, out, mended))
    return tuple(failures)


def _failure(deployment: Deployment, named: Sequence[IncidentRecord], out: datetime | None, mended: Mended) -> Failure:
    ends = [_restored(incident, mended) for incident in named]
    began = min((max(incident.began, deployment.first_share) for incident in named), default=None)
    last = max((end for end in ends if end is not None), default=None)
    ended = max(last, began) if last is not None and began is not None and None not in ends else None
    return Failure(deployment, tuple(incident.id for incident in named), out, began, ended)


def _mended(record: Record) -> Mended:
    """When which revision got all of the traffic by a run that names an incident, by the incident's id."""
    found: Mended = {}
    for deployment in (*record.deployments, *record.redeployments):
        found.setdefault(deployment.incident, []).append((deployment.time, deployment.revision))
    for rollback in record.returns:
        found.setdefault(rollback.incident, []).append((rollback.time, rollback.to))
    return found


def _restored(incident: IncidentRecord, mended: Mended) -> datetime | None:
    """When an incident was over: as recorded, else by the first deployment or rollback that names it and is no cause of it."""
    if incident.restored is not None:
        return incident.restored
    times = [t for t, revision in mended.get(incident.id, []) if revision != incident.cause and t >= incident.began]
    return min(times, default=None)


def minutes(began: datetime, ended: datetime) -> float:
    """Return the minutes from one time to another."""
    return (ended - began) / timedelta(minutes=1)
