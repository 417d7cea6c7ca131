"""Ask InfluxDB 3 in SQL, over /api/v3/query_sql; values are bound by the server, and the answer is one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pratique.clock import EPOCH
from pratique.errors import DataError, PratiqueError, UnavailableError
from pratique.store.base import Seen, oldest_first
from pratique.store.influxdb import lines, marks
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.json_lines import json_lines
from pratique.store.influxdb.marks import Mark, mark_of
from pratique.store.influxdb.names import decoded, encoded
from pratique.store.influxdb.points import points

_NO_TABLE = "not found"
"""InfluxDB makes a table with its first point; before that it does not know it."""
_ROWS = """
SELECT time, hist, action, code, host, revision, service, source FROM {measurement}
WHERE service = $service AND revision IN ({revisions}) AND {range}
"""
_SEEN = """
SELECT service, revision, SUM(n) AS requests, MIN(time) AS first, MAX(time) AS last FROM {measurement}
WHERE {range} {of_service} GROUP BY service, revision
"""
_MARKS = """
SELECT service, source, mark FROM (
  SELECT service, source, mark, ROW_NUMBER() OVER (PARTITION BY service, source ORDER BY time DESC) AS age
  FROM {measurement} {of_service}
) WHERE age = 1
"""


class SqlReader:
    """Reads a database of InfluxDB 3, which deletes whole tables only."""

    deletes = False

    def __init__(self, client: InfluxClient, bucket: str) -> None:
        self.client, self._database = client, bucket

    def rows(self, service: str, revisions: Sequence[str], first: datetime, stop: datetime) -> pa.Table:
        """Return the rows of some revisions, in no order, with READ_SCHEMA."""
        names = {f"revision_{number}": encoded(name) for number, name in enumerate(revisions)}
        sql = _ROWS.format(
            measurement=lines.MEASUREMENT,
            revisions=", ".join(f"${name}" for name in names),
            range=_range(first, stop),
        )
        found = self._ask(sql, {"service": encoded(service), **names})
        columns = (lines.PACKED, *lines.TAGS)
        return points(([_ms(row["time"]), *(row[name] for name in columns)] for row in found), self.client.name)

    def seen(self, service: str | None, first: datetime, stop: datetime) -> list[Seen]:
        """List the revisions with requests, oldest first."""
        sql = _SEEN.format(
            measurement=lines.MEASUREMENT, range=_range(first, stop), of_service=_of_service("AND", service)
        )
        listed = [
            Seen(
                decoded(row["service"]),
                decoded(row["revision"]),
                _time(row["first"]),
                _time(row["last"]),
                row["requests"],
            )
            for row in self._ask(sql, _values(service))
        ]
        return oldest_first(listed)

    def marks(self, service: str | None = None) -> list[Mark]:
        """Return the last mark of each service and source."""
        sql = _MARKS.format(measurement=marks.MEASUREMENT, of_service=_of_service("WHERE", service))
        try:
            return [mark_of(row["service"], row["source"], row["mark"]) for row in self._ask(sql, _values(service))]
        except (ValueError, KeyError) as error:
            raise DataError(
                f"store {self.client.name!r} cannot be read: it has marks that are not Pratique's: {error}"
            ) from error

    def delete(self, tags: Mapping[str, str], *, measurement: str) -> None:
        """Raises: NotImplementedError always, see `deletes`."""
        raise NotImplementedError(measurement, tags)

    def _ask(self, sql: str, values: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of an answer; none when the table does not exist yet."""
        content = {"db": self._database, "q": sql, "params": dict(values), "format": "jsonl"}
        try:
            with self.client.answer("/api/v3/query_sql", content) as pieces:
                for found in json_lines(pieces, self.client.name):
                    if "error" in found:
                        raise UnavailableError(_late(self.client.name, found))
                    yield found
        except PratiqueError as error:
            if "table" not in str(error) or _NO_TABLE not in str(error):
                raise


def _late(name: str, found: dict[str, Any]) -> str:
    told = " ".join(str(found["error"]).split())[:200]
    return f"store {name!r} cannot be read: the server failed while it answered: {told}: try again"


def _range(first: datetime, stop: datetime) -> str:
    return f"time >= '{_literal(first)}' AND time < '{_literal(stop)}'"


def _literal(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _of_service(word: str, service: str | None) -> str:
    return "" if service is None else f"{word} service = $service"


def _values(service: str | None) -> dict[str, str]:
    return {} if service is None else {"service": encoded(service)}


def _time(text: str) -> datetime:
    """A time of an answer, which has no zone and means UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _ms(text: str) -> int:
    since = _time(text) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
