"""Whether an event goes to a route, and when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo

from pratique.config.notify import NotifySettings
from pratique.notify.event import RISKS, Event


def wants(route: NotifySettings, event: Event) -> bool:
    """Return whether the kind and the risk of an event are among those of a route."""
    if RISKS.index(event.risk) < RISKS.index(route.least):
        return False
    return any(fnmatchcase(event.kind, pattern) for pattern in route.events)


def quiet_until(route: NotifySettings, now: datetime) -> datetime | None:
    """Return when the quiet hours end that `now` is in, UTC; None outside of them.

    Hours are those of the clock on the wall: where it is set in the meantime, they last an hour more or less.
    """
    if not route.quiet:
        return None
    start, end = map(time.fromisoformat, route.quiet.split("-"))
    zone = ZoneInfo(route.timezone)
    local = now.astimezone(zone)
    clock = local.time().replace(tzinfo=None)
    if not (start <= clock < end if start < end else clock >= start or clock < end):
        return None
    day = local.date() + timedelta(days=clock >= end)
    # an end that the clock passes twice, or leaves out, is the later of the two that it can mean
    until = max(datetime.combine(day, end.replace(fold=fold), zone).astimezone(UTC) for fold in (0, 1))
    return until if until > now else None
