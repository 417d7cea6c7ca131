"""Checks of a bucket that another program fills: the server, the token, and whether the points are as the mapping says."""

from __future__ import annotations

from collections.abc import Iterator

from pratique.check.finding import Check, SkippedError, WarnedError
from pratique.check.influxdb import URL, InfluxLook
from pratique.clock import iso, now_ms, utc_now
from pratique.config import PointMapping, StoreSettings
from pratique.errors import MissingError
from pratique.number_text import span
from pratique.store.points.bucket import PointBucket
from pratique.store.points.store import PointStore
from pratique.store.points.tag_reader import FIELD, TagReader

POINTS = "store.points"


def point_checks(settings: StoreSettings) -> Iterator[Check]:
    """Yield the checks of a store that reads the points of another program."""
    server = InfluxLook(settings)
    look = _PointsLook(settings, server)
    yield Check(URL, server.server)
    yield Check(URL, server.clock)
    yield Check(
        "store.read_token" if settings.read_token_env or settings.read_token_file else "store.token", look.access
    )
    yield Check(POINTS, look.names)
    yield Check(POINTS, look.revisions)
    yield Check(POINTS, look.newest)


class _PointsLook:
    """Looks at the points. What follows from a bucket that cannot be read is not reported again."""

    def __init__(self, settings: StoreSettings, server: InfluxLook) -> None:
        self._settings, self._server = settings, server
        self._mapping: PointMapping = settings.points
        self._names: tuple[frozenset[str], frozenset[str]] | None = None

    def access(self) -> str:
        """Whether the token reads the bucket."""
        if not self._server.answers:
            raise SkippedError("not looked at: the server cannot be used")
        until_ms = now_ms()
        since_ms = until_ms - round(self._mapping.history_h * 3_600_000)
        self._names = PointBucket(self._settings).names(since_ms, until_ms, matching=False)
        return "the token reads the bucket"

    def names(self) -> str:
        """Whether the measurement has the tags and fields that the mapping names."""
        tags, fields = self._found()
        PointStore(self._settings)
        mapping = self._mapping
        if not fields:
            raise MissingError(f"measurement {mapping.measurement!r} has no points in the last {mapping.history_h:g} h")
        wanted = [name for name in (*mapping.counters, mapping.duration, mapping.counted) if name]
        if wanted and not fields.intersection(wanted):
            raise MissingError(
                f"measurement {mapping.measurement!r} has none of the fields {', '.join(wanted)}: it has {_listed(fields)}"
            )
        unknown = [name for name in mapping.match if name not in tags]
        if unknown:
            raise MissingError(
                f"measurement {mapping.measurement!r} has no tag {unknown[0]!r}, which match names: it has {_listed(tags)}"
            )
        empty = [source for source in self._sources() if not tags.union(fields, {FIELD}).intersection(source)]
        if empty:
            raise WarnedError(
                f"measurement {mapping.measurement!r} has no tag or field {' or '.join(map(repr, empty[0]))}: it has the tags "
                f"{_listed(tags)} and the fields {_listed(fields)}"
            )
        kind = "counters of requests" if mapping.counters else "points of one request each"
        latency = (
            f"durations in {mapping.duration}"
            if mapping.duration in fields
            else "no durations, so latency is not judged"
        )
        return f"measurement {mapping.measurement!r} has {kind}; {latency}"

    def revisions(self) -> str:
        """Whether the points name revisions."""
        self._found()
        found = PointStore(self._settings).revisions()
        if not found:
            raise MissingError(
                f"no request of the last {self._mapping.history_h:g} h has a service as [store.points] says: check match, service and counters"
            )
        unnamed = [seen for seen in found if seen.revision == "none"]
        if len(unnamed) == len(found):
            raise WarnedError(
                "no request names a revision: check revision, and the tags of the program that writes the points"
            )
        named = [f"{seen.service} {seen.revision}" for seen in found if seen.revision != "none"]
        return f"it has requests of {_listed(named)}"

    def newest(self) -> str:
        """Whether points are written at the moment."""
        self._found()
        newest = PointStore(self._settings).newest()
        if newest is None:
            raise WarnedError(f"no point is younger than {self._mapping.lookback_s} s: a release could not be measured")
        age_s = (utc_now() - newest).total_seconds()
        if age_s > self._mapping.settle_s + self._mapping.window_s:
            raise WarnedError(
                f"the newest point is of {iso(newest)}, {span(age_s)} ago: a release could not be measured"
            )
        return f"the newest point is of {iso(newest)}"

    def _found(self) -> tuple[frozenset[str], frozenset[str]]:
        if self._names is None:
            raise SkippedError("not looked at: the bucket cannot be read")
        return self._names

    def _sources(self) -> list[list[str]]:
        """The tags and fields of each property that the mapping names; one of each must be there."""
        return [names for names in TagReader(self._mapping).sources if names]


def _listed(names: frozenset[str] | list[str]) -> str:
    shown = [name[:60] for name in (sorted(names) if isinstance(names, frozenset) else names)]
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return ", ".join(shown[:8]) + more if shown else "none"
