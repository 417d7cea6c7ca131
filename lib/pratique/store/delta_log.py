"""The log of a Delta table: open it, create it, and commit to it without overwriting what others committed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, CommitProperties, PostCommitHookProperties, RemoveAction

from pratique.errors import DataError, UnavailableError
from pratique.store import datafile
from pratique.store.failures import explain
from pratique.store.location import Place
from pratique.store.snapshot import Snapshot, StoredFile

CHECKPOINT_EVERY = 32
"""Versions between two checkpoints: what a reader has to read one by one at most."""

SETTINGS = {
    # A reader opens its files within seconds of choosing them; six hours are for a query of Spark's.
    "delta.deletedFileRetentionDuration": "interval 6 hours",
    # A write every 10 s makes 720 entries in two hours; more would slow the opening of the table.
    "delta.logRetentionDuration": "interval 2 hours",
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
}
_HARMLESS_FEATURES = {"appendOnly", "invariants", "timestampNtz", "vacuumProtocolCheck"}


class Log:
    """The log of the table at a place. It keeps no state: each opening sees the table as it is then."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def open(self) -> DeltaTable | None:
        """The table as it is now; None when there is none yet.

        Raises: DataError when it is something else than a store; DeniedError; what deltalake raises.
        """
        if not self.place.holds_log():
            return None
        try:
            table = DeltaTable(self.place.url, storage_options=self.place.options)
        except TableNotFoundError as error:
            absent = self.place.folder is None and isinstance(explain(self.place.name, "read", error), DataError)
            if absent:
                return None
            raise
        _check(self.place.name, table)
        return table

    def open_or_create(self) -> DeltaTable:
        """The table as it is now, made when there is none. Raises: as `open`; UnavailableError."""
        table = self.open()
        if table is not None:
            return table
        try:
            DeltaTable.create(
                self.place.url,
                datafile.TABLE_SCHEMA,
                mode="ignore",
                partition_by=list(datafile.PARTITIONS),
                name="rollups",
                description="pratique: requests per window, service, revision, action, code and host",
                configuration=SETTINGS,
                storage_options=self.place.options,
            )
        except (DeltaError, OSError):
            # Another process may have created it at the same moment.
            if self.open() is None:
                raise
        table = self.open()
        if table is None:
            raise UnavailableError(f"store {self.place.name!r} was removed while it was written: write again")
        return table

    def commit(self, table: DeltaTable, adds: Sequence[AddAction], removals: Sequence[RemoveAction]) -> bool:
        """Commit on top of the version that `table` is at, durably; False when another commit came first.

        The caller has to look at the table again then: what it planned may no longer hold. When it raises,
        the files of `adds` are gone, except where it cannot be told whether the log names them.
        """
        self.place.settle(add.path for add in adds)
        version = table.version() + 1
        try:
            table.create_write_transaction(
                [*adds, *removals],
                "append",
                table.schema(),
                list(datafile.PARTITIONS),
                # deltalake would go on top of whatever appends came between, a second row of a key among them.
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
        if self.place.folder is not None:
            self.place.settle([f"_delta_log/{version:020d}.json"])
        return True

    def replace(self, old: Sequence[StoredFile], adds: Sequence[AddAction], removals: Sequence[RemoveAction]) -> bool:
        """Commit as long as nobody else has replaced the old files; what others append does not matter."""
        table = self.open_or_create()
        while {file.path for file in old} <= Snapshot(table).paths():
            if self.commit(table, adds, removals):
                return True
            table = self.open_or_create()
        self.discard(adds)
        return False

    def discard(self, adds: Sequence[AddAction]) -> None:
        """Delete files that the log does not name."""
        datafile.discard(self.place.files, [add.path for add in adds])

    def _names(self, adds: Sequence[AddAction]) -> bool:
        """Whether a commit that failed went through all the same: its answer may have been lost on the way."""
        table = self.open()
        return table is not None and bool(adds) and adds[0].path in Snapshot(table).paths()


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
