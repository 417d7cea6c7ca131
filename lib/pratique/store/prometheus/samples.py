"""Samples as the server answers them, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pratique.store.prometheus.client import RawSeries
from pratique.store.scraped.increases import Counter, Floats, Ints


def counter_of(series: RawSeries, target: Sequence[str], *, whole: bool = True) -> Counter:
    """Return the samples of a series. whole: it counts requests, so its values are rounded to whole numbers."""
    time = np.round(np.array([sample[0] for sample in series.values], np.float64) * 1000).astype(np.int64)
    value = np.array([float(sample[1]) for sample in series.values], np.float64)
    known = np.isfinite(value)
    time, value = in_order(time[known], value[known])
    return Counter(target_of(series.labels, target), time, np.rint(value) if whole else value)


def target_of(labels: Mapping[str, str], target: Sequence[str]) -> tuple[str, ...]:
    """Return who exposed a series: the values of the labels that name a target."""
    return tuple(labels.get(label, "") for label in target)


def in_order(time_ms: Ints, value: Floats) -> tuple[Ints, Floats]:
    """Return samples with rising times; of two at the same time the later one is kept."""
    backwards, index = np.unique(time_ms[::-1], return_index=True)
    return backwards, value[::-1][index]
