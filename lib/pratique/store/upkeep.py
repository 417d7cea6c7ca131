"""What keeps a store quick and small: merging of small files, retention, checkpoints, and the vacuum.

All of it only changes which files hold the rows, and each piece is one commit, so that readers
and writers go on meanwhile and a death at any moment leaves the table whole.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pratique.clock import now_ms
from pratique.errors import PratiqueError
from pratique.store import datafile, scan
from pratique.store.changes import sorted_rows
from pratique.store.datafile import DAY_MS
from pratique.store.delta_log import CHECKPOINT_EVERY, Log
from pratique.store.snapshot import Partition, Snapshot, StoredFile

FANOUT = 8
"""Small files of alike size that are merged into one: each row is written anew about once per factor of 8."""

QUIET_MS = 3_600_000
"""A day into which nothing came for an hour is done: what is left of its small files becomes one."""

_CLEAN_EVERY = 512
"""Versions between two rounds of retention and vacuum: 1.4 h at a write every 10 s."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upkeep:
    """What was done: files merged away, files dropped by retention, files deleted from the disk."""

    merged: int = 0
    dropped: int = 0
    deleted: int = 0


def tend(log: Log, before: int, after: int, touched: Collection[Partition], retention_days: float) -> None:
    """Do the bit of upkeep that is due after a write took the table from one version to another.

    The write stands, whatever comes of this: what fails is logged, and tried again after a later write.
    """
    try:
        merge_small(log, touched)
        if before // CHECKPOINT_EVERY != after // CHECKPOINT_EVERY:
            log.open_or_create().create_checkpoint()
        if before // _CLEAN_EVERY != after // _CLEAN_EVERY:
            merge_small(log)
            retire(log, retention_days)
            clean(log)
    except (PratiqueError, DeltaError, OSError, pa.ArrowInvalid) as error:
        _log.warning("store %r: upkeep is put off: %s", log.place.name, error)


def merge_small(log: Log, touched: Collection[Partition] | None = None, *, thorough: bool = False) -> int:
    """Merge small files (of the partitions touched); return how many went.

    A merge that another writer spoilt, by replacing one of the files, is left for later.
    """
    files = Snapshot(log.open_or_create()).files()
    if touched is not None:
        files = [file for file in files if file.partition in touched]
    return sum(_merge(log, group) for group in due(files, now_ms(), thorough=thorough))


def retire(log: Log, retention_days: float) -> int:
    """Drop files that are older than the retention; return how many."""
    at_ms = now_ms()
    old = expired(Snapshot(log.open_or_create()).files(), retention_days, at_ms)
    dropped = bool(old) and log.replace(old, [], [file.removal(at_ms, changed=True) for file in old])
    return len(old) if dropped else 0


def clean(log: Log) -> int:
    """Delete files that were replaced long enough ago, and log entries behind a checkpoint; return the files."""
    table = log.open_or_create()
    table.create_checkpoint()
    table.cleanup_metadata()
    return len(table.vacuum(dry_run=False, full=True))


def due(files: Iterable[StoredFile], now_ms: int, *, thorough: bool = False) -> list[list[StoredFile]]:
    """Groups of files of one partition that had better be one file.

    thorough: leave no small files at all, not even in a day that is still being written.
    """
    groups = []
    for _, members in groupby(sorted(files, key=_partition), key=_partition):
        small = [file for file in members if file.rows < datafile.MAX_ROWS // 2]
        done = bool(small) and max(file.written_ms for file in small) < now_ms - QUIET_MS
        groups += _batches(small) if thorough or done else _crowded(small)
    return [group for group in groups if len(group) > 1]


def expired(files: Iterable[StoredFile], retention_days: float, now_ms: int) -> list[StoredFile]:
    """Files whose every row is older than the retention, by its window and by when it came in; 0 keeps all.

    Both, because a log of last year that is imported today is meant to be looked at.
    """
    if retention_days <= 0:
        return []
    before = now_ms - retention_days * DAY_MS
    return [file for file in files if max(_newest_ms(file), file.written_ms) < before]


def _crowded(small: Sequence[StoredFile]) -> list[list[StoredFile]]:
    """The files of the smallest size of which there are many, in batches."""
    tiers: dict[int, list[StoredFile]] = {}
    for file in small:
        tiers.setdefault(int(math.log(max(file.rows, 1), FANOUT)), []).append(file)
    crowded = [tier for _, tier in sorted(tiers.items()) if len(tier) >= FANOUT]
    return _batches(crowded[0]) if crowded else []


def _batches(small: Sequence[StoredFile]) -> list[list[StoredFile]]:
    """Files in batches that each fit into one file."""
    batches: list[list[StoredFile]] = []
    room = 0
    for file in small:
        if file.rows > room or not batches:
            batches.append([])
            room = datafile.MAX_ROWS
        batches[-1].append(file)
        room -= file.rows
    return batches


def _merge(log: Log, group: Sequence[StoredFile]) -> int:
    oldest_first = sorted(group, key=lambda file: file.written_ms)
    table = sorted_rows([scan.rows(log.place.files, [file]) for file in oldest_first])
    # Retention goes by when rows came in, which merging does not change.
    written_ms = oldest_first[-1].written_ms
    adds = datafile.write(log.place.files, group[0].service, group[0].day, table, written_ms)
    for add in adds:
        add.data_change = False
    at_ms = now_ms()
    return len(group) if log.replace(group, adds, [file.removal(at_ms, changed=False) for file in group]) else 0


def _newest_ms(file: StoredFile) -> int:
    latest = file.bounds.get("window", (None, None))[1]
    return (file.day + 1) * DAY_MS if latest is None else int(latest)


def _partition(file: StoredFile) -> Partition:
    return file.partition
