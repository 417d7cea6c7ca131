"""Samples as the server answers them, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pratique.store.prometheus.client import RawSeries
from pratique.store.scraped.increases import Counter, Floats, Ints


def counter_of(series: RawSeries, target: Sequence[str], *, whole: bool = True) -> Counter:
    """Return the samples of a series; of a native histogram, its numbers of observations.

    whole: it counts requests, so its values are rounded to whole numbers.
    """
    samples = series.values or [[at, one["count"]] for at, one in series.histograms]
    time = np.round(np.array([sample[0] for sample in samples], np.float64) * 1000).astype(np.int64)
    value = np.array([float(sample[1]) for sample in samples], np.float64)
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


def request_names(names: str) -> str:
    """Return the names of metrics that count requests, and for those of histograms the name of a native one, which counts within itself."""
    known = [name for name in names.split("|") if name]
    stems = [name.removesuffix("_count") for name in known if name.endswith("_count")]
    return "|".join(dict.fromkeys([*known, *stems]))


def counting(raw: Iterable[RawSeries], names: str) -> list[RawSeries]:
    """Return the series that count requests, each request once. names: as the service file has them; of others, native histograms count."""
    known = names.split("|")
    return once(series for series in raw if series.histograms or series.labels.get("__name__") in known)


def once(raw: Iterable[RawSeries]) -> list[RawSeries]:
    """Return the series without those that tell what another one tells: a target may expose a histogram in both forms.

    Of two forms, the one with the newer sample is kept, and the classic one when both are in every scrape.
    """
    found = list(raw)
    newest: dict[tuple[tuple[str, str], ...], tuple[float, bool]] = {}
    for series in found:
        newest[_told_by(series)] = max(newest.get(_told_by(series), (0.0, False)), _age(series))
    return [series for series in found if _age(series)[1] == newest[_told_by(series)][1]]


_ENDS = ("_bucket", "_count", "_sum")


def _told_by(series: RawSeries) -> tuple[tuple[str, str], ...]:
    name = series.labels.get("__name__", "")
    stem = next((name.removesuffix(end) for end in _ENDS if name.endswith(end)), name)
    return tuple(
        sorted({**{label: text for label, text in series.labels.items() if label != "le"}, "__name__": stem}.items())
    )


def _age(series: RawSeries) -> tuple[float, bool]:
    """The time of the last sample, and whether the form is the classic one."""
    samples = series.values or series.histograms
    return (float(samples[-1][0]) if samples else 0.0), not series.histograms
