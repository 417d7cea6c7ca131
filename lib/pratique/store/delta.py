"""The embedded store: a plain Delta Lake table, in a folder or on object storage.

Any number of processes read while any number write. A write is one commit of Delta's log, so that it is there
as a whole or not at all, whatever dies; of two that commit at once the later one looks again at what has changed.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import pyarrow as pa

from pratique.config import check_name
from pratique.errors import UnavailableError, UsageError
from pratique.store import changes, datafile, scan, summary, upkeep
from pratique.store.base import Seen
from pratique.store.delta_log import Log
from pratique.store.failures import translated
from pratique.store.location import Place
from pratique.store.snapshot import Snapshot, StoredFile, epoch_ms
from pratique.store.upkeep import Upkeep
from pratique.telemetry.rollups import Rollups

Answer = TypeVar("Answer")

_COMMIT_DEADLINE_S = 120.0


class DeltaStore:
    """A store in a Delta Lake table. Safe to be shared by threads; opens nothing before it is used."""

    def __init__(self, url: str, *, retention_days: float = 0) -> None:
        self._log = Log(Place.of(url))
        self._retention_days = retention_days
        self._writing = threading.Lock()

    @property
    def url(self) -> str:
        """Where it lies: an absolute folder, or an address."""
        return self._log.place.url

    @property
    def _name(self) -> str:
        return self._log.place.name

    def __repr__(self) -> str:
        return f"DeltaStore({self._name!r})"

    def exists(self) -> bool:
        """Whether anything was ever written.

        Raises: DataError when the folder is something else; DeniedError; UnavailableError.
        """
        with translated(self._name, "opened"):
            return self._log.open() is not None

    def read(
        self, service: str, revisions: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Rollups:
        """Read rows, with the columns of SCHEMA; strings are dictionary<int32, string>, one dictionary a column.

        Rows of one file are sorted by KEY, those of several files are not. A store that nothing was written to
        is empty. Raises: DataError when it is damaged or no store; DeniedError; UnavailableError.
        """
        first_ms, last_ms = _range(start, end)
        asked = {"window": (first_ms, last_ms), "revision": _span(revisions)}

        def rows(snapshot: Snapshot | None) -> Rollups:
            files = [file for file in snapshot.files(service) if file.may_hold(asked)] if snapshot and revisions else []
            if not files:
                return Rollups(datafile.READ_SCHEMA.empty_table())
            found = scan.rows(
                self._log.place.files, files, revisions=set(revisions), first_ms=first_ms, last_ms=last_ms
            )
            return Rollups(found)

        return self._answer(rows)

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List what was seen, oldest first. Raises: as `read`."""
        first_ms, last_ms = _range(start, end)

        def seen(snapshot: Snapshot | None) -> list[Seen]:
            files = _overlapping(snapshot, service, first_ms, last_ms)
            return summary.total(self._seen(files, first_ms, last_ms))

        return self._answer(seen)

    def query(self, sql: str, parameters: Sequence[object] = (), *, service: str | None = None) -> pa.Table:
        """Ask in DuckDB's SQL; the table is called `rollups` and has the columns of SCHEMA.

        sql: a query, "?" for each parameter. service: look at its files only, which is quicker.
        Raises: as `read`; DuckDB's own errors for a wrong query.
        """
        from pratique.store import query  # noqa: PLC0415  # rows are read and written without DuckDB

        return self._answer(
            lambda snapshot: query.ask(self._log.place, _overlapping(snapshot, service, None, None), sql, parameters)
        )

    def write(self, rollups: Rollups) -> None:
        """Write rows durably, all or none; a row whose KEY is already there replaces it.

        Raises: DataError for rows that are not as SCHEMA says, or a folder that is no store; UsageError for a
        service that is no name; DeniedError; StorageError when the disk is full; UnavailableError.
        """
        table = datafile.normal(rollups)
        if not table.num_rows:
            return
        parts = changes.parts_of(table)
        for part in parts:
            check_name("service", part.service)
        with self._writing, translated(self._name, "written"):
            before, after = self._write(parts)
            touched = {(part.service, part.day) for part in parts}
            upkeep.tend(self._log, before, after, touched, self._retention_days)

    def maintain(self) -> Upkeep:
        """Merge all small files, apply the retention, and delete what no reader needs any more.

        Writers do this bit by bit; nobody has to call it. Raises: as `write`.
        """
        with self._writing, translated(self._name, "maintained"):
            if self._log.open() is None:
                return Upkeep()
            dropped = upkeep.retire(self._log, self._retention_days)
            merged = upkeep.merge_small(self._log, thorough=True)
            return Upkeep(merged, dropped, upkeep.clean(self._log))

    def _seen(self, files: Sequence[StoredFile], first_ms: int | None, last_ms: int | None) -> Iterator[Seen]:
        """What files hold, by their footers where those tell it, by asking DuckDB where not."""
        untold = []
        for file in files:
            told = summary.noted(self._log.place.files, file) if file.within(first_ms, last_ms) else None
            if told is None:
                untold.append(file)
            yield from told or ()
        if untold:
            from pratique.store import query  # noqa: PLC0415  # most answers do without DuckDB

            yield from query.seen(self._log.place, untold, first_ms, last_ms)

    def _answer(self, question: Callable[[Snapshot | None], Answer]) -> Answer:
        """Ask one snapshot; once more when another program has meanwhile deleted the files of it."""
        with translated(self._name, "read"):
            try:
                return question(self._snapshot())
            except FileNotFoundError:
                return question(self._snapshot())

    def _snapshot(self) -> Snapshot | None:
        table = self._log.open()
        return None if table is None else Snapshot(table)

    def _write(self, parts: Sequence[changes.Part]) -> tuple[int, int]:
        """Commit a write; return the versions before and after."""
        now_ms = time.time_ns() // 1_000_000
        deadline = time.monotonic() + _COMMIT_DEADLINE_S
        table = self._log.open_or_create()
        files = self._log.place.files
        snapshot = Snapshot(table)
        change = changes.plan(files, snapshot, parts, now_ms)
        while change.adds or change.removed:
            if self._log.commit(table, change.adds, change.removals(now_ms)):
                return snapshot.version, snapshot.version + 1
            if time.monotonic() > deadline:
                self._log.discard(change.adds)
                raise UnavailableError(f"store {self._name!r} is written by others all the time: try again later")
            time.sleep(random.uniform(0.0, 0.05))  # noqa: S311  # spreads writers, guards nothing
            table = self._log.open_or_create()
            snapshot = Snapshot(table)
            if not change.holds_on(snapshot, parts):
                self._log.discard(change.adds)
                change = changes.plan(files, snapshot, parts, now_ms)
        return snapshot.version, snapshot.version


def _overlapping(
    snapshot: Snapshot | None, service: str | None, first_ms: int | None, last_ms: int | None
) -> list[StoredFile]:
    files = snapshot.files(service) if snapshot else []
    return [file for file in files if file.may_hold({"window": (first_ms, last_ms)})]


def _range(start: datetime | None, end: datetime | None) -> tuple[int | None, int | None]:
    """[start, end) as the first and the last epoch ms that lie in it."""
    for moment in (start, end):
        if moment is not None and moment.tzinfo is None:
            raise UsageError(f"time {moment.isoformat()!r} has no time zone: give it in UTC")
    return None if start is None else epoch_ms(start), None if end is None else epoch_ms(end) - 1


def _span(values: Sequence[str]) -> tuple[str | None, str | None]:
    return (min(values), max(values)) if values else (None, None)
