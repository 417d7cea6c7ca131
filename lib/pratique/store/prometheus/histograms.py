"""Histograms of Prometheus, classic and native, as counters of requests that took at most so long."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pratique.store.prometheus.client import Labels, RawSeries
from pratique.store.prometheus.samples import counter_of, in_order, target_of
from pratique.store.scraped.increases import Counter, Floats

OWN_LABELS = ("__name__", "le")


@dataclass(frozen=True)
class Histogram:
    """One histogram of one target. labels: without the bound.

    bounds: rising, in the unit of the metric, the last one infinity. counters: for each bound, of the observations up
    to it. total: the sum of the observations; None where it is not exposed. inner: the buckets of a native histogram
    that ever had an observation, (lower, upper); None for a classic one, which is counted at its own bounds only.
    """

    labels: Labels
    bounds: Floats
    counters: Sequence[Counter]
    total: Counter | None
    inner: Floats | None = None

    def resolves(self, bounds: Floats) -> npt.NDArray[np.bool_]:
        """Whether it is known how many observations were at most each of some bounds."""
        if self.inner is None:
            return np.isin(bounds, self.bounds)
        inside = (bounds[:, None] > self.inner[None, :, 0]) & (bounds[:, None] < self.inner[None, :, 1])
        return np.asarray(~inside.any(axis=1), np.bool_)

    def at(self, bound: float) -> Counter | None:
        """Return the counter of observations up to a bound that it resolves; None when there were none."""
        index = int(np.searchsorted(self.bounds, bound, side="right")) - 1
        return self.counters[index] if index >= 0 else None


def histograms_of(raw: Iterable[RawSeries], target: Sequence[str]) -> list[Histogram]:
    """Return the histograms among series named NAME_bucket and NAME_sum, and among native ones."""
    raw = list(raw)
    native = [_native(series, target) for series in raw if series.histograms]
    return [*_classic(raw, target), *native]


def common_bounds(found: Sequence[Histogram]) -> Floats:
    """Return the finite bounds at which all of the histograms are known, rising."""
    if not found:
        return np.zeros(0)
    bounds: Floats = np.unique(np.concatenate([histogram.bounds for histogram in found]))
    bounds = bounds[np.isfinite(bounds)]
    for histogram in found:
        bounds = bounds[histogram.resolves(bounds)]
    return bounds


def _classic(raw: Iterable[RawSeries], target: Sequence[str]) -> Iterator[Histogram]:
    buckets: dict[tuple[tuple[str, str], ...], dict[float, Counter]] = {}
    sums: dict[tuple[tuple[str, str], ...], Counter] = {}
    labels: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
    for series in raw:
        name, bound = series.labels.get("__name__", ""), _bound(series.labels.get("le", ""))
        own = {label: value for label, value in series.labels.items() if label not in OWN_LABELS}
        stem = name.removesuffix("_bucket").removesuffix("_sum")
        key = tuple(sorted({**own, "__name__": stem}.items()))
        if name.endswith("_bucket") and bound is not None:
            buckets.setdefault(key, {})[bound] = counter_of(series, target)
            labels[key] = own
        elif name.endswith("_sum"):
            sums[key] = counter_of(series, target, whole=False)
    for key, found in buckets.items():
        if math.inf in found:
            bounds = sorted(found)
            yield Histogram(labels[key], np.array(bounds), [found[bound] for bound in bounds], sums.get(key))


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _native(series: RawSeries, target: Sequence[str]) -> Histogram:
    """Turn a native histogram into counters at its buckets' upper bounds that every sample has as a bound.

    Its resolution can become coarser while it runs, and only buckets with observations are sent.
    """
    samples = series.histograms
    who, time = target_of(series.labels, target), np.array([round(float(at) * 1000) for at, _ in samples], np.int64)
    sides = [np.array(one.get("buckets", ()), np.float64).reshape(-1, 4)[:, 1:] for _, one in samples]
    buckets, at = np.concatenate(sides), np.repeat(np.arange(len(sides)), [len(one) for one in sides])
    inner = np.unique(buckets[:, :2], axis=0)
    bounds = np.unique(inner[:, 1])
    bounds = bounds[~((bounds[:, None] > inner[None, :, 0]) & (bounds[:, None] < inner[None, :, 1])).any(axis=1)]
    each = np.zeros((len(bounds) + 1, len(sides)))
    np.add.at(each, (np.searchsorted(bounds, buckets[:, 1]), at), buckets[:, 2])
    below = np.cumsum(each[:-1], axis=0)
    count = np.array([float(one["count"]) for _, one in samples])
    values = np.rint(np.vstack([below, count[None, :]]))
    counters = [Counter(who, *in_order(time, value)) for value in values]
    total = Counter(who, *in_order(time, np.array([float(one["sum"]) for _, one in samples])))
    own = {label: value for label, value in series.labels.items() if label not in OWN_LABELS}
    return Histogram(own, np.append(bounds, math.inf), counters, total, inner)
