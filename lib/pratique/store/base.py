"""The contract of a store, which keeps rollups between the collector and the judge."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
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
