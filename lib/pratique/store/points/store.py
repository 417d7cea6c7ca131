"""Rollups made of points that another program, such as Telegraf, writes to a bucket of InfluxDB 2."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
from typing_extensions import override

from pratique.clock import now_ms
from pratique.config import StoreSettings
from pratique.errors import UsageError
from pratique.store.base import Seen
from pratique.store.label_mapping import NO_REVISION, Tags
from pratique.store.points.bucket import PointBucket
from pratique.store.points.counters import CounterSamples, continued
from pratique.store.points.requests import SOURCE, RequestCounter
from pratique.store.points.revisions import of_counts, of_rollups
from pratique.store.points.tag_reader import TagReader
from pratique.store.rows import require_zone
from pratique.store.scraped import notes
from pratique.store.scraped.bounded_names import BoundedRows
from pratique.store.scraped.increases import NEVER, Scrapes, growth
from pratique.store.scraped.read_only_store import ReadOnlyStore
from pratique.store.scraped.rows import RowBuilder, Span
from pratique.telemetry.rollups import Limits, Rollups

Wanted = Callable[[Tags], bool]
WORDS = notes.Words("point", "store.points")


class PointStore(ReadOnlyStore):
    """A read-only store. Its windows begin at multiples of `window_s`; one is read `settle_s` after its end."""

    def __init__(self, settings: StoreSettings) -> None:
        """Raises: UsageError when the address is wrong, or the service file does not say what the points mean."""
        super().__init__(settings, settle_s=settings.points.settle_s)
        self._mapping = settings.points
        self._bucket = PointBucket(settings)
        if self._mapping.missing:
            what = "it" if len(self._mapping.missing) == 1 else "them"
            raise UsageError(
                f"[store.points] has no {' and no '.join(self._mapping.missing)}: set {what}, or preset, such as "
                '"telegraf-haproxy"; service = "=NAME" is always that name'
            )
        self._reader = TagReader(self._mapping)
        self._names = BoundedRows()

    def exists(self) -> bool:
        """Whether the bucket has such points. Raises: the errors of `InfluxClient.query`."""
        span = self._span(None, None)
        return bool(self._fields(span.first_ms, span.last_ms)[0])

    def read(
        self, service: str, revisions: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Rollups:
        """Return the requests in each window that has ended. Without a start, of the last `history_h` hours."""
        span = self._span(start, end)

        def wanted(tags: Tags) -> bool:
            return tags.service == service and tags.revision in revisions

        rollups = self._rows(span, service, revisions, wanted)
        found = self._names.fold(rollups)
        told = (*rollups.limits.notes, *self._names.notes())
        return Rollups(found.table, Limits(notes=told, unseen=rollups.limits.unseen))

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, without a start in the last `history_h` hours."""
        span = self._span(start, end)

        def wanted(tags: Tags) -> bool:
            return service is None or tags.service == service

        fields, tags = self._fields(span.first_ms, span.last_ms)
        if self._mapping.counters or any(name in fields for name in self._reader.revision_names):
            return of_rollups(self._rows(span, service, (), wanted))
        if not fields or not span.windows:
            return []
        counts = self._bucket.counts(fields, self._among(tags, service), span.first_ms, span.last_ms)
        return of_counts(counts, self._reader, wanted, self._length_ms)

    def newest(self) -> datetime | None:
        """Return the time of the newest point, UTC; None when there is none within `lookback_s`."""
        until_ms = now_ms() + 1000
        fields, _ = self._fields(until_ms - self._lookback_ms, until_ms)
        return self._bucket.last(fields, until_ms - self._lookback_ms, until_ms) if fields else None

    @override
    def _span(self, start: datetime | None, end: datetime | None) -> Span:
        require_zone(start, end)
        return super()._span(start, end)

    def _fields(self, first_ms: int, last_ms: int) -> tuple[list[str], frozenset[str]]:
        """Return the fields to read, and the tags of the measurement; nothing when it has no points in the range.

        Raises: UsageError when the mapping names no field that there is.
        """
        if first_ms >= last_ms:
            return [], frozenset()
        tags, fields = self._bucket.names(first_ms, last_ms)
        mapping = self._mapping
        wanted = mapping.counters or (*self._reader.names, mapping.duration, mapping.counted)
        found = [name for name in dict.fromkeys(wanted) if name in fields]
        if fields and not found and not mapping.counters:
            raise UsageError(
                f"[store.points]: measurement {mapping.measurement!r} has none of the fields {', '.join(filter(None, wanted))}, so "
                "requests cannot be counted: set counted to a field that every request has"
            )
        return found, tags.difference(fields)

    def _among(
        self, tags: frozenset[str], service: str | None, revisions: Sequence[str] = ()
    ) -> Mapping[str, list[str]]:
        """What the server itself can choose: tags whose whole value is the service or the revision, apart from those of match."""
        named = {
            self._reader.label_of("service"): [] if service is None else [service],
            # points without the tag have the revision of that name
            self._reader.label_of("revision"): [] if NO_REVISION in revisions else list(revisions),
        }
        known = tags.difference(self._mapping.match)
        return {label: values for label, values in named.items() if label in known and values}

    def _rows(self, span: Span, service: str | None, revisions: Sequence[str], wanted: Wanted) -> Rollups:
        if not span.windows:
            return Rollups.empty()
        if self._mapping.counters:
            return self._increases(span, service, wanted)
        return self._requests(span, service, revisions, wanted)

    def _with_points(self, span: Span, fields: Sequence[str]) -> Span:
        """Return the part of a range that has points: a start long ago costs nothing."""
        since_ms = span.first_ms - self._lookback_ms
        first = self._bucket.first(fields, since_ms, span.last_ms + 1) if fields else None
        if first is None:
            return Span(span.last_ms, span.last_ms, span.length_ms)
        first_ms = (int(first.timestamp() * 1000) - 1) // self._length_ms * self._length_ms
        return Span(max(span.first_ms, first_ms), span.last_ms, span.length_ms)

    def _requests(self, span: Span, service: str | None, revisions: Sequence[str], wanted: Wanted) -> Rollups:
        mapping = self._mapping
        counter = RequestCounter(self._reader, mapping.duration, mapping.duration_unit, mapping.window_s)
        fields, tags = self._fields(span.first_ms, span.last_ms)
        span = self._with_points(span, fields)
        if not span.windows:
            return Rollups.empty()
        among = self._among(tags, service, revisions)
        parts = self._bucket.parts(fields, among, span.first_ms, span.last_ms, step_ms=self._length_ms)
        tables = [self._names.fold(counter.count(series, wanted)).table for series in parts]
        rollups = Rollups(pa.concat_tables(tables)).merge(Rollups.empty())
        return Rollups(rollups.table, self._limits(counter.known, counter.notes()))

    def _increases(self, span: Span, service: str | None, wanted: Wanted) -> Rollups:
        samples = CounterSamples(self._reader, self._mapping.target)
        fields, tags = self._fields(span.first_ms - self._lookback_ms, span.last_ms + 1)
        span = self._with_points(span, fields)
        if not span.windows:
            return Rollups.empty()
        first_ms = span.first_ms - self._lookback_ms
        among = self._among(tags, service)
        # a sample at the end of a window belongs to it
        for series in self._bucket.parts(fields, among, first_ms + 1, span.last_ms + 1, step_ms=self._length_ms):
            samples.add(series)
        history_ms = round(self._mapping.history_h * 3_600_000)
        samples.add_earlier(self._bucket.last_values(fields, among, first_ms + 1 - history_ms, first_ms + 1))
        named = samples.counters()
        scrapes = Scrapes([counter for _, counter in named], lambda _: NEVER)
        builder, uncounted = RowBuilder(span, SOURCE), notes.Uncounted(span)
        grew: list[Tags] = []
        for tags_of, counter in named:
            if tags_of is None or not wanted(tags_of):
                continue
            grown = growth(continued(counter, scrapes, self._lookback_ms), scrapes, self._lookback_ms)
            builder.add_requests(tags_of, grown)
            uncounted.add(tags_of, counter, grown)
            grew += [tags_of] if grown.increase.any() else []
        found = [
            *notes.of_windows(scrapes.interval_ms(), self._length_ms, WORDS),
            *notes.of_gaps(scrapes, span, self._lookback_ms, WORDS),
            *notes.of_first_values(uncounted, WORDS),
        ]
        return Rollups(builder.rollups().table, self._limits(grew, found))

    def _limits(self, known: Collection[Tags], found: Iterable[str]) -> Limits:
        unseen = notes.of_unseen_codes(known, self._mapping.code, WORDS)
        return Limits(notes=(*found, *notes.of_codes(known)), unseen=tuple(unseen))
