"""Keep a store quick and small: merge small files, apply the retention, write checkpoints, and vacuum.

Each step is one commit that only changes which files hold the rows. Readers and writers continue meanwhile, and a
kill at any time leaves the table valid.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

import pyarrow as pa
from deltalake.exceptions import DeltaError

from pratique.clock import now_ms
from pratique.errors import PratiqueError
from pratique.store import datafile, scan
from pratique.store.changes import sorted_rows
from pratique.store.datafile import DAY_MS
from pratique.store.delta_log import CHECKPOINT_EVERY, DeltaLog
from pratique.store.snapshot import Partition, Snapshot, StoredFile

FANOUT = 8
"""Small files of similar size that are merged into one: each row is rewritten about once per factor of 8."""

QUIET_MS = 3_600_000
"""A day without a write for this long is finished: its remaining small files are merged into one."""

_CLEAN_EVERY = 512
"""Versions between two rounds of retention and vacuum: 1.4 h at a write every 10 s."""

_log = logging.getLogger(__name__)


def tend(log: DeltaLog, before: int, after: int, touched: Collection[Partition], retention_days: float) -> None:
    """Do the upkeep that is due after a write took the table from version `before` to version `after`.

    A failure is logged and does not affect the write; a later write tries again.
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
        _log.warning("store %r: upkeep failed, a later write tries again: %s", log.location.name, error)


def merge_small(log: DeltaLog, touched: Collection[Partition] | None = None, *, thorough: bool = False) -> int:
    """Merge small files (of the partitions touched). Return the number of files merged into others.

    A merge is skipped when another writer has replaced one of its files.
    """
    files = Snapshot(log.open_or_create()).files()
    if touched is not None:
        files = [file for file in files if file.partition in touched]
    return sum(_merge(log, group) for group in due(files, now_ms(), thorough=thorough))


def retire(log: DeltaLog, retention_days: float) -> int:
    """Drop files that are older than the retention. Return how many."""
    at_ms = now_ms()
    old = expired(Snapshot(log.open_or_create()).files(), retention_days, at_ms)
    dropped = bool(old) and log.replace(old, [], [file.removal(at_ms, changed=True) for file in old])
    return len(old) if dropped else 0


def clean(log: DeltaLog) -> int:
    """Delete files replaced long enough ago, and log entries before a checkpoint. Return the number of files."""
    table = log.open_or_create()
    table.create_checkpoint()
    table.cleanup_metadata()
    return len(table.vacuum(dry_run=False, full=True))


def due(files: Iterable[StoredFile], now_ms: int, *, thorough: bool = False) -> list[list[StoredFile]]:
    """Return groups of files of one partition to merge into one file each.

    thorough: merge all small files, even of a day that is still being written.
    """
    groups = []
    for _, members in groupby(sorted(files, key=_partition), key=_partition):
        small = [file for file in members if file.rows < datafile.MAX_ROWS // 2]
        done = bool(small) and max(file.written_ms for file in small) < now_ms - QUIET_MS
        groups += _batches(small) if thorough or done else _crowded(small)
    return [group for group in groups if len(group) > 1]


def expired(files: Iterable[StoredFile], retention_days: float, now_ms: int) -> list[StoredFile]:
    """Return files whose rows are all older than the retention, by window and by time of arrival; 0 keeps all.

    Both, because an old log that is imported today must not be dropped at once.
    """
    if retention_days <= 0:
        return []
    before = now_ms - retention_days * DAY_MS
    return [file for file in files if max(_newest_ms(file), file.written_ms) < before]


def _crowded(small: Sequence[StoredFile]) -> list[list[StoredFile]]:
    """The files of the smallest size class that has at least FANOUT files, in batches."""
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


def _merge(log: DeltaLog, group: Sequence[StoredFile]) -> int:
    oldest_first = sorted(group, key=lambda file: file.written_ms)
    table = sorted_rows([scan.rows(log.location.files, [file]) for file in oldest_first])
    # the retention goes by the time of arrival, which a merge must not change
    written_ms = oldest_first[-1].written_ms
    adds = datafile.write(log.location.files, group[0].service, group[0].day, table, written_ms)
    for add in adds:
        add.data_change = False
    at_ms = now_ms()
    return len(group) if log.replace(group, adds, [file.removal(at_ms, changed=False) for file in group]) else 0


def _newest_ms(file: StoredFile) -> int:
    latest = file.bounds.get("window", (None, None))[1]
    return (file.day + 1) * DAY_MS if latest is None else int(latest)


def _partition(file: StoredFile) -> Partition:
    return file.partition
