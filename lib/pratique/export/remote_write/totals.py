"""Counters that only grow, made of rollups that are written again and again with their full totals.

What each open window has contributed is remembered, so that a window that is taken in again adds only its difference. Late
requests of a window are seen in the sample of the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pratique.export.remote_write.metrics import DOUBLINGS, KEY_LABELS, WIDTH, Key, Values
from pratique.telemetry.rollups import Rollups
from pratique.telemetry.thresholds import counts_under

ACTIVE_MS = 600_000
"""How long after its last request a series is still sent."""
SILENT_MS = 240_000
"""Silence after which a series starts from zero: readers look back five minutes for the value before."""

Slot = tuple[str, int]
"""A window of a source: the source of its rows, and its start, epoch ms."""


@dataclass
class Total:
    """The counters of a key. sent: its values at `sent_ms`, when it was sent last. changed_ms: end of its last window."""

    values: Values
    sent: Values
    changed_ms: int = 0
    sent_ms: int = 0


@dataclass(frozen=True)
class Step:
    """The samples that are sent at the end of a window: for each key one or two samples, epoch ms and values."""

    end_ms: int
    samples: Sequence[tuple[Key, Sequence[tuple[int, Values]]]]


@dataclass
class Totals:
    """The counters, and what open windows contributed to them.

    closed: for each source the end of its last window that is forgotten, and takes no more rows. end_ms: of the last step.
    """

    totals: dict[Key, Total] = field(default_factory=dict)
    windows: dict[Slot, dict[Key, Values]] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    end_ms: int = 0

    def take(self, rollups: Rollups, *, keep_ms: int) -> Iterator[Step]:
        """Add rollups; yield the samples of each window that is newer than all before.

        keep_ms: how long after the newest window of a source its windows can still change.
        """
        for end_ms, length_ms, rows in _by_window(rollups):
            for slot, key, values in rows:
                if slot[1] + length_ms > self.closed.get(slot[0], 0):
                    self._add(slot, key, values, length_ms)
            if end_ms > self.end_ms:
                self.end_ms = end_ms
                yield Step(end_ms, [*self._samples(end_ms, length_ms)])
            self._close(end_ms - keep_ms, {slot[0] for slot, _, _ in rows}, length_ms)

    def is_set_back(self, rollups: Rollups, *, keep_ms: int) -> bool:
        """Whether rollups of a new source are older than the samples that were sent: the clock was set back, and a server takes no older samples."""
        sources = {*self.closed, *(source for source, _ in self.windows)}
        newest_ms = max((end_ms for end_ms, _, _ in _by_window(rollups)), default=self.end_ms)
        return newest_ms < self.end_ms - keep_ms and not sources & set(rollups.table["source"].to_pylist())

    def _add(self, slot: Slot, key: Key, values: Values, length_ms: int) -> None:
        total, end_ms = self.totals.get(key), slot[1] + length_ms
        if total is None:
            total = self.totals[key] = Total(np.zeros(WIDTH), np.zeros(WIDTH))
        elif total.sent_ms and slot[1] - total.sent_ms > SILENT_MS:
            # late requests that were not sent before the silence are sent after it
            total = self.totals[key] = Total(total.values - total.sent, np.zeros(WIDTH))
        known = self.windows.setdefault(slot, {})
        before = known.get(key)
        # lines that a power failure has taken from the collector were sent before: a counter must not shrink
        now = values if before is None else np.maximum(before, values)
        total.values = total.values + (now if before is None else now - before)
        total.changed_ms = max(total.changed_ms, end_ms)
        known[key] = now

    def _samples(self, end_ms: int, length_ms: int) -> Iterator[tuple[Key, list[tuple[int, Values]]]]:
        for key, total in [*self.totals.items()]:
            if total.changed_ms < end_ms - max(ACTIVE_MS, 2 * length_ms) and np.array_equal(total.values, total.sent):
                del self.totals[key]
                continue
            start_ms = end_ms - length_ms
            # readers count differences between samples, so the value before the window must be there
            first = [(start_ms, total.sent)] if total.sent_ms < start_ms else []
            total.sent, total.sent_ms = total.values, end_ms
            yield key, [*first, (end_ms, total.values)]

    def _close(self, bound_ms: int, sources: set[str], length_ms: int) -> None:
        for source in sources:
            over = [slot for slot in self.windows if slot[0] == source and slot[1] + length_ms <= bound_ms]
            for slot in over:
                del self.windows[slot]
                self.closed[source] = max(self.closed.get(source, 0), slot[1] + length_ms)


def _by_window(rollups: Rollups) -> Iterator[tuple[int, int, list[tuple[Slot, Key, Values]]]]:
    """The rows of each window, the oldest first: its end and length in ms, and for each row its slot, key and values."""
    table = rollups.table.combine_chunks()
    if not table.num_rows:
        return
    starts = table["window"].cast(pa.int64()).to_pylist()
    bucket, count = (table[name].chunk(0) for name in ("bucket", "count"))
    values = np.column_stack(
        [table["n"].to_numpy(), table["sum_ms"].to_numpy(), counts_under(bucket, count, DOUBLINGS)]
    ).astype(np.float64)
    keys = zip(*(table[name].cast(pa.string()).to_pylist() for name in KEY_LABELS), strict=True)
    found: dict[tuple[int, int], list[tuple[Slot, Key, Values]]] = {}
    sources, lengths = table["source"].to_pylist(), table["window_s"].to_pylist()
    for start, key, source, length_s, row in zip(starts, keys, sources, lengths, values, strict=True):
        end = start + length_s * 1000
        found.setdefault((end, length_s * 1000), []).append(((source, start), key, row))
    for (end_ms, length_ms), rows in sorted(found.items()):
        yield end_ms, length_ms, rows
