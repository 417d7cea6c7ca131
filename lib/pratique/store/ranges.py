"""Read a service in ranges of windows, so that a store of any size fits into the memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pratique.store.base import Seen, Store
from pratique.telemetry.rollups import Rollups

TARGET_ROWS = 200_000
"""Rows that a range aims at. It may hold more where the traffic rises: never more than LONGEST holds."""
FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=1)
_SHORTEST = timedelta(seconds=1)
_GROWTH = 2.0
_RESOLUTION = timedelta(milliseconds=1)
"""Windows start at whole milliseconds."""


@dataclass(frozen=True)
class Part:
    """Some revisions of one service, and their windows: [start, end) over window starts, UTC."""

    service: str
    revisions: Sequence[str]
    start: datetime
    end: datetime

    def before(self, end: datetime) -> Part:
        """Return the same with windows before `end` only."""
        return replace(self, end=min(self.end, end))

    def after(self, start: datetime) -> Part:
        """Return the same with windows from `start` on only."""
        return replace(self, start=max(self.start, start))

    def seen(self, store: Store) -> dict[str, Seen]:
        """List what a store has of it, by revision. Raises: as `Store.revisions`."""
        wanted = set(self.revisions)
        found = store.revisions(self.service, self.start, self.end) if self.start < self.end else []
        return {seen.revision: seen for seen in found if seen.revision in wanted}

    def read(self, store: Store) -> Iterator[tuple[datetime, Rollups]]:
        """Yield its rows in order of time: the end of each range, and the rows. Ranges without rows are left out.

        Raises: as `Store.read`.
        """
        start, span = self.start, FIRST
        while start < self.end:
            stop = min(start + span, self.end)
            rows = store.read(self.service, self.revisions, start, stop)
            if len(rows):
                yield stop, rows
                start, span = stop, _next_span(span, len(rows))
            else:
                # a gap may be months long
                later = self.after(stop).seen(store).values()
                start = min((seen.first for seen in later), default=self.end)


def parts_of(found: Sequence[Seen]) -> list[Part]:
    """Return a part for each service of a list of revisions, which covers all their windows."""
    parts = []
    for service in dict.fromkeys(seen.service for seen in found):
        mine = [seen for seen in found if seen.service == service]
        first, last = min(seen.first for seen in mine), max(seen.last for seen in mine)
        parts.append(Part(service, [seen.revision for seen in mine], first, last + _RESOLUTION))
    return parts


def _next_span(span: timedelta, rows: int) -> timedelta:
    seconds = span.total_seconds() * min(_GROWTH, TARGET_ROWS / rows)
    return max(_SHORTEST, min(LONGEST, timedelta(seconds=int(seconds))))
