"""When a job is due: the fields of cron in a time zone, or a fixed number of seconds.

Source: cronsim, which follows Debian's cron: a job at a fixed time of day that falls into the hour that summer time skips
runs right after it; one that falls into the hour that comes twice runs once. Jobs with `*` in hour or minute run in real time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from pratique.clock import EPOCH
from pratique.config import JobSettings
from pratique.config.jobs import WORDS

MOST_DUES = 10_000
"""How many due times are counted at most in one look: a job of every minute was then away for a week."""
LONGEST_CHANGE = timedelta(hours=4)
"""More than any zone ever moved its clock at once, but for days that were skipped at the date line."""
LOCALTIME = Path("/etc/localtime")


def dues_between(job: JobSettings, after: datetime, until: datetime) -> list[datetime]:
    """Return the due times in (after, until], oldest first, UTC; the last MOST_DUES of them."""
    found: list[datetime] = []
    for due in _dues_before(job, until):
        if due <= after or len(found) == MOST_DUES:
            break
        found.append(due)
    return found[::-1]


def last_due(job: JobSettings, now: datetime) -> datetime | None:
    """Return the last due time up to `now`, UTC; None when there was none in the last fifty years."""
    return next(_dues_before(job, now), None)


def next_due(job: JobSettings, now: datetime) -> datetime | None:
    """Return the first due time after `now`, UTC; None when there is none in the next fifty years."""
    if job.every_s:
        step = timedelta(seconds=job.every_s)
        return EPOCH + ((now - EPOCH) // step + 1) * step
    from cronsim import CronSim  # noqa: PLC0415 - for jobs only

    # it goes on from a time without its fraction, which would be the due time itself
    for due in CronSim(fields_of(job), now.astimezone(zone_of(job))):
        if (found := _utc(due)) > now:
            return found
    return None


def fields_of(job: JobSettings) -> str:
    """Return the five fields of a schedule."""
    return WORDS.get(job.schedule, job.schedule)


def zone_of(job: JobSettings) -> tzinfo:
    """Return the time zone of a job: its own, or that of this host."""
    return ZoneInfo(zone_name(job)) if zone_name(job) else UTC


def zone_name(job: JobSettings) -> str:
    """Return the name of the time zone of a job, as Europe/Vienna."""
    return job.timezone or host_zone()


def host_zone() -> str:
    """Return the name of this host's time zone; "UTC" where it has none that can be found."""
    return _host_zone(os.environ.get("TZ", ""))


@lru_cache(maxsize=4)
def _host_zone(given: str) -> str:
    for name in (given.removeprefix(":"), str(LOCALTIME.resolve()).partition("zoneinfo/")[2]):
        try:
            if name:
                ZoneInfo(name)
                return name
        except (ValueError, KeyError, OSError):
            continue
    return "UTC"


def _dues_before(job: JobSettings, until: datetime) -> Iterator[datetime]:
    """Yield the due times up to `until`, newest first."""
    if job.every_s:
        step = timedelta(seconds=job.every_s)
        due = EPOCH + (until - EPOCH) // step * step
        while due > EPOCH:
            yield due
            due -= step
        return
    from cronsim import CronSim  # noqa: PLC0415 - for jobs only

    # it counts on the clock of the wall, on which the hours around a change to or from summer time stand elsewhere
    start = (until + LONGEST_CHANGE).astimezone(zone_of(job))
    for found in CronSim(fields_of(job), start, reverse=True):
        due = _utc(found)
        if due <= until:
            yield due


def _utc(due: datetime) -> datetime:
    return due.astimezone(UTC)
