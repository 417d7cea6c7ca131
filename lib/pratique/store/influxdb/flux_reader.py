"""Ask InfluxDB 2 in Flux. Values are bound by the server, and never become a part of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

import pyarrow as pa

from pratique.store.base import Seen
from pratique.store.influxdb import answer, lines, window_answer, window_points
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.flux_tree import Value
from pratique.store.influxdb.marks import Mark, read_marks
from pratique.store.influxdb.names import encoded
from pratique.store.influxdb.revisions import seen
from pratique.store.influxdb.short_read import ShortReader

_ROWS = """
from(bucket: bucket) |> range(start: start, stop: stop)
  |> filter(fn: (r) => r._measurement == measurement and r._field == field and r.service == service and ({revisions}))
  {grouped}
  |> keep(columns: ["_time", "_value", "action", "code", "host", "revision", "service", "source"])
"""
_WINDOWS = """
from(bucket: bucket) |> range(start: start, stop: stop)
  |> filter(fn: (r) => r._measurement == measurement and r.service == service and ({revisions}))
  |> keep(columns: ["_time", "_value", "_field", "revision", "service", "source"])
"""
Values = Mapping[str, Value]
SHORT = timedelta(minutes=10)
"""A range with few windows, whose points are joined to one table: a table for each series costs more than its points."""


class FluxReader:
    """Reads a bucket of InfluxDB 2."""

    deletes = True

    def __init__(self, client: InfluxClient, bucket: str) -> None:
        self.client, self._bucket = client, bucket
        self.short = ShortReader(client, bucket)

    def rows(self, service: str, revisions: Sequence[str], first: datetime, stop: datetime) -> pa.Table:
        """Return the rows of some revisions, in no order, with READ_SCHEMA."""
        query = _ROWS.replace("{grouped}", "|> group()" if stop - first <= SHORT else "")
        values: Values = {"measurement": lines.MEASUREMENT, "field": lines.PACKED, "start": first, "stop": stop}
        with self._asked(query, service, revisions, values) as pieces:
            return answer.rows(pieces, self.client.name)

    def window_rows(
        self, service: str, revisions: Sequence[str], first: datetime, stop: datetime, newest: Mapping[str, int]
    ) -> pa.Table:
        """Return the same rows from the points of windows, which must have all of them. newest: the number of the last write of each source."""
        values: Values = {"measurement": window_points.MEASUREMENT, "start": first, "stop": stop}
        with self._asked(_WINDOWS, service, revisions, values) as pieces:
            return window_answer.rows(pieces, self.client.name, newest)

    def _asked(
        self, query: str, service: str, revisions: Sequence[str], values: Values
    ) -> AbstractContextManager[Iterator[bytes]]:
        names = {f"revision_{number}": encoded(name) for number, name in enumerate(revisions)}
        flux = query.format(revisions=" or ".join(f"r.revision == {name}" for name in names))
        return self.client.query(flux, {"bucket": self._bucket, "service": encoded(service), **values, **names})

    def seen(self, service: str | None, first: datetime, stop: datetime) -> list[Seen]:
        """List the revisions with requests, oldest first."""
        return seen(self.client, self._bucket, service, first, stop)

    def marks(self, service: str | None = None) -> list[Mark]:
        """Return the last mark of each service and source."""
        return read_marks(self.client, self._bucket, None if service is None else [service])

    def marks_of(self, services: Sequence[str]) -> list[Mark]:
        """Return the last mark of each source of some services."""
        return read_marks(self.client, self._bucket, services)

    def delete(self, tags: Mapping[str, str], *, measurement: str) -> None:
        """Delete the points with these tags."""
        self.client.delete(self._bucket, tags, measurement=measurement)
