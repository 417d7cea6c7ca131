"""What keeps a store quick and small: merging of small files, retention, checkpoints, and the vacuum.

All of it only changes which files hold the rows, never a row, and each piece is one commit, so that readers
and writers go on meanwhile and a death at any moment leaves the table whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from deltalake.transaction import AddAction
from pyarrow import fs

from pratique.store import datafile, scan
from pratique.store.changes import sorted_rows
from pratique.store.datafile import DAY_MS
from pratique.store.snapshot import StoredFile

FANOUT = 8
"""Small files of alike size that are merged into one: each row is written anew about once per factor of 8."""

QUIET_MS = 3_600_000
"""A day into which nothing came for an hour is done: what is left of its small files becomes one."""

TABLE_SETTINGS = {
    # A reader opens its files within seconds of choosing them; six hours are for a query of Spark's.
    "delta.deletedFileRetentionDuration": "interval 6 hours",
    # A write every 10 s makes 720 log entries in two hours; more would slow the opening of the table.
    "delta.logRetentionDuration": "interval 2 hours",
}
CHECKPOINT_EVERY = 32
CLEAN_EVERY = 512
"""Versions between two checkpoints, and between two rounds of retention and vacuum (1.4 h at a write every 10 s)."""


@dataclass(frozen=True)
class Upkeep:
    """What was done: files merged away, files dropped by retention, files deleted from the disk."""

    merged: int = 0
    dropped: int = 0
    deleted: int = 0


def due(files: Iterable[StoredFile], now_ms: int, *, thorough: bool = False) -> list[list[StoredFile]]:
    """Groups of files of one service and day that had better be one file.

    thorough: leave no small files at all, not even in a day that is still being written.
    """
    key = lambda file: (file.service, file.day)  # noqa: E731
    groups = []
    for _, members in groupby(sorted(files, key=key), key=key):
        small = [file for file in members if file.rows < datafile.MAX_ROWS // 2]
        done = bool(small) and max(file.written_ms for file in small) < now_ms - QUIET_MS
        groups += _batches(small) if thorough or done else _tiers(small)
    return [group for group in groups if len(group) > 1]


def _tiers(small: Sequence[StoredFile]) -> list[list[StoredFile]]:
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
        if file.rows > room:
            batches.append([])
            room = datafile.MAX_ROWS
        batches[-1].append(file)
        room -= file.rows
    return batches


def merge(where: fs.FileSystem, group: Sequence[StoredFile]) -> tuple[AddAction, ...]:
    """Write the rows of files of one service and day as one file."""
    oldest_first = sorted(group, key=lambda file: file.written_ms)
    table = sorted_rows([scan.rows(where, [file]) for file in oldest_first])
    # Retention goes by when rows came in, which merging does not change.
    written_ms = max(file.written_ms for file in group)
    return datafile.write(where, group[0].service, group[0].day, table, written_ms)


def expired(files: Iterable[StoredFile], retention_days: float, now_ms: int) -> list[StoredFile]:
    """Files whose every row is older than the retention, by its window and by when it came in.

    Both, because a log of last year that is imported today is meant to be looked at.
    """
    if retention_days <= 0:
        return []
    before = now_ms - retention_days * DAY_MS
    return [file for file in files if max(_newest(file), file.written_ms) < before]


def _newest(file: StoredFile) -> int:
    latest = file.bounds.get("window", (None, None))[1]
    return (file.day + 1) * DAY_MS if latest is None else int(latest)
