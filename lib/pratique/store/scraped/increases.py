"""By how much counters grew, from their raw samples.

The increase between two samples is their difference, or the later value when the counter began again from zero. It
counts in the window in which the later sample was taken: no request is divided, and the sum is all that the counter counted.

A series without a sample for longer than `lookback` before has started over, and its first value is its increase if

- its target was scraped within that time, without it: it began after that scrape (the first 500 of a process); or
- its process started within that time.

Otherwise nobody knows over how many hours the value came about, and it is not counted. The rule looks at no more than
`lookback` before a sample, so that every time range gives the same counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NEVER: Ints = np.zeros(0, np.int64)
"""The known starts of a process of which none is known."""


@dataclass(frozen=True)
class Counter:
    """The samples of one counter. time_ms: epoch ms, rising. value: as it was exposed. target: who exposed it."""

    target: tuple[str, ...]
    time_ms: Ints
    value: Floats


@dataclass(frozen=True)
class Growth:
    """The increases of a counter, one for each sample. uncounted: sum of first values that are no increase."""

    time_ms: Ints
    increase: Floats
    uncounted: float


class Scrapes:
    """When targets were scraped, known from the samples of their counters.

    times: for each target the times of its scrapes, epoch ms, rising.
    """

    def __init__(self, counters: Iterable[Counter], started: Callable[[tuple[str, ...]], Ints]) -> None:
        """started: returns the known starts of a target's process, epoch ms."""
        self.times: dict[tuple[str, ...], Ints] = {}
        self._started = started
        self.add(counters)

    def add(self, counters: Iterable[Counter]) -> None:
        """Take in the samples of further counters."""
        found: dict[tuple[str, ...], list[Ints]] = {target: [times] for target, times in self.times.items()}
        for counter in counters:
            found.setdefault(counter.target, []).append(counter.time_ms)
        self.times = {target: np.unique(np.concatenate(times)) for target, times in found.items()}

    def interval_ms(self) -> int:
        """Return the usual time between two scrapes of a target, ms; 0 when it is not known."""
        apart = [np.diff(found) for found in self.times.values() if len(found) > 1]
        return int(np.median(np.concatenate(apart))) if apart else 0

    def new_since(self, target: tuple[str, ...], time_ms: int, lookback_ms: int) -> bool:
        """Whether a series whose first sample is at `time_ms` began within `lookback_ms` before it, from zero."""
        before = self.times[target]
        last = before[: np.searchsorted(before, time_ms)][-1:]
        if len(last) and time_ms - int(last[0]) <= lookback_ms:
            return True
        started = self._started(target)
        return bool(((started > time_ms - lookback_ms) & (started <= time_ms)).any())


def growth(counter: Counter, scrapes: Scrapes, lookback_ms: int) -> Growth:
    """Return the increases of a counter, one for each sample, at the time of that sample."""
    time, value = counter.time_ms, counter.value
    if not len(time):
        return Growth(time, value, 0.0)
    step = np.diff(value)
    increase = np.concatenate([[0.0], np.where(step < 0, value[1:], step)])
    firsts = np.flatnonzero(np.concatenate([[True], np.diff(time) > lookback_ms]))
    uncounted = 0.0
    for first in firsts:
        from_zero = scrapes.new_since(counter.target, int(time[first]), lookback_ms)
        increase[first] = value[first] if from_zero else 0.0
        uncounted += 0.0 if from_zero else float(value[first])
    return Growth(time, increase, uncounted)


def window_ms(time_ms: Ints, length_ms: int) -> Ints:
    """Return the start of the window that a scrape's increase counts in: one at a window's end belongs to that window."""
    return (time_ms - 1) // length_ms * length_ms
