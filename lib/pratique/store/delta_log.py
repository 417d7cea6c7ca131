"""The log of a Delta table: open it, create it, and commit to it without overwriting commits of others."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, PostCommitHookProperties, RemoveAction

from pratique.errors import DataError, UnavailableError
from pratique.store import datafile
from pratique.store.failures import explain
from pratique.store.location import Location
from pratique.store.snapshot import Snapshot, StoredFile

CHECKPOINT_EVERY = 32
"""Versions between two checkpoints: the most log entries that a reader reads one by one."""

SETTINGS = {
    # a reader opens its files within seconds after choosing them; six hours allow for a query in Spark
    "delta.deletedFileRetentionDuration": "interval 6 hours",
    # a write every 10 s makes 720 entries in two hours; more would slow down opening the table
    "delta.logRetentionDuration": "interval 2 hours",
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
}
_HARMLESS_FEATURES = {"appendOnly", "invariants", "timestampNtz", "vacuumProtocolCheck"}


_COMMIT = re.compile(r"\d{20}\.json")


class DeltaLog:
    """The log of the table at a location. It keeps no state: each call reads the current version."""

    def __init__(self, location: Location) -> None:
        self.location = location

    def open(self) -> DeltaTable | None:
        """Return the current version of the table; None when there is none yet.

        Raises: DataError when it is not a store; DeniedError; errors of deltalake.
        """
        if not self.location.holds_log():
            return None
        if self.location.folder is not None:
            _refuse_empty_commit(self.location.folder)
        try:
            table = DeltaTable(self.location.url, storage_options=self.location.options)
        except TableNotFoundError as error:
            absent = self.location.folder is None and isinstance(explain(self.location.name, "read", error), DataError)
            if absent:
                return None
            raise
        _check(self.location.name, table)
        return table

    def open_or_create(self) -> DeltaTable:
        """Return the current version of the table; create the table if needed. Raises: as `open`; UnavailableError."""
        table = self.open()
        if table is not None:
            return table
        try:
            DeltaTable.create(
                self.location.url,
                datafile.TABLE_SCHEMA,
                mode="ignore",
                partition_by=list(datafile.PARTITIONS),
                name="rollups",
                description="pratique: requests per window, service, revision, action, code and host",
                configuration=SETTINGS,
                storage_options=self.location.options,
            )
        except (DeltaError, OSError):
            # another process may have created it at the same time
            if self.open() is None:
                raise
        table = self.open()
        if table is None:
            raise UnavailableError(f"store {self.location.name!r} was removed during the write: write again")
        return table

    def commit(self, table: DeltaTable, adds: Sequence[AddAction], removals: Sequence[RemoveAction]) -> bool:
        """Commit durably on top of the version of `table`. Return False when another commit came first.

        The caller then has to plan again on the new version. After an error the files of `adds` are deleted, unless
        it is unknown whether the log names them.
        """
        self.location.settle(add.path for add in adds)
        version = table.version() + 1
        try:
            table.create_write_transaction(
                [*adds, *removals],
                "append",
                table.schema(),
                list(datafile.PARTITIONS),
                # with retries deltalake would commit after appends of others, which may hold rows with the same keys
                commit_properties=CommitProperties(max_commit_retries=0),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except CommitFailedError:
            return self._names(adds)
        except (DeltaError, OSError):
            if self._names(adds):
                return True
            self.discard(adds)
            raise
        if self.location.folder is not None:
            self.location.settle([f"_delta_log/{version:020d}.json"])
        return True

    def replace(self, old: Sequence[StoredFile], adds: Sequence[AddAction], removals: Sequence[RemoveAction]) -> bool:
        """Commit unless another process has replaced the old files; its appends do not matter. Return whether it was done."""
        table = self.open_or_create()
        while {file.path for file in old} <= Snapshot(table).paths():
            if self.commit(table, adds, removals):
                return True
            table = self.open_or_create()
        self.discard(adds)
        return False

    def discard(self, adds: Sequence[AddAction]) -> None:
        """Delete files that the log does not name."""
        datafile.discard(self.location.files, [add.path for add in adds])

    def _names(self, adds: Sequence[AddAction]) -> bool:
        """Whether a commit that failed was stored nevertheless: only its confirmation may have been lost."""
        table = self.open()
        return table is not None and bool(adds) and adds[0].path in Snapshot(table).paths()


def _refuse_empty_commit(folder: Path) -> None:
    """Refuse a commit that lost its content, as after a power cut: deltalake takes it for one that changes nothing."""
    with suppress(FileNotFoundError):
        commits = [entry for entry in os.scandir(folder / "_delta_log") if _COMMIT.fullmatch(entry.name)]
        empty = min((entry.name for entry in commits if entry.stat().st_size == 0), default=None)
        if empty is None:
            return
        is_last = empty == max(entry.name for entry in commits)
        raise DataError(
            f"store {str(folder)!r} is damaged: _delta_log/{empty} is empty, so requests are missing: "
            + ("delete that file and import the logs again" if is_last else "restore the store from a backup")
        )


def _check(name: str, table: DeltaTable) -> None:
    """Refuse a table that is not a store, or whose rows do not follow from its files alone."""
    wrong = datafile.check_stored(pa.schema(table.schema().to_arrow()))
    if wrong is not None:
        raise DataError(f"Delta table {name!r} is not a store of Pratique: {wrong}")
    protocol = table.protocol()
    features = {*(protocol.reader_features or ()), *(protocol.writer_features or ())} - _HARMLESS_FEATURES
    plain = protocol.min_reader_version in {1, 3} and protocol.min_writer_version in {2, 7}
    if features or not plain:
        needs = ", ".join(sorted(features)) or f"reader version {protocol.min_reader_version}"
        raise DataError(f"store {name!r} uses a feature of Delta Lake that Pratique cannot read: {needs}: drop it")
