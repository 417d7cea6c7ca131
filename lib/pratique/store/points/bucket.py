"""Ask a bucket of InfluxDB 2 for the points of a measurement. Every name is bound as a value, none becomes a part of the query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from pratique.clock import from_ms
from pratique.config import PointMapping, StoreSettings
from pratique.errors import DataError, MissingError
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.bucket_reader import kind_of
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.flux_tree import Predicate, Value
from pratique.store.influxdb.tokens import read_token
from pratique.store.points.answer import Series, records, series_of

FLUX = 2
"""The version of InfluxDB whose Flux has schema functions and syntax trees."""
FIRST_PART_MS, SHORTEST_PART_MS, LONGEST_PART_MS = 900_000, 10_000, 6 * 3_600_000
"""Length of the time range of a query: of the first one, and the bounds."""
MOST_BYTES, FEW_BYTES = 256 << 20, 32 << 20
"""An answer of more bytes is asked again in shorter parts; after one with few, the next part is longer."""
OWN_COLUMNS = ("_start", "_stop", "_measurement", "_field")

_POINTS = """
from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: wanted)
  |> drop(columns: ["_start", "_stop", "_measurement"])
"""
_COUNTS = """
points = from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: wanted)
points |> count() |> toString() |> drop(columns: ["_start", "_stop", "_measurement"]) |> yield(name: "count")
points |> first() |> drop(columns: ["_start", "_stop", "_measurement", "_value"]) |> yield(name: "first")
points |> last() |> drop(columns: ["_start", "_stop", "_measurement", "_value"]) |> yield(name: "last")
"""
_LAST_VALUES = """
from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: wanted) |> last()
  |> drop(columns: ["_start", "_stop", "_measurement"])
"""
_FIRST = """
from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: wanted) |> first()
  |> keep(columns: ["_time"]) |> group() |> min(column: "_time")
"""
_LAST = """
from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: wanted) |> last()
  |> keep(columns: ["_time"]) |> group() |> max(column: "_time")
"""
_NAMES = """
import "influxdata/influxdb/schema"
schema.tagKeys(bucket: bucket, predicate: wanted, start: start, stop: stop) |> yield(name: "tag")
schema.fieldKeys(bucket: bucket, predicate: wanted, start: start, stop: stop) |> yield(name: "field")
"""


class PointBucket:
    """Reads the points that a mapping describes. Times are epoch ms, ranges [first, last)."""

    def __init__(self, settings: StoreSettings) -> None:
        """Raises: UsageError when the address is wrong."""
        self._settings = settings
        self._mapping: PointMapping = settings.points
        self._address = InfluxAddress.of(settings.url)
        self._clients: dict[str, InfluxClient] = {}

    @property
    def name(self) -> str:
        """The address, for messages."""
        return self._address.url

    def names(self, first_ms: int, last_ms: int, *, matching: bool = True) -> tuple[frozenset[str], frozenset[str]]:
        """Return the names of the tags and the fields of the measurement. Raises: as `InfluxClient.query`.

        matching: only of points with the tags that `match` asks for.
        """
        # no values: the column is not looked at
        among: dict[str, list[str]] = {} if matching else {tag: [] for tag in self._mapping.match}
        answer = self._answer(_NAMES, among, first_ms, last_ms)
        found: dict[str, set[str]] = {"tag": set(), "field": set()}
        for row in records(answer):
            found[row["result"]].add(row["_value"])
        return frozenset(found["tag"].difference(OWN_COLUMNS)), frozenset(found["field"])

    def parts(
        self, fields: Sequence[str], among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int, *, step_ms: int
    ) -> Iterator[list[Series]]:
        """Yield the series with some of the fields in parts of the range, oldest first; parts begin at whole steps.

        among: tags with their possible values. step_ms: divides the bounds of the range. Raises: as `InfluxClient.query`;
        DataError when there is too much within one step.
        """
        part_ms = FIRST_PART_MS
        while first_ms < last_ms:
            part_ms = max(step_ms, part_ms // step_ms * step_ms)
            until_ms = min(first_ms + part_ms, last_ms)
            answer = self._bounded_answer({"_field": fields, **among}, first_ms, until_ms)
            if answer is None:
                if until_ms - first_ms <= step_ms:
                    raise DataError(
                        f"store {self.name!r} has more than {MOST_BYTES >> 20} MB of points in {step_ms / 1000:g} s: "
                        "narrow [store.points] match, or set a shorter window_s"
                    )
                part_ms = (until_ms - first_ms) // 4
                continue
            yield list(series_of(answer, self.name))
            first_ms = until_ms
            part_ms = min(part_ms * 4, LONGEST_PART_MS) if len(answer) < FEW_BYTES else part_ms

    def counts(
        self, fields: Sequence[str], among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int
    ) -> Iterator[tuple[dict[str, str], str, str]]:
        """Yield (tags and field, "count" or "first" or "last", number or time) of each series."""
        for row in records(self._answer(_COUNTS, {"_field": fields, **among}, first_ms, last_ms)):
            kind = row.pop("result")
            yield row, kind, row.pop("_value" if kind == "count" else "_time")

    def last_values(
        self, fields: Sequence[str], among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int
    ) -> list[Series]:
        """Return the newest value of each series."""
        return list(series_of(self._answer(_LAST_VALUES, {"_field": fields, **among}, first_ms, last_ms), self.name))

    def first(self, fields: Sequence[str], first_ms: int, last_ms: int) -> datetime | None:
        """Return the time of the oldest point, UTC."""
        return self._time(_FIRST, fields, first_ms, last_ms)

    def last(self, fields: Sequence[str], first_ms: int, last_ms: int) -> datetime | None:
        """Return the time of the newest point, UTC."""
        return self._time(_LAST, fields, first_ms, last_ms)

    def _time(self, flux: str, fields: Sequence[str], first_ms: int, last_ms: int) -> datetime | None:
        times = [row["_time"] for row in records(self._answer(flux, {"_field": fields}, first_ms, last_ms))]
        return datetime.fromisoformat(times[0]) if times else None

    def _answer(self, flux: str, among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int) -> bytes:
        with self._query(flux, among, first_ms, last_ms) as pieces:
            return b"".join(pieces)

    def _bounded_answer(self, among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int) -> bytes | None:
        found: list[bytes] = []
        size = 0
        with self._query(_POINTS, among, first_ms, last_ms) as pieces:
            for piece in pieces:
                size += len(piece)
                if size > MOST_BYTES:
                    return None
                found.append(piece)
        return b"".join(found)

    @contextmanager
    def _query(
        self, flux: str, among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int
    ) -> Iterator[Iterator[bytes]]:
        try:
            with self._client().query(flux, self._values(among, first_ms, last_ms)) as pieces:
                yield pieces
        except MissingError as error:
            raise MissingError(
                f"store {self.name!r} cannot be read: the server has no such bucket or organisation, or the token may not read it: "
                "check store.url and the token"
            ) from error

    def _values(self, among: Mapping[str, Sequence[str]], first_ms: int, last_ms: int) -> dict[str, Value]:
        equal = {tag: [value] for tag, value in self._mapping.match.items()}
        wanted = Predicate({"_measurement": [self._mapping.measurement], **equal, **among})
        bucket = self._address.bucket
        return {"bucket": bucket, "start": from_ms(first_ms), "stop": from_ms(last_ms), "wanted": wanted}

    def _client(self) -> InfluxClient:
        # a token in a file may be another one than at the last call
        token = read_token(self._settings)
        found = self._clients.get(token)
        if found is None:
            found = InfluxClient.of(self._address, token, self._settings)
            version = found.ping()
            if kind_of(version) != FLUX:
                raise DataError(
                    f"store {self.name!r} is InfluxDB {version[:40]}: points of other programs are read from InfluxDB 2 only"
                )
            self._clients[token] = found
        return found
