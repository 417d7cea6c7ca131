"""Add requests up in windows, in the memory of the collector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pratique.telemetry.buckets import bucket_of
from pratique.telemetry.rollups import SCHEMA, Rollups

Key = tuple[str, str, str, int, str]


@dataclass(slots=True)
class _Cell:
    n: int = 0
    sum_ms: float = 0.0
    histogram: dict[int, int] = field(default_factory=dict)


class Window:
    """The totals of one window by service, revision, action, code and host."""

    __slots__ = ("cells", "changed", "due_ms", "keys", "segments", "stored", "writing")

    def __init__(self) -> None:
        """Start empty.

        changed: services with requests since the last write. writing: those of a write in progress. stored: whether it was ever
        written. due_ms: when the next changes are written, epoch ms. segments: numbers of the spool's segments that hold its lines.
        keys: distinct keys by service.
        """
        self.cells: dict[Key, _Cell] = {}
        self.keys: Counter[str] = Counter()
        self.changed: set[str] = set()
        self.writing: set[str] = set()
        self.stored = False
        self.due_ms = 0
        self.segments: set[int] = set()

    def add(self, key: Key, duration_ms: float | None) -> None:
        """Count one request."""
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = _Cell()
            self.keys[key[0]] += 1
        cell.n += 1
        self.changed.add(key[0])
        if duration_ms is not None:
            cell.sum_ms += duration_ms
            bucket = bucket_of(duration_ms)
            cell.histogram[bucket] = cell.histogram.get(bucket, 0) + 1

    def begin_write(self) -> None:
        """Regard the changes as written, until `failed`."""
        self.writing, self.changed = self.changed, set()

    def wrote(self, due_ms: int) -> None:
        """Settle a write; later changes wait until due_ms."""
        self.stored, self.writing, self.due_ms = True, set(), due_ms

    def failed(self) -> None:
        """Take back a write."""
        self.changed, self.writing = self.changed | self.writing, set()


def rollups_of(windows: dict[int, Window], *, window_s: int, source: str) -> Rollups:
    """Return the totals of the changed services of windows as rollups. windows: by their start in epoch ms."""
    rows = [
        (start, key, cell)
        for start, window in sorted(windows.items())
        for key, cell in window.cells.items()
        if key[0] in window.changed
    ]
    histograms = [sorted(cell.histogram.items()) for _, _, cell in rows]
    keys = list(zip(*(key for _, key, _ in rows), strict=True)) if rows else [()] * 5
    columns = {
        "window": pa.array([start for start, _, _ in rows], pa.int64()).cast(pa.timestamp("ms", tz="UTC")),
        "window_s": pa.array(np.full(len(rows), window_s, np.int32)),
        "service": pa.array(keys[0], pa.string()),
        "revision": pa.array(keys[1], pa.string()),
        "action": pa.array(keys[2], pa.string()),
        "code": pa.array(keys[3], pa.int16()),
        "host": pa.array(keys[4], pa.string()),
        "source": pa.array([source] * len(rows), pa.string()),
        "n": pa.array([cell.n for _, _, cell in rows], pa.int64()),
        "sum_ms": pa.array([cell.sum_ms for _, _, cell in rows], pa.float64()),
        "bucket": pa.array([[bucket for bucket, _ in pairs] for pairs in histograms], pa.list_(pa.int16())),
        "count": pa.array([[count for _, count in pairs] for pairs in histograms], pa.list_(pa.int64())),
    }
    return Rollups(pa.table(columns, schema=SCHEMA))
