"""The contract of a store, which keeps rollups between the collector and the judge."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from pratique.telemetry.rollups import Rollups


@dataclass(frozen=True)
class Seen:
    """A revision in the store: its first and last window (start, UTC) and its number of requests."""

    service: str
    revision: str
    first: datetime
    last: datetime
    requests: int


def oldest_first(found: Iterable[Seen]) -> list[Seen]:
    """Return revisions in the order in which every store lists them."""
    return sorted(found, key=lambda seen: (seen.first, seen.service, seen.revision))


@dataclass(frozen=True)
class Upkeep:
    """The result of upkeep: files merged into others, files dropped by the retention, files deleted from the disk."""

    merged: int = 0
    dropped: int = 0
    deleted: int = 0


class Store(Protocol):
    """Write rollups, read them, and list the revisions.

    Times are UTC and timezone-aware. Ranges are [start, end) over window starts; None is unbounded.
    """

    def exists(self) -> bool:
        """Whether anything was ever written to it. Raises: DataError when it is not a store, UnavailableError."""

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Write rows durably, all or none. A row replaces a stored row with the same KEY.

        instead_of: sources of the same services whose stored rows are removed in the same step.
        Raises: DeniedError, StorageError, UnavailableError.
        """

    def read(
        self,
        service: str,
        revisions: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Rollups:
        """Read the rows of some revisions of a service, from one consistent state of the store.

        String columns may be dictionary-encoded. No matching rows give an empty table, not an error.
        """

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, oldest first."""

    def counts(
        self,
        service: str | None,
        start: datetime | None,
        end: datetime | None,
        *,
        by: Sequence[str],
        step_s: int,
        slower_than_ms: float | None = None,
    ) -> pa.Table:
        """Count requests by steps of time and by names, from one consistent state of the store.

        service: None for all. by: any of "service", "revision", "action", "code", "host", "bucket"; "bucket" gives a row per latency
        bucket, in which only requests with a duration count. step_s: length of a step; steps are counted from `start`, without one
        from 1970, and a window counts in the step in which it begins. 0: one step for the whole range, which begins at `start` or with the first window.
        slower_than_ms: count also "timed", the requests with a duration, and "slow", those in buckets from this duration on.

        Columns: "step" (start of the step, timestamp[ms, UTC]), one for each name (string; code and bucket int64), "n" and, when
        asked, "timed" and "slow" (int64). Sorted by step and names; steps without requests have no row.
        Raises: UsageError for another name or a negative step; as `read`.
        """

    def maintain(self) -> Upkeep:
        """Do all upkeep now: merge small files, apply the retention, delete files that no reader needs.

        Writes do a part of it each time, so this is never required. Raises: as `write`.
        """


class ScrapedStore(Store, Protocol):
    """A store of what another server scrapes; it is only read."""

    def newest(self) -> datetime | None:
        """Return the time of the last scrape, UTC; None when there is none of the last minutes. Raises: as `read`."""

    def lag_s(self) -> int:
        """Return how long after a request its window can be judged at the latest, without the time of a scrape."""
