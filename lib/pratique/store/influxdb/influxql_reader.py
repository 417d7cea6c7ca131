"""Ask InfluxDB 1.8 and newer in InfluxQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from pratique.clock import from_ms
from pratique.errors import DataError
from pratique.store.base import Seen, oldest_first
from pratique.store.influxdb import influxql, lines, marks
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.influxql import Series, time_range, values_of
from pratique.store.influxdb.marks import Mark, mark_of
from pratique.store.influxdb.names import decoded, encoded
from pratique.store.influxdb.points import points

_COLUMNS = (lines.PACKED, *lines.TAGS)
_REQUESTS = """
SELECT SUM("n") FROM "{measurement}" WHERE {where} GROUP BY "service", "revision";
SELECT FIRST("n") FROM "{measurement}" WHERE {where} GROUP BY "service", "revision";
SELECT LAST("n") FROM "{measurement}" WHERE {where} GROUP BY "service", "revision"
"""
_STATEMENTS = 3


class InfluxqlReader:
    """Reads a database of InfluxDB 1. bucket: DATABASE, or DATABASE/RETENTION_POLICY."""

    deletes = True

    def __init__(self, client: InfluxClient, bucket: str) -> None:
        self.client = client
        self._database, _, self._policy = bucket.partition("/")

    def rows(self, service: str, revisions: Sequence[str], first: datetime, stop: datetime) -> pa.Table:
        """Return the rows of some revisions, in no order, with READ_SCHEMA."""
        names = {f"revision_{number}": encoded(name) for number, name in enumerate(revisions)}
        of_revisions = " OR ".join(f'"revision" = ${name}' for name in names)
        columns = ", ".join(f'"{name}"' for name in _COLUMNS)
        where = f'{time_range(first, stop)} AND "service" = $service AND ({of_revisions})'
        statement = f'SELECT {columns} FROM "{lines.MEASUREMENT}" WHERE {where}'  # noqa: S608 - only own words
        series = self._ask(statement, {"service": encoded(service), **names})
        return points((row for _, found in series for row in values_of(found, ("time", *_COLUMNS))), self.client.name)

    def seen(self, service: str | None, first: datetime, stop: datetime) -> list[Seen]:
        """List the revisions with requests, oldest first."""
        where = time_range(first, stop) + (' AND "service" = $service' if service is not None else "")
        statement = _REQUESTS.format(measurement=lines.MEASUREMENT, where=where)
        found: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
        for number, series in self._ask(statement, {} if service is None else {"service": encoded(service)}):
            tags = series["tags"]
            known = found.setdefault((decoded(tags["service"]), decoded(tags["revision"])), {})
            known[number] = tuple(series["values"][0])
        if any(len(values) < _STATEMENTS for values in found.values()):
            raise influxql.cut_off(self.client.name)
        listed = [
            Seen(*key, from_ms(values[1][0]), from_ms(values[2][0]), int(values[0][1])) for key, values in found.items()
        ]
        return oldest_first(listed)

    def marks(self, service: str | None = None) -> list[Mark]:
        """Return the last mark of each service and source."""
        where = 'WHERE "service" = $service' if service is not None else ""
        statement = f'SELECT LAST("mark") FROM "{marks.MEASUREMENT}" {where} GROUP BY "service", "source"'  # noqa: S608
        values = {} if service is None else {"service": encoded(service)}
        try:
            return [
                mark_of(series["tags"]["service"], series["tags"]["source"], series["values"][0][1])
                for _, series in self._ask(statement, values)
            ]
        except (ValueError, KeyError) as error:
            raise DataError(
                f"store {self.client.name!r} cannot be read: it has marks that are not Pratique's: {error}"
            ) from error

    def delete(self, tags: Mapping[str, str], *, measurement: str) -> None:
        """Delete the points with these tags."""
        where = " AND ".join(f'"{name}" = ${name}' for name in tags)
        for _ in self._ask(f'DELETE FROM "{measurement}" WHERE {where}', tags):  # noqa: S608 - only own words
            continue

    def _ask(self, statement: str, values: Mapping[str, str]) -> Iterator[tuple[int, Series]]:
        return influxql.ask(self.client, statement, values, database=self._database, policy=self._policy)
