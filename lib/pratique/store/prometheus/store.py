"""Rollups made of the counters and histograms that a Prometheus-compatible server has scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pratique.clock import from_ms, utc_now
from pratique.config import StoreSettings
from pratique.errors import UsageError
from pratique.store.base import Seen, oldest_first
from pratique.store.label_mapping import LabelReader, Tags
from pratique.store.prometheus.client import PrometheusClient, RawSeries, selector
from pratique.store.prometheus.histograms import Histogram, common_bounds, histograms_of
from pratique.store.prometheus.samples import counter_of, counting, once, request_names, target_of
from pratique.store.scraped import notes
from pratique.store.scraped.increases import Counter, Floats, Growth, Ints, Scrapes, growth
from pratique.store.scraped.read_only_store import ReadOnlyStore
from pratique.store.scraped.rows import RowBuilder, Span
from pratique.telemetry.rollups import Limits, Rollups

SOURCE = "prometheus"
WORDS = notes.Words("scrape", "store.metrics")
SETTLE_S = 3
"""How long after its end a window is read: the last scrape in it has to be stored."""


@dataclass(frozen=True)
class _Counted:
    """The counters of requests in a time range, with what their labels say."""

    counters: list[tuple[Tags, Counter]]
    scrapes: Scrapes


class PrometheusStore(ReadOnlyStore):
    """A read-only store. Its windows begin at multiples of `window_s`; one that has not ended is not read."""

    def __init__(self, settings: StoreSettings) -> None:
        """Raises: UsageError when the address is wrong, or the service file does not say which metrics are requests."""
        super().__init__(settings, settle_s=SETTLE_S)
        self._mapping = settings.metrics
        self._client = PrometheusClient(settings.url, settings.prometheus)
        if not self._mapping.is_given:
            raise UsageError(
                f"store {settings.url!r} needs a table [store.metrics] in the service file: set preset, such as "
                '"traefik" or "spring", or requests, service, revision and code'
            )
        self._labels = LabelReader(self._mapping)
        self._requests = request_names(self._mapping.requests)

    def exists(self) -> bool:
        """Whether the server has the counters of requests. Raises: the errors of `PrometheusClient.samples`."""
        span = self._span(None, None)
        found = self._client.names(self._selector(self._requests), span.first_ms // 1000, span.last_ms // 1000)
        return bool(found)

    def read(
        self,
        service: str,
        revisions: Sequence[str],
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> Rollups:
        """Return the increases in each window that has ended. Without a start, of the last `history_h` hours."""
        span = self._span(start, end)
        counted = self._count(span, service, revisions)
        histograms = self._histograms(span, service, revisions)
        counted.scrapes.add(counter for _, one in histograms for counter in one.counters[-1:])
        builder, uncounted = RowBuilder(span, SOURCE), notes.Uncounted(span)
        for tags, counter in counted.counters:
            grown = self._growth(counter, counted.scrapes)
            builder.add_requests(tags, grown)
            uncounted.add(tags, counter, grown)
        bounds_ms, differing = self._add_latency(builder, histograms, counted.scrapes)
        rollups = builder.rollups()
        found = [
            *notes.of_windows(counted.scrapes.interval_ms(), self._length_ms, WORDS),
            *notes.of_gaps(counted.scrapes, span, self._lookback_ms, WORDS),
            *notes.of_first_values(uncounted, WORDS),
            *notes.of_codes(tags for tags, _ in counted.counters),
            *(notes.of_bounds(bounds_ms) if differing else ()),
        ]
        unseen = notes.of_unseen_codes((tags for tags, _ in counted.counters), self._mapping.code, WORDS)
        return Rollups(rollups.table, Limits(bounds_ms, tuple(found), tuple(unseen)))

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, without a start in the last `history_h` hours."""
        span = self._span(start, end)
        counted = self._count(span, service, ())
        found: dict[tuple[str, str], Floats] = {}
        for tags, counter in counted.counters:
            key = (tags.service, tags.revision)
            found[key] = found.get(key, 0.0) + self._per_window(counter, counted.scrapes, span)
        seen = []
        for (named, revision), n in found.items():
            windows = np.flatnonzero(n)
            if len(windows):
                first, last = (from_ms(span.first_ms + int(at) * span.length_ms) for at in (windows[0], windows[-1]))
                seen.append(Seen(named, revision, first, last, int(n.sum())))
        return oldest_first(seen)

    def newest(self) -> datetime | None:
        """Return the time of the last scrape of a counter of requests, UTC; None when there is none within `lookback_s`."""
        now_s = int(utc_now().timestamp()) + 1
        raw = self._client.samples(self._selector(self._requests), now_s - self._mapping.lookback_s, now_s)
        newest = [
            int(counter.time_ms[-1])
            for counter in (counter_of(series, self._mapping.target) for series in raw)
            if len(counter.time_ms)
        ]
        return from_ms(max(newest)) if newest else None

    def _selector(self, names: str, service: str | None = None, revisions: Sequence[str] = ()) -> str:
        equal, among = dict(self._mapping.match), {}
        if service is not None and self._labels.label_of("service"):
            equal[self._labels.label_of("service")] = service
        if revisions and self._labels.label_of("revision"):
            among[self._labels.label_of("revision")] = list(revisions)
        return selector(names, equal, among)

    def _samples(self, names: str, span: Span, service: str | None, revisions: Sequence[str]) -> list[RawSeries]:
        if not names or not span.windows:
            return []
        first_s, last_s = (span.first_ms - self._lookback_ms) // 1000, span.last_ms // 1000
        return self._client.samples(self._selector(names, service, revisions), first_s, last_s)

    def _count(self, span: Span, service: str | None, revisions: Sequence[str]) -> _Counted:
        # the revisions are chosen here, not by the server: other series of a target tell when it was scraped
        raw = counting(self._samples(self._requests, span, service, ()), self._mapping.requests)
        named = [(self._labels.read(series.labels), counter_of(series, self._mapping.target)) for series in raw]
        wanted = [
            (tags, counter)
            for tags, counter in named
            if tags is not None
            and (service is None or tags.service == service)
            and (not revisions or tags.revision in revisions)
        ]
        return _Counted(wanted, Scrapes([counter for _, counter in named], self._starts(span)))

    def _starts(self, span: Span) -> _Starts:
        return _Starts(lambda: self._samples(self._mapping.start_time, span, None, ()), self._mapping.target)

    def _growth(self, counter: Counter, scrapes: Scrapes) -> Growth:
        return growth(counter, scrapes, self._lookback_ms)

    def _add_latency(
        self, builder: RowBuilder, found: Sequence[tuple[Tags, Histogram]], scrapes: Scrapes
    ) -> tuple[tuple[float, ...], bool]:
        """Add the histograms' increases. Return the bounds in ms, and whether some histogram has further ones."""
        bounds = common_bounds([histogram for _, histogram in found])
        factor = 1000.0 if self._mapping.latency_unit == "s" else 1.0
        bounds_ms = np.array([float(f"{bound * factor:.12g}") for bound in bounds])
        for tags, histogram in found:
            counters = [*(histogram.at(bound) for bound in bounds), histogram.counters[-1]]
            up_to = np.stack([self._per_window(counter, scrapes, builder.span) for counter in counters])
            sums = self._per_window(histogram.total, scrapes, builder.span)
            builder.add_latency(tags, bounds_ms, up_to, sums * factor)
        differing = any(one.inner is None and len(one.bounds) - 1 > len(bounds) for _, one in found)
        return tuple(bounds_ms.tolist()), differing

    def _per_window(self, counter: Counter | None, scrapes: Scrapes, span: Span) -> Floats:
        return span.per_window(self._growth(counter, scrapes)) if counter else np.zeros(span.windows)

    def _histograms(self, span: Span, service: str, revisions: Sequence[str]) -> list[tuple[Tags, Histogram]]:
        names = [name for name in self._mapping.latency.split("|") if name]
        wanted = "|".join(f"{name}{end}" for name in names for end in ("", "_bucket", "_sum"))
        found = histograms_of(once(self._samples(wanted, span, service, revisions)), self._mapping.target)
        named = [(self._labels.read(histogram.labels), histogram) for histogram in found]
        return [
            (tags, one)
            for tags, one in named
            if tags is not None and tags.service == service and tags.revision in revisions
        ]


class _Starts:
    """When the processes of targets started, read from the server when the first target asks."""

    def __init__(self, read: Callable[[], Iterable[RawSeries]], target: Sequence[str]) -> None:
        self._read = read
        self._target = target
        self._known: Mapping[tuple[str, ...], Ints] | None = None

    def __call__(self, target: tuple[str, ...]) -> Ints:
        if self._known is None:
            self._known = _starts_of(self._read(), self._target)
        return self._known.get(target, np.zeros(0, np.int64))


def _starts_of(raw: Iterable[RawSeries], target: Sequence[str]) -> dict[tuple[str, ...], Ints]:
    found: dict[tuple[str, ...], list[Ints]] = {}
    for series in raw:
        value = counter_of(series, target, whole=False).value
        found.setdefault(target_of(series.labels, target), []).append(
            np.unique(np.round(value * 1000)).astype(np.int64)
        )
    return {who: np.unique(np.concatenate(times)) for who, times in found.items()}
