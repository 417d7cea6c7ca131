"""The store in a bucket of InfluxDB.

One row is one point, so a row that is written again replaces the stored one: this is what other programs read. Pratique reads the points of
`window_points`, which have the same rows. InfluxDB has no transactions: what it shows of a
write in progress, and how a reader avoids that, is described in `marks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import pyarrow as pa

from pratique.clock import from_ms, now_ms
from pratique.config import StoreSettings, check_name
from pratique.errors import DataError, DeniedError, MissingError, PratiqueError, RetentionError, UnavailableError
from pratique.store.base import Seen, Upkeep
from pratique.store.counts import CountedByReading
from pratique.store.influxdb import consistent, lines, window_points
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.bucket_reader import BucketReader, reader_of
from pratique.store.influxdb.client import EARLIEST, LATEST, InfluxClient
from pratique.store.influxdb.flux_reader import FluxReader
from pratique.store.influxdb.marks import Mark, Marker, Source, numbers_of, set_marks, starts_of, windows_of
from pratique.store.influxdb.names import encoded
from pratique.store.influxdb.tokens import read_token, write_token
from pratique.store.rows import READ_SCHEMA, normal, require_zone
from pratique.telemetry.rollups import Rollups

WAIT_S = 5.0
"""How long a read waits for a write into its range to end."""
ABANDONED_MS = 3_600_000
"""Age of an unfinished write that upkeep takes for abandoned."""


class InfluxStore(CountedByReading):
    """A store in a bucket. Threads may share it; it connects at its first use."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._address = InfluxAddress.of(settings.url)
        self._clients: dict[str, InfluxClient] = {}
        self._readers: dict[str, BucketReader] = {}
        self._marker = Marker()

    @property
    def url(self) -> str:
        """The address: influxdb://HOST:PORT/ORGANISATION/BUCKET."""
        return self._address.url

    def __repr__(self) -> str:
        return f"InfluxStore({self.url!r})"

    def exists(self) -> bool:
        """Whether anything was ever written. Raises: MissingError without the bucket; DeniedError; UnavailableError."""
        return bool(self._reader().marks())

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Write rows durably. A row replaces a stored row with the same KEY.

        A write that fails in between has stored a part, which no `read` gives: repeat it. instead_of: sources of the same services
        whose stored rows are removed before.
        Raises: DataError for rows that do not match SCHEMA or that InfluxDB cannot hold; UsageError for an invalid service
        name; MissingError without the bucket; DeniedError; StorageError; UnavailableError.
        """
        table = normal(rollups)
        if not table.num_rows:
            return
        services = sorted(set(table["service"].cast(pa.string()).unique().to_pylist()))
        for service in services:
            check_name("service", service)
        client, bucket = self._client(write_token(self._settings)), self._address.bucket
        lines.check(table)
        if instead_of:
            self._require_deletes(client)
        windows = windows_of(table, instead_of)
        marks = self._marker.marks_of(windows, self._marks_before(services, windows))
        set_marks(client, bucket, marks, done=False)
        starts = starts_of(table)
        try:
            self._delete(client, services, instead_of)
            beyond = self._write_rows(client, table, marks)
        except PratiqueError:
            self._marker.broke_off(marks, starts)
            raise
        ended, still_open = self._marker.ended(marks, starts)
        set_marks(client, bucket, ended, done=True)
        set_marks(client, bucket, still_open, done=False)
        if beyond is not None:
            raise beyond

    def _write_rows(self, client: InfluxClient, table: pa.Table, marks: Collection[Mark]) -> RetentionError | None:
        """Send the rows; return the error about those that the server dropped."""
        beyond = None
        for precision, request in _requests(table, marks, self._marker.writer):
            try:
                client.write(self._address.bucket, request, precision=precision)
            except RetentionError as error:
                # the rest of the request is stored, and repeating it would drop the same points again
                beyond = error
        return beyond

    def read(
        self, service: str, revisions: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Rollups:
        """Read rows with the columns of SCHEMA, in no order; strings are dictionary<int32, string>.

        It waits for a write into the range. Raises: UnavailableError when such a write does not end, or has failed and was
        not repeated; MissingError without the bucket; DataError for points of others; DeniedError.
        """
        first_ms, stop_ms = _range_ms(start, end)
        names = list(dict.fromkeys(revisions))
        if not names or first_ms >= stop_ms:
            return Rollups(READ_SCHEMA.empty_table())
        reader = self._reader()

        def rows(low_ms: int, high_ms: int, marks: Collection[Mark]) -> pa.Table:
            newest = numbers_of(marks) if isinstance(reader, FluxReader) else None
            if isinstance(reader, FluxReader) and newest is not None:
                return reader.window_rows(service, names, from_ms(low_ms), from_ms(high_ms), newest)
            return reader.rows(service, names, from_ms(low_ms), from_ms(high_ms))

        def marks() -> list[Mark]:
            return reader.marks(service)

        found = reader.short.rows(service, names, first_ms, stop_ms) if isinstance(reader, FluxReader) else None
        if found is not None:
            return Rollups(found)
        return Rollups(consistent.read(marks, rows, first_ms, stop_ms, wait_s=self._wait_s, name=reader.client.name))

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, oldest first; a write that goes on meanwhile may count in part.

        Raises: as `read`.
        """
        first_ms, stop_ms = _range_ms(start, end)
        if first_ms >= stop_ms:
            return []
        reader = self._reader()
        consistent.finished(
            lambda: reader.marks(service), first_ms, stop_ms, wait_s=self._wait_s, name=reader.client.name
        )
        return reader.seen(service, from_ms(first_ms), from_ms(stop_ms))

    def maintain(self) -> Upkeep:
        """Accept what abandoned writes have stored, so that their windows can be read again. The rest is the server's task."""
        client, bucket = self._client(write_token(self._settings)), self._address.bucket
        before = now_ms() - ABANDONED_MS
        abandoned = [mark for mark in self._reader().marks() if not mark.done and mark.began_ms < before]
        if abandoned:
            set_marks(client, bucket, abandoned, done=True)
        return Upkeep()

    def _marks_before(self, services: Sequence[str], sources: Collection[Source]) -> list[Mark] | None:
        """The last marks of some services; those of this store where no token may read.

        None without them too, so that the write has no number: who may only write can write.
        Raises: UnavailableError without them; DataError.
        """
        try:
            return self._stored_marks(services)
        except (DeniedError, MissingError, UnavailableError) as error:
            own = self._marker.own(sources)
            if own is None and isinstance(error, UnavailableError):
                raise
            return own

    def _stored_marks(self, services: Sequence[str]) -> list[Mark] | None:
        writing = write_token(self._settings)
        try:
            return self._marks_by(writing, services)
        except (DeniedError, MissingError):
            reading = read_token(self._settings)
            if reading == writing:
                raise
        return self._marks_by(reading, services)

    def _marks_by(self, token: str, services: Sequence[str]) -> list[Mark] | None:
        reader = self._reader_with(token)
        return reader.marks_of(services) if isinstance(reader, FluxReader) else None

    @property
    def _wait_s(self) -> float:
        return min(WAIT_S, self._settings.timeout_s)

    def _delete(self, client: InfluxClient, services: Collection[str], sources: Collection[str]) -> None:
        """Delete all rows of some sources of some services, by the token for writes."""
        if not sources:
            return
        reader = reader_of(client, self._address.bucket)
        windows = [window_points.MEASUREMENT] if isinstance(reader, FluxReader) else []
        for service, source in product(services, sorted(sources)):
            for measurement in (*windows, lines.MEASUREMENT):
                reader.delete({"service": encoded(service), "source": encoded(source)}, measurement=measurement)

    def _require_deletes(self, client: InfluxClient) -> None:
        """Raises: DataError when the server cannot delete rows."""
        if not reader_of(client, self._address.bucket).deletes:
            raise DataError(
                f"store {self.url!r}: InfluxDB 3 cannot delete rows, so a log that was imported before cannot be replaced: "
                "import its new part alone, or use InfluxDB 2"
            )

    def _reader(self) -> BucketReader:
        return self._reader_with(read_token(self._settings))

    def _reader_with(self, token: str) -> BucketReader:
        found = self._readers.get(token)
        if found is None:
            found = self._readers[token] = reader_of(self._client(token), self._address.bucket)
        return found

    def _client(self, token: str) -> InfluxClient:
        # a token in a file may be another one than at the last call
        found = self._clients.get(token)
        if found is None:
            found = self._clients[token] = InfluxClient.of(self._address, token, self._settings)
        return found


def _requests(table: pa.Table, marks: Iterable[Mark], writer: str) -> Iterator[tuple[str, bytes]]:
    """The requests of a write, and the precision of their times. The points of windows go first, and those of rows bear revisions()."""
    numbers = {(mark.service, mark.source): mark.number for mark in marks if mark.number is not None}
    yield from (("ns", request) for request in window_points.requests(table, numbers, writer))
    yield from (("ms", request) for request in lines.requests(table))


def _range_ms(start: datetime | None, end: datetime | None) -> tuple[int, int]:
    """The range in epoch ms, within the times that InfluxDB can hold."""
    require_zone(start, end)
    first_ms, stop_ms = _epoch_ms(EARLIEST), _epoch_ms(LATEST)
    return first_ms if start is None else max(_epoch_ms(start), first_ms), stop_ms if end is None else min(
        _epoch_ms(end), stop_ms
    )


def _epoch_ms(bound: datetime) -> int:
    """A bound as milliseconds since 1970, rounded up, which preserves the meaning of [start, end)."""
    return -((datetime(1970, 1, 1, tzinfo=UTC) - bound) // timedelta(milliseconds=1))
