"""The store in a bucket of InfluxDB 2.

One row is one point, so a row that is written again replaces the stored one. InfluxDB has no transactions: what it shows of a
write in progress, and how a reader avoids that, is described in `marks`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pratique.clock import from_ms, now_ms
from pratique.config import StoreSettings, check_name
from pratique.store.base import Seen, Upkeep
from pratique.store.influxdb import answer, consistent, lines, revisions
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.client import EARLIEST, LATEST, InfluxClient
from pratique.store.influxdb.marks import Mark, marks_of, read_marks, set_marks
from pratique.store.influxdb.names import encoded
from pratique.store.influxdb.tokens import read_token, write_token
from pratique.store.rows import READ_SCHEMA, normal, require_zone
from pratique.telemetry.rollups import Rollups

WAIT_S = 5.0
"""How long a read waits for a write into its range to end."""
ABANDONED_MS = 3_600_000
"""Age of an unfinished write that upkeep takes for abandoned."""

_FLUX = """
from(bucket: bucket) |> range(start: start, stop: stop)
  |> filter(fn: (r) => r._measurement == measurement and r._field == field and r.service == service and ({revisions}))
  |> keep(columns: ["_time", "_value", "action", "code", "host", "revision", "service", "source"])
"""


class InfluxStore:
    """A store in a bucket. Threads may share it; it connects at its first use."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._address = InfluxAddress.of(settings.url)
        self._clients: dict[str, InfluxClient] = {}

    @property
    def url(self) -> str:
        """The address: influxdb://HOST:PORT/ORGANISATION/BUCKET."""
        return self._address.url

    def __repr__(self) -> str:
        return f"InfluxStore({self.url!r})"

    def exists(self) -> bool:
        """Whether anything was ever written. Raises: MissingError without the bucket; DeniedError; UnavailableError."""
        return bool(read_marks(self._reader(), self._address.bucket))

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
        marks = marks_of(table, instead_of)
        services = sorted({mark.service for mark in marks})
        for service in services:
            check_name("service", service)
        client, bucket = self._client(write_token(self._settings)), self._address.bucket
        lines.check(table)
        set_marks(client, bucket, marks, done=False)
        for service in services if instead_of else ():
            for source in sorted(instead_of):
                tags = {"service": encoded(service), "source": encoded(source)}
                client.delete(bucket, tags, measurement=lines.MEASUREMENT)
        for request in lines.requests(table):
            client.write(bucket, request)
        set_marks(client, bucket, marks, done=True)

    def read(
        self, service: str, revisions: Sequence[str], start: datetime | None = None, end: datetime | None = None
    ) -> Rollups:
        """Read rows with the columns of SCHEMA, in no order; strings are dictionary<int32, string>.

        It waits for a write into the range. Raises: UnavailableError when such a write does not end, or has failed and was
        not repeated; MissingError without the bucket; DataError for points of others; DeniedError.
        """
        first_ms, stop_ms = _range_ms(start, end)
        names = {f"revision_{number}": encoded(name) for number, name in enumerate(dict.fromkeys(revisions))}
        if not names or first_ms >= stop_ms:
            return Rollups(READ_SCHEMA.empty_table())
        client, bucket = self._reader(), self._address.bucket
        flux = _FLUX.format(revisions=" or ".join(f"r.revision == {name}" for name in names))
        values = {
            "bucket": bucket,
            "measurement": lines.MEASUREMENT,
            "field": lines.PACKED,
            "service": encoded(service),
        }

        def rows(low_ms: int, high_ms: int) -> pa.Table:
            bounds = {"start": from_ms(low_ms), "stop": from_ms(high_ms)}
            with client.query(flux, {**values, **names, **bounds}) as pieces:
                return answer.rows(pieces, client.name)

        def marks() -> list[Mark]:
            return read_marks(client, bucket, service)

        return Rollups(consistent.read(marks, rows, first_ms, stop_ms, wait_s=self._wait_s, name=client.name))

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, oldest first; a write that goes on meanwhile may count in part.

        Raises: as `read`.
        """
        first_ms, stop_ms = _range_ms(start, end)
        if first_ms >= stop_ms:
            return []
        client, bucket = self._reader(), self._address.bucket
        consistent.finished(
            lambda: read_marks(client, bucket, service), first_ms, stop_ms, wait_s=self._wait_s, name=client.name
        )
        return revisions.seen(client, bucket, service, from_ms(first_ms), from_ms(stop_ms))

    def maintain(self) -> Upkeep:
        """Accept what abandoned writes have stored, so that their windows can be read again. The rest is the server's task."""
        client, bucket = self._client(write_token(self._settings)), self._address.bucket
        before = now_ms() - ABANDONED_MS
        abandoned = [mark for mark in read_marks(self._reader(), bucket) if not mark.done and mark.began_ms < before]
        if abandoned:
            set_marks(client, bucket, abandoned, done=True)
        return Upkeep()

    @property
    def _wait_s(self) -> float:
        return min(WAIT_S, self._settings.timeout_s)

    def _reader(self) -> InfluxClient:
        return self._client(read_token(self._settings))

    def _client(self, token: str) -> InfluxClient:
        # a token in a file may be another one than at the last call
        found = self._clients.get(token)
        if found is None:
            found = InfluxClient(
                self._address.server,
                self._address.organisation,
                token,
                ca_file=self._settings.ca_file,
                timeout_s=self._settings.timeout_s,
                name=self.url,
            )
            self._clients[token] = found
        return found


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
