"""The store in a bucket of InfluxDB.

One row is one point, so a row that is written again replaces the stored one. InfluxDB has no transactions: what it shows of a
write in progress, and how a reader avoids that, is described in `marks`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from pratique.clock import from_ms, now_ms
from pratique.config import StoreSettings, check_name
from pratique.errors import DataError, UnavailableError
from pratique.store.base import Seen, Upkeep
from pratique.store.influxdb import lines
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.bucket_reader import BucketReader, reader_of
from pratique.store.influxdb.client import EARLIEST, LATEST, InfluxClient
from pratique.store.influxdb.marks import Mark, marks_of, set_marks
from pratique.store.influxdb.names import encoded
from pratique.store.influxdb.tokens import read_token, write_token
from pratique.store.rows import READ_SCHEMA, normal, require_zone
from pratique.telemetry.rollups import Rollups

Result = TypeVar("Result")

WAIT_S = 5.0
"""How long a read waits for a write into its range to end."""
POLL_S = 0.02
ABANDONED_MS = 3_600_000
"""Age of an unfinished write that upkeep takes for abandoned."""


class InfluxStore:
    """A store in a bucket. Threads may share it; it connects at its first use."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._address = InfluxAddress.of(settings.url)
        self._clients: dict[str, InfluxClient] = {}
        self._readers: dict[str, BucketReader] = {}

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
        marks = marks_of(table, instead_of)
        services = sorted({mark.service for mark in marks})
        for service in services:
            check_name("service", service)
        client, bucket = self._client(write_token(self._settings)), self._address.bucket
        lines.check(table)
        if instead_of:
            self._require_deletes(client)
        set_marks(client, bucket, marks, done=False)
        self._delete(client, services, instead_of)
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
        first, stop = _range(start, end)
        if not revisions or first >= stop:
            return Rollups(READ_SCHEMA.empty_table())
        names = list(dict.fromkeys(revisions))
        return self._unchanged(service, first, stop, lambda reader: Rollups(reader.rows(service, names, first, stop)))

    def revisions(
        self, service: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[Seen]:
        """List the revisions with requests in the range, oldest first. Raises: as `read`."""
        first, stop = _range(start, end)
        if first >= stop:
            return []
        return self._unchanged(service, first, stop, lambda reader: reader.seen(service, first, stop))

    def maintain(self) -> Upkeep:
        """Accept what abandoned writes have stored, so that their windows can be read again. The rest is the server's task."""
        client, bucket = self._client(write_token(self._settings)), self._address.bucket
        before = now_ms() - ABANDONED_MS
        abandoned = [mark for mark in self._reader().marks() if not mark.done and mark.began_ms < before]
        if abandoned:
            set_marks(client, bucket, abandoned, done=True)
        return Upkeep()

    def _unchanged(
        self, service: str | None, first: datetime, stop: datetime, read: Callable[[BucketReader], Result]
    ) -> Result:
        """Read when no write into the range is in progress, and again when one began meanwhile."""
        reader = self._reader()
        first_ms, stop_ms = _epoch_ms(first), _epoch_ms(stop)
        deadline = time.monotonic() + min(WAIT_S, self._settings.timeout_s)

        def marks() -> set[Mark]:
            return {mark for mark in reader.marks(service) if mark.overlaps(first_ms, stop_ms)}

        before = marks()
        while True:
            unfinished = [mark for mark in before if not mark.done]
            if not unfinished:
                result = read(reader)
                after = marks()
                if after == before:
                    return result
                before = after
            else:
                time.sleep(POLL_S)
                before = marks()
            if time.monotonic() > deadline:
                raise _in_progress(reader.client.name, unfinished)

    def _delete(self, client: InfluxClient, services: Collection[str], sources: Collection[str]) -> None:
        """Delete all rows of some sources of some services, by the token for writes."""
        for service in services if sources else ():
            for source in sorted(sources):
                tags = {"service": encoded(service), "source": encoded(source)}
                reader_of(client, self._address.bucket).delete(tags, measurement=lines.MEASUREMENT)

    def _require_deletes(self, client: InfluxClient) -> None:
        """Raises: DataError when the server cannot delete rows."""
        if not reader_of(client, self._address.bucket).deletes:
            raise DataError(
                f"store {self.url!r}: InfluxDB 3 cannot delete rows, so a log that was imported before cannot be replaced: "
                "import its new part alone, or use InfluxDB 2"
            )

    def _reader(self) -> BucketReader:
        token = read_token(self._settings)
        found = self._readers.get(token)
        if found is None:
            found = self._readers[token] = reader_of(self._client(token), self._address.bucket)
        return found

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


def _in_progress(name: str, unfinished: Sequence[Mark]) -> UnavailableError:
    if not unfinished:
        return UnavailableError(f"store {name!r} is constantly written in this range: try again later")
    mark = min(unfinished, key=lambda mark: mark.began_ms)
    return UnavailableError(
        f"store {name!r}: the windows {from_ms(mark.first_ms):%Y-%m-%d %H:%M:%SZ} to {from_ms(mark.last_ms):%H:%M:%SZ} of "
        f"source {mark.source[:80]!r} are not complete: a write began at {from_ms(mark.began_ms):%H:%M:%SZ} and has not ended: "
        "start the collector or repeat the import, or accept them with pratique store maintain after an hour"
    )


def _range(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """The range as times that InfluxDB can hold."""
    require_zone(start, end)
    first = EARLIEST if start is None else max(start.astimezone(UTC), EARLIEST)
    return first, LATEST if end is None else min(end.astimezone(UTC), LATEST)


def _epoch_ms(bound: datetime) -> int:
    return int(bound.timestamp() * 1000)
