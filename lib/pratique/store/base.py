"""The store's contract: where rollups are kept between the collector and the judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pratique.telemetry.rollups import Rollups


@dataclass(frozen=True)
class Seen:
    """A revision that the store knows: its first and last window (UTC, start of window) and its requests."""

    service: str
    revision: str
    first: datetime
    last: datetime
    requests: int


class Store(Protocol):
    """Keep rollups; give them back; say what is there.

    Times are timezone-aware UTC, ranges are [start, end) over window starts; None is unbounded.
    """

    def exists(self) -> bool:
        """Whether anything was ever written to it. Raises: DataError when it is something else, UnavailableError."""

    def write(self, rollups: Rollups) -> None:
        """Write rows durably, all or none; a row whose KEY is already there replaces it.

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

        String columns may come dictionary-encoded. Nothing found is an empty table, not an error.
        """

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List what was seen, oldest first."""
