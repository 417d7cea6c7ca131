"""Counters of requests in the fields of points, as samples of what a target exposes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pratique.store.label_mapping import Tags
from pratique.store.points.answer import Series
from pratique.store.points.tag_reader import FIELD, TagReader
from pratique.store.scraped.increases import Counter, Floats, Ints, Scrapes

_NUMBER = r"^[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?$"
_NS_PER_MS = 1_000_000
_MOST = 2.0**53
"""From here on a float does not tell each count from the next."""


class CounterSamples:
    """Collects the samples of counters, part by part of a time range."""

    def __init__(self, reader: TagReader, target: Sequence[str]) -> None:
        """target: the tags that tell whose counters have begun together."""
        self._reader, self._target = reader, target
        self._parts: dict[tuple[tuple[str, str], ...], list[tuple[Ints, Floats]]] = {}

    def add(self, series: Iterable[Series]) -> None:
        """Take in the samples of one part of the range."""
        for one in series:
            is_number = pc.match_substring_regex(one.values, _NUMBER)
            value = pc.cast(one.values.filter(is_number), pa.float64()).to_numpy(zero_copy_only=False)
            # rounded up: a window that ends within the millisecond has not the whole sample
            time_ms = -(-one.time_ns[is_number.to_numpy(zero_copy_only=False)] // _NS_PER_MS)
            is_exact = np.abs(value) < _MOST
            self._parts.setdefault(_key(one), []).append((time_ms[is_exact], np.rint(value[is_exact])))

    def add_earlier(self, series: Iterable[Series]) -> None:
        """Take in the last sample of before the range, of counters that have one within it."""
        self.add(one for one in series if _key(one) in self._parts)

    def counters(self) -> list[tuple[Tags | None, Counter]]:
        """Return all counters with what their tags say; None for those that name no service."""
        return [self._counter(dict(key), parts) for key, parts in self._parts.items()]

    def _counter(self, labels: Mapping[str, str], parts: Sequence[tuple[Ints, Floats]]) -> tuple[Tags | None, Counter]:
        time_ms, first = np.unique(np.concatenate([time for time, _ in parts]), return_index=True)
        value = np.concatenate([value for _, value in parts])[first]
        target = tuple(labels.get(tag, "") for tag in self._target)
        return self._reader.read(labels), Counter(target, time_ms, value)


def _key(series: Series) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**series.tags, FIELD: series.field}.items()))


def continued(counter: Counter, scrapes: Scrapes, lookback_ms: int) -> Counter:
    """Return a counter with its last value repeated where it was silent while its target wrote others, and then went on.

    A program that leaves out points that repeat the last one, such as Telegraf's dedup, was silent: the counter has not begun again.
    """
    time, value = counter.time_ms, counter.value
    written = scrapes.times[counter.target]
    for gap in np.flatnonzero(np.diff(time) > lookback_ms).tolist():
        if value[gap + 1] >= value[gap]:
            others = written[(written > time[gap]) & (written < time[gap + 1])]
            counter = _with(counter, others, float(value[gap]))
    return counter


def _with(counter: Counter, time_ms: Ints, value: float) -> Counter:
    where = np.searchsorted(counter.time_ms, time_ms)
    return Counter(counter.target, np.insert(counter.time_ms, where, time_ms), np.insert(counter.value, where, value))
