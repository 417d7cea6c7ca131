"""The embedded store: a plain Delta Lake table, in a folder or on object storage.

Any number of processes read while any number write. A write is one commit of Delta's log: it is stored as a whole or
not at all, even when the process is killed. Of two processes that commit at once, the later one plans its write again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from pratique.clock import now_ms
from pratique.config import check_name
from pratique.errors import UnavailableError
from pratique.store import changes, scan, summary, upkeep
from pratique.store.base import Seen, Upkeep
from pratique.store.counts import Counter
from pratique.store.delta_log import DeltaLog
from pratique.store.failures import translated
from pratique.store.location import Location
from pratique.store.rows import READ_SCHEMA, normal, require_zone
from pratique.store.snapshot import Snapshot, StoredFile, epoch_ms
from pratique.telemetry.rollups import Rollups

Result = TypeVar("Result")

_COMMIT_DEADLINE_S = 120.0


class DeltaStore:
    """A store in a Delta Lake table. Threads may share it; it opens nothing before its first use."""

    def __init__(self, url: str, *, retention_days: float = 0) -> None:
        self._log = DeltaLog(Location.of(url))
        self._retention_days = retention_days
        self._writing = threading.Lock()

    @property
    def url(self) -> str:
        """The location: an absolute folder, or a URL."""
        return self._log.location.url

    @property
    def _name(self) -> str:
        return self._log.location.name

    def __repr__(self) -> str:
        return f"DeltaStore({self._name!r})"

    def exists(self) -> bool:
        """Whether anything was ever written.

        Raises: DataError when the folder holds something else; DeniedError; UnavailableError.
        """
        with translated(self._name, "opened"):
            return self._log.open() is not None

    def read(
        self, service: str, revisions: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Rollups:
        """Read rows with the columns of SCHEMA; strings are dictionary<int32, string>, one dictionary per column.

        Rows of one file are sorted by KEY, rows of several files are not. A store without a write is empty.
        Raises: DataError when it is damaged or not a store; DeniedError; UnavailableError.
        """
        first_ms, last_ms = _range(start, end)
        asked = {"window": (first_ms, last_ms), "revision": _span(revisions)}

        def rows(snapshot: Snapshot | None) -> Rollups:
            files = [file for file in snapshot.files(service) if file.may_hold(asked)] if snapshot and revisions else []
            if not files:
                return Rollups(READ_SCHEMA.empty_table())
            found = scan.rows(
                self._log.location.files, files, revisions=set(revisions), first_ms=first_ms, last_ms=last_ms
            )
            return Rollups(found)

        return self._on_snapshot(rows)

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, oldest first. Raises: as `read`."""
        first_ms, last_ms = _range(start, end)

        def seen(snapshot: Snapshot | None) -> list[Seen]:
            files = _overlapping(snapshot, service, first_ms, last_ms)
            return summary.total(self._seen(files, first_ms, last_ms))

        return self._on_snapshot(seen)

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
        """Count requests by steps of time and by names, file by file. See Store. Raises: UsageError; as `read`."""
        first_ms, last_ms = _range(start, end)

        def counted(snapshot: Snapshot | None) -> pa.Table:
            counter = Counter(start, by, step_s, slower_than_ms)
            for file in _overlapping(snapshot, service, first_ms, last_ms):
                counter.add(
                    scan.rows(
                        self._log.location.files, [file], first_ms=first_ms, last_ms=last_ms, columns=counter.columns
                    )
                )
            return counter.table()

        return self._on_snapshot(counted)

    def query(self, sql: str, parameters: Sequence[object] = (), *, service: str | None = None) -> pa.Table:
        """Run a query in DuckDB's SQL on the table `rollups`, which has the columns of SCHEMA.

        sql: a query with "?" for each parameter. service: read only the files of this service, which is quicker.
        Raises: as `read`; DuckDB's own errors for a wrong query.
        """
        from pratique.store import query  # noqa: PLC0415  # reads and writes need no DuckDB

        return self._on_snapshot(
            lambda snapshot: query.run(self._log.location, _overlapping(snapshot, service, None, None), sql, parameters)
        )

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Write rows durably, all or none. A row replaces a stored row with the same KEY.

        instead_of: sources of the same services whose stored rows are removed in the same commit.
        Raises: DataError for rows that do not match SCHEMA, or a folder that is not a store; UsageError for an
        invalid service name; DeniedError; StorageError when the disk is full; UnavailableError.
        """
        table = normal(rollups)
        if not table.num_rows:
            return
        parts = changes.parts_of(table)
        for part in parts:
            check_name("service", part.service)
        with self._writing, translated(self._name, "written"):
            before, after = self._write(parts, frozenset(instead_of))
            touched = {(part.service, part.day) for part in parts}
            upkeep.tend(self._log, before, after, touched, self._retention_days)

    def maintain(self) -> Upkeep:
        """Do all upkeep now: merge small files, apply the retention, delete unused files. Raises: as `write`."""
        with self._writing, translated(self._name, "maintained"):
            if self._log.open() is None:
                return Upkeep()
            dropped = upkeep.retire(self._log, self._retention_days)
            merged = upkeep.merge_small(self._log, thorough=True)
            return Upkeep(merged, dropped, upkeep.clean(self._log))

    def _seen(self, files: Sequence[StoredFile], first_ms: int | None, last_ms: int | None) -> Iterator[Seen]:
        """The revisions in files, from their footers where possible, else with DuckDB."""
        unknown = []
        for file in files:
            found = summary.noted(self._log.location.files, file) if file.within(first_ms, last_ms) else None
            if found is None:
                unknown.append(file)
            yield from found or ()
        if unknown:
            from pratique.store import query  # noqa: PLC0415  # most calls need no DuckDB

            yield from query.seen(self._log.location, unknown, first_ms, last_ms)

    def _on_snapshot(self, read: Callable[[Snapshot | None], Result]) -> Result:
        """Read from one snapshot; from a second one when another program has deleted files of the first."""
        with translated(self._name, "read"):
            try:
                return read(self._snapshot())
            except FileNotFoundError:
                return read(self._snapshot())

    def _snapshot(self) -> Snapshot | None:
        table = self._log.open()
        return None if table is None else Snapshot(table)

    def _write(self, parts: Sequence[changes.Part], instead_of: frozenset[str]) -> tuple[int, int]:
        """Commit a write; return the versions before and after."""
        at_ms = now_ms()
        deadline = time.monotonic() + _COMMIT_DEADLINE_S
        table = self._log.open_or_create()
        files = self._log.location.files
        snapshot = Snapshot(table)
        change = changes.plan(files, snapshot, parts, at_ms, instead_of)
        while change.adds or change.removed:
            if self._log.commit(table, change.adds, change.removals(at_ms)):
                return snapshot.version, snapshot.version + 1
            if time.monotonic() > deadline:
                self._log.discard(change.adds)
                raise UnavailableError(
                    f"store {self._name!r} is constantly written by other processes: try again later"
                )
            time.sleep(random.uniform(0.0, 0.05))  # noqa: S311  # spreads the writers, not a secret
            table = self._log.open_or_create()
            snapshot = Snapshot(table)
            if not change.holds_on(snapshot, parts):
                self._log.discard(change.adds)
                change = changes.plan(files, snapshot, parts, at_ms, instead_of)
        return snapshot.version, snapshot.version


def _overlapping(
    snapshot: Snapshot | None, service: str | None, first_ms: int | None, last_ms: int | None
) -> list[StoredFile]:
    files = snapshot.files(service) if snapshot else []
    return [file for file in files if file.may_hold({"window": (first_ms, last_ms)})]


def _range(start: datetime | None, end: datetime | None) -> tuple[int | None, int | None]:
    """The first and the last epoch ms in [start, end)."""
    require_zone(start, end)
    return None if start is None else epoch_ms(start), None if end is None else epoch_ms(end) - 1


def _span(values: Sequence[str]) -> tuple[str | None, str | None]:
    return (min(values), max(values)) if values else (None, None)
