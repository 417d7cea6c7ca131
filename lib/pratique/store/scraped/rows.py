"""Rollups of the increases of counters and histograms: one row for each window in which something grew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pratique.store.label_mapping import Tags
from pratique.store.scraped.increases import Floats, Growth, Ints, window_ms
from pratique.telemetry.buckets import bucket_below
from pratique.telemetry.rollups import SCHEMA, Rollups

WITHOUT_CODE = 200
"""The code of rows that have durations only, from a histogram without a label for the code; their `n` is 0."""


@dataclass(frozen=True)
class Span:
    """The windows that are read. first_ms, last_ms: start of the first and end of the last one, epoch ms."""

    first_ms: int
    last_ms: int
    length_ms: int

    def per_window(self, grown: Growth) -> Floats:
        """Return the increase in each window."""
        window = (window_ms(grown.time_ms, self.length_ms) - self.first_ms) // self.length_ms
        inside = (window >= 0) & (window < self.windows)
        found = np.bincount(window[inside], weights=grown.increase[inside], minlength=self.windows)
        return np.asarray(found, np.float64)

    @property
    def windows(self) -> int:
        """The number of windows."""
        return max((self.last_ms - self.first_ms) // self.length_ms, 0)


@dataclass
class RowBuilder:
    """Collects rows; `rollups` adds those with the same key up. source: of the rows, which names the kind of the store."""

    span: Span
    source: str
    _parts: list[pa.Table] = field(default_factory=list)

    def add_requests(self, tags: Tags, grown: Growth) -> None:
        """Add the increase of a counter of requests."""
        n = self.span.per_window(grown).astype(np.int64)
        where = np.flatnonzero(n)
        empty = np.zeros(len(where) + 1, np.int32)
        self._add(tags, where, {"n": n[where]}, empty, np.zeros(0), np.zeros(0))

    def add_latency(self, tags: Tags, bounds_ms: Floats, up_to: Floats, sum_ms: Floats) -> None:
        """Add the increase of a histogram.

        bounds_ms: finite, rising. up_to: for each of them, and for all, the observations up to it, per window; shape
        (bounds + 1, windows).
        """
        rising = np.maximum.accumulate(up_to, axis=0)
        each = np.diff(rising, axis=0, prepend=0).astype(np.int64).T
        where = np.flatnonzero(each.any(axis=1))
        row, bound = np.nonzero(each[where])
        buckets = np.array([*map(bucket_below, bounds_ms), bucket_below(np.inf)], np.int16)
        offsets = np.searchsorted(row, np.arange(len(where) + 1)).astype(np.int32)
        self._add(tags, where, {"sum_ms": sum_ms[where]}, offsets, buckets[bound], each[where][row, bound])

    def rollups(self) -> Rollups:
        """Return the rows, those with the same key added up."""
        if not self._parts:
            return Rollups.empty()
        return Rollups(pa.concat_tables(self._parts)).merge(Rollups.empty())

    def _add(
        self,
        tags: Tags,
        where: Ints,
        values: Mapping[str, Floats | Ints],
        offsets: np.ndarray[tuple[int], np.dtype[np.int32]],
        bucket: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.generic]],
        count: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.generic]],
    ) -> None:
        if not len(where):
            return
        rows = len(where)
        time = pa.array(self.span.first_ms + where * self.span.length_ms, pa.int64())
        texts = {
            "service": tags.service,
            "revision": tags.revision,
            "action": tags.action,
            "host": tags.host,
            "source": self.source if tags.code is not None or "n" in values else f"{self.source} latency",
        }
        columns = {
            "window": time.cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC")),
            "window_s": pa.array(np.full(rows, self.span.length_ms // 1000), pa.int32()),
            **{name: pa.array([text]).take(pa.array(np.zeros(rows, np.int64))) for name, text in texts.items()},
            "code": pa.array(np.full(rows, WITHOUT_CODE if tags.code is None else tags.code), pa.int16()),
            "n": pa.array(values.get("n", np.zeros(rows)).astype(np.int64)),
            "sum_ms": pa.array(values.get("sum_ms", np.zeros(rows)).astype(np.float64)),
            "bucket": pa.ListArray.from_arrays(offsets, pa.array(np.asarray(bucket, np.int16))),
            "count": pa.ListArray.from_arrays(offsets, pa.array(np.asarray(count, np.int64))),
        }
        self._parts.append(pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA))
