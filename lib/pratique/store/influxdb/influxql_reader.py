"""Ask InfluxDB 1.8 and newer in InfluxQL, whose answers are read as JSON: in CSV it hides its errors.

Values are bound by the server. Answers come in chunks, one JSON object a line; the last one is not marked as partial.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa

from pratique.clock import EPOCH, from_ms
from pratique.errors import DataError, MissingError, UnavailableError
from pratique.store.base import Seen, oldest_first
from pratique.store.influxdb import lines, marks
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.json_lines import json_lines
from pratique.store.influxdb.marks import Mark, mark_of
from pratique.store.influxdb.names import decoded, encoded
from pratique.store.influxdb.points import points

_FORM = "application/x-www-form-urlencoded; charset=utf-8"
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
        where = f'{_range(first, stop)} AND "service" = $service AND ({of_revisions})'
        statement = f'SELECT {columns} FROM "{lines.MEASUREMENT}" WHERE {where}'  # noqa: S608 - only own words
        series = self._ask(statement, {"service": encoded(service), **names})
        return points((row for _, found in series for row in _values(found, ("time", *_COLUMNS))), self.client.name)

    def seen(self, service: str | None, first: datetime, stop: datetime) -> list[Seen]:
        """List the revisions with requests, oldest first."""
        where = _range(first, stop) + (' AND "service" = $service' if service is not None else "")
        statement = _REQUESTS.format(measurement=lines.MEASUREMENT, where=where)
        found: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
        for number, series in self._ask(statement, {} if service is None else {"service": encoded(service)}):
            tags = series["tags"]
            known = found.setdefault((decoded(tags["service"]), decoded(tags["revision"])), {})
            known[number] = tuple(series["values"][0])
        if any(len(values) < _STATEMENTS for values in found.values()):
            raise self._cut_off()
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

    def _ask(self, statement: str, values: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the number of the statement and each series of its answer."""
        form = {
            "db": self._database,
            "q": statement,
            "params": json.dumps(dict(values)),
            "epoch": "ms",
            "chunked": "true",
        }
        if self._policy:
            form["rp"] = self._policy
        headers = {"Content-Type": _FORM, "Accept": "application/json"}
        whole = False
        with self.client.answer("/query", urlencode(form).encode(), headers=headers) as pieces:
            for found in json_lines(pieces, self.client.name):
                whole, results = False, self._results(found)
                for result in results:
                    for series in result.get("series") or ():
                        yield int(result.get("statement_id", 0)), series
                whole = not any(result.get("partial") for result in results)
        if not whole:
            raise self._cut_off()

    def _cut_off(self) -> UnavailableError:
        return UnavailableError(f"store {self.client.name!r} cannot be read: its answer was cut off: try again")

    def _results(self, found: dict[str, Any]) -> list[dict[str, Any]]:
        """The results of a chunk. Raises: MissingError, DataError for an error within it."""
        results = found.get("results", [])
        for told in (found.get("error"), *(result.get("error") for result in results)):
            if told:
                text = " ".join(str(told).split())[:200]
                kind = MissingError if "not found" in text else DataError
                raise kind(f"store {self.client.name!r} cannot be read: the server refuses the query: {text}")
        return list(results)


def _range(first: datetime, stop: datetime) -> str:
    return f"time >= {_ms(first)}ms AND time < {_ms(stop)}ms"


def _ms(time: datetime) -> int:
    """Milliseconds since 1970, rounded up, which preserves the meaning of [first, stop)."""
    return -((EPOCH - time) // timedelta(milliseconds=1))


def _values(series: Mapping[str, Any], columns: Sequence[str]) -> Iterator[list[Any]]:
    """The values of a series, in the order of `columns`."""
    order = [series["columns"].index(name) for name in columns]
    for row in series["values"]:
        yield [row[position] for position in order]
