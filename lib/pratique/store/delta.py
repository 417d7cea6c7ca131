"""The embedded store: a plain Delta Lake table, in a folder or on object storage.

Any number of processes read while any number write. A write is one commit of Delta's log, so that it is there
as a whole or not at all, whatever dies; two that commit at once are told apart by the log's version, and the
later one looks again at what has changed.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, PostCommitHookProperties, RemoveAction

from pratique.config import check_name
from pratique.errors import DataError, MissingError, PratiqueError, UnavailableError
from pratique.store import changes, datafile, scan, upkeep
from pratique.store.base import Seen
from pratique.store.failures import translated
from pratique.store.place import Place
from pratique.store.snapshot import Snapshot, StoredFile, epoch_ms
from pratique.store.upkeep import Upkeep
from pratique.telemetry.rollups import Rollups

Answer = TypeVar("Answer")

_HARMLESS_FEATURES = {"appendOnly", "invariants", "timestampNtz", "vacuumProtocolCheck"}
_COMMIT_DEADLINE_S = 120.0
_log = logging.getLogger(__name__)


class DeltaStore:
    """A store in a Delta Lake table. Safe to be shared by threads; opens nothing before it is used."""

    def __init__(self, url: str, *, retention_days: float = 0) -> None:
        self._place = Place.of(url)
        self._retention_days = retention_days
        self._writing = threading.Lock()

    def __repr__(self) -> str:
        return f"DeltaStore({self._place.name!r})"

    def exists(self) -> bool:
        """Whether anything was ever written.

        Raises: DataError when the folder is something else; DeniedError; UnavailableError.
        """
        with translated(self._place.name, "opened"):
            return self._table() is not None

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
            found = scan.rows(self._place.files, files, revisions=set(revisions), first_ms=first_ms, last_ms=last_ms)
            return Rollups(found)

        return self._answer(rows)

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List what was seen, oldest first. Raises: as `read`."""
        from pratique.store import query  # noqa: PLC0415  # DuckDB is not needed for reading and writing rows

        first_ms, last_ms = _range(start, end)

        def seen(snapshot: Snapshot | None) -> list[Seen]:
            files = _overlapping(snapshot, service, first_ms, last_ms)
            return query.seen(self._place, files, first_ms, None if last_ms is None else last_ms + 1)

        return self._answer(seen)

    def query(self, sql: str, parameters: Sequence[object] = (), *, service: str | None = None) -> pa.Table:
        """Ask in DuckDB's SQL; the table is called `rollups` and has the columns of SCHEMA.

        sql: a query, "?" for each parameter. service: look at its files only, which is quicker.
        Raises: as `read`; DuckDB's own errors for a wrong query.
        """
        from pratique.store import query  # noqa: PLC0415  # as above

        return self._answer(
            lambda snapshot: query.ask(self._place, _overlapping(snapshot, service, None, None), sql, parameters)
        )

    def write(self, rollups: Rollups) -> None:
        """Write rows durably, all or none; a row whose KEY is already there replaces it.

        Raises: DataError for rows that are not as SCHEMA says, or a folder that is no store; DeniedError;
        StorageError when the disk is full; UnavailableError.
        """
        table = datafile.normal(rollups)
        if not table.num_rows:
            return
        parts = changes.parts_of(table)
        for part in parts:
            check_name("service", part.service)
        with self._writing, translated(self._place.name, "written"):
            before, after = self._write(parts)
            self._tend(before, after, {(part.service, part.day) for part in parts})

    def maintain(self) -> Upkeep:
        """Merge all small files, apply the retention, and delete what no reader needs any more.

        Writers do this bit by bit; nobody has to call it. Raises: as `write`.
        """
        with self._writing, translated(self._place.name, "maintained"):
            if self._table() is None:
                return Upkeep()
            dropped = self._retire()
            merged = self._merge(thorough=True)
            return Upkeep(merged, dropped, self._clean())

    def _table(self) -> DeltaTable | None:
        """The table as it is now; None when there is none yet."""
        if not self._place.holds_log():
            return None
        try:
            table = DeltaTable(self._place.url, storage_options=self._place.options)
        except TableNotFoundError as error:
            if self._place.folder is None and "access" not in str(error).lower():
                return None
            raise
        _check(self._place.name, table)
        return table

    def _existing(self) -> DeltaTable:
        table = self._table()
        if table is not None:
            return table
        try:
            DeltaTable.create(
                self._place.url,
                datafile.TABLE_SCHEMA,
                mode="ignore",
                partition_by=list(datafile.PARTITIONS),
                name="rollups",
                description="pratique: requests per window, service, revision, action, code and host",
                configuration=upkeep.TABLE_SETTINGS,
                storage_options=self._place.options,
            )
        except (DeltaError, OSError):
            # Another process may have created it at the same moment.
            if self._table() is None:
                raise
        table = self._table()
        if table is None:
            raise MissingError(f"store {self._place.name!r} was removed while it was written: write again")
        return table

    def _answer(self, question: Callable[[Snapshot | None], Answer]) -> Answer:
        """Ask one snapshot; once more when another program has meanwhile deleted the files of it."""
        with translated(self._place.name, "read"):
            try:
                return question(self._snapshot())
            except FileNotFoundError:
                return question(self._snapshot())

    def _snapshot(self) -> Snapshot | None:
        table = self._table()
        return None if table is None else Snapshot(table)

    def _write(self, parts: Sequence[changes.Part]) -> tuple[int, int]:
        """Commit a write; return the versions before and after."""
        now_ms = _now_ms()
        deadline = time.monotonic() + _COMMIT_DEADLINE_S
        table = self._existing()
        snapshot = Snapshot(table)
        change = changes.plan(self._place.files, snapshot, parts, now_ms)
        while change.adds or change.removed:
            self._place.settle(add.path for add in change.adds)
            if self._commit(table, change.adds, change.removals(now_ms)):
                return snapshot.version, snapshot.version + 1
            if time.monotonic() > deadline:
                self._discard(change.adds)
                raise UnavailableError(f"store {self._place.name!r} is written by others all the time: try again later")
            time.sleep(random.uniform(0.0, 0.05))  # noqa: S311  # spreads writers, guards nothing
            table = self._existing()
            snapshot = Snapshot(table)
            if not change.holds_on(snapshot, parts):
                self._discard(change.adds)
                change = changes.plan(self._place.files, snapshot, parts, now_ms)
        return snapshot.version, snapshot.version

    def _commit(self, table: DeltaTable, adds: Sequence[AddAction], removals: Sequence[RemoveAction]) -> bool:
        """Commit on top of the version that `table` is at; False when another came first.

        The caller has to look at the table again then: what it planned may no longer hold.
        """
        try:
            table.create_write_transaction(
                [*adds, *removals],
                "append",
                table.schema(),
                list(datafile.PARTITIONS),
                commit_properties=CommitProperties(max_commit_retries=0),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except CommitFailedError:
            return self._is_in(adds)
        except (DeltaError, OSError):
            # Files may go only when it is certain that the log does not name them.
            if self._is_in(adds):
                return True
            self._discard(adds)
            raise
        if self._place.folder is not None:
            self._place.settle([f"_delta_log/{table.version() + 1:020d}.json"])
        return True

    def _is_in(self, adds: Sequence[AddAction]) -> bool:
        """Whether a commit that failed went through all the same, as an answer that got lost on its way."""
        table = self._table()
        return table is not None and bool(adds) and adds[0].path in Snapshot(table).paths()

    def _discard(self, adds: Sequence[AddAction]) -> None:
        datafile.discard(self._place.files, [add.path for add in adds])

    def _tend(self, before: int, after: int, touched: set[tuple[str, int]]) -> None:
        """The bit of upkeep that is due after a write. The write stands, whatever comes of it."""
        try:
            self._merge(thorough=False, touched=touched)
            if before // upkeep.CHECKPOINT_EVERY != after // upkeep.CHECKPOINT_EVERY:
                self._existing().create_checkpoint()
            if before // upkeep.CLEAN_EVERY != after // upkeep.CLEAN_EVERY:
                self._merge(thorough=False)
                self._retire()
                self._clean()
        except (PratiqueError, DeltaError, OSError, pa.ArrowInvalid) as error:
            _log.warning("store %r: upkeep is put off: %s", self._place.name, error)

    def _merge(self, *, thorough: bool, touched: set[tuple[str, int]] | None = None) -> int:
        """Merge small files; return how many went. A merge that another writer spoilt is left for later."""
        now_ms = _now_ms()
        files = Snapshot(self._existing()).files()
        if touched is not None:
            files = [file for file in files if (file.service, file.day) in touched]
        return sum(self._merge_one(group, now_ms) for group in upkeep.due(files, now_ms, thorough=thorough))

    def _merge_one(self, group: Sequence[StoredFile], now_ms: int) -> int:
        adds = upkeep.merge(self._place.files, group)
        self._place.settle(add.path for add in adds)
        removals = [file.removal(now_ms, changed=False) for file in group]
        for add in adds:
            add.data_change = False
        return len(group) if self._swap(group, adds, removals) else 0

    def _swap(self, old: Sequence[StoredFile], adds: Sequence[AddAction], removals: Sequence[RemoveAction]) -> bool:
        """Replace files, as long as nobody else does; what others append meanwhile does not matter."""
        table = self._existing()
        while {file.path for file in old} <= Snapshot(table).paths():
            if self._commit(table, adds, removals):
                return True
            table = self._existing()
        self._discard(adds)
        return False

    def _retire(self) -> int:
        now_ms = _now_ms()
        old = upkeep.expired(Snapshot(self._existing()).files(), self._retention_days, now_ms)
        if not old:
            return 0
        removals = [file.removal(now_ms, changed=True) for file in old]
        return len(old) if self._swap(old, [], removals) else 0

    def _clean(self) -> int:
        """Delete files that were replaced long enough ago, and old log entries behind a checkpoint."""
        table = self._existing()
        table.create_checkpoint()
        table.cleanup_metadata()
        return len(table.vacuum(dry_run=False, full=True))


def _check(name: str, table: DeltaTable) -> None:
    """Refuse a table that is not a store, or whose files alone do not tell its rows."""
    wrong = datafile.check_stored(pa.schema(table.schema().to_arrow()))
    if wrong is not None:
        raise DataError(f"Delta table {name!r} is no store of pratique: {wrong}")
    protocol = table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())} - _HARMLESS_FEATURES
    plain = protocol.min_reader_version in {1, 3} and protocol.min_writer_version in {2, 7}
    if features or not plain:
        needs = ", ".join(sorted(features)) or f"reader version {protocol.min_reader_version}"
        raise DataError(f"store {name!r} needs a feature of Delta Lake that pratique does not read: {needs}: drop it")


def _overlapping(
    snapshot: Snapshot | None, service: str | None, first_ms: int | None, last_ms: int | None
) -> list[StoredFile]:
    files = snapshot.files(service) if snapshot else []
    return [file for file in files if file.may_hold({"window": (first_ms, last_ms)})]


def _range(start: datetime | None, end: datetime | None) -> tuple[int | None, int | None]:
    """[start, end) as the first and the last epoch ms that lie in it."""
    return None if start is None else epoch_ms(start), None if end is None else epoch_ms(end) - 1


def _span(values: Sequence[str]) -> tuple[str | None, str | None]:
    return (min(values), max(values)) if values else (None, None)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
