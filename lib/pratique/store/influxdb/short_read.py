"""Read a short range, with the marks before and after it, by one request instead of three.

InfluxDB 2 runs the queries of a request in Flux at the same time, and the statements of one in InfluxQL one after the other. It needs a third of the
time for a statement too, because it does not compile it. Where InfluxQL does not reach the bucket, or a write goes on, there is no answer, and `consistent` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from pratique.clock import from_ms
from pratique.errors import DataError, DeniedError, MissingError
from pratique.store.influxdb import consistent, influxql, marks, window_answer, window_points
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.influxql import Series, time_range
from pratique.store.influxdb.marks import mark_of, numbers_of
from pratique.store.influxdb.names import encoded

LONGEST_MS = 600_000
"""A range with few windows: InfluxQL has a column for each writer, and JSON takes longer to read than CSV."""
_BEFORE, _ROWS, _AFTER = range(3)
_MARKS = f'SELECT "mark" FROM "{marks.MEASUREMENT}" WHERE "service" = $service GROUP BY "service", "source"'  # noqa: S608 - only own words
_WINDOWS = f'SELECT /^{window_points.FIELD}/ FROM "{window_points.MEASUREMENT}" WHERE {{where}} GROUP BY "revision", "service", "source"'  # noqa: S608


class ShortReader:
    """Reads short ranges of a bucket of InfluxDB 2. Threads may share it."""

    def __init__(self, client: InfluxClient, bucket: str) -> None:
        self._client, self._bucket = client, bucket
        self._place: tuple[str, str] | None = None
        self._refused = False

    def rows(self, service: str, revisions: Sequence[str], first_ms: int, stop_ms: int) -> pa.Table | None:
        """Return the rows of some revisions in [first_ms, stop_ms), in no order, with READ_SCHEMA.

        None when a part of a write might be among them, when points of windows may not have all rows, and where InfluxQL does not reach the bucket.
        Raises: UnavailableError.
        """
        place = self._reached() if stop_ms - first_ms <= LONGEST_MS else None
        if place is None:
            return None
        try:
            found = self._asked(place, service, revisions, first_ms, stop_ms)
            before, after = (_latest(found[number]) for number in (_BEFORE, _AFTER))
            newest = numbers_of(after.values())
            if newest is None or not consistent.unchanged(before, after, first_ms, stop_ms):
                return None
            return window_answer.rows_of(_points(found[_ROWS]), newest)
        except DeniedError:
            return None  # Flux explains more
        except (DataError, MissingError, KeyError, ValueError, pa.ArrowException):
            # Flux gives the rows, or an error that explains more
            self._refused = True
            return None

    def _reached(self) -> tuple[str, str] | None:
        """The database and the retention policy that stand for the bucket, and for no other; None without them."""
        if self._place is None and not self._refused:
            try:
                self._place = self._client.database_of(self._bucket)
            except (DataError, DeniedError, MissingError):
                self._place = None
            self._refused = self._place is None
        return None if self._refused else self._place

    def _asked(
        self, place: tuple[str, str], service: str, revisions: Sequence[str], first_ms: int, stop_ms: int
    ) -> list[list[Series]]:
        """The series of each statement."""
        names = {f"revision_{number}": encoded(name) for number, name in enumerate(revisions)}
        of_revisions = " OR ".join(f'"revision" = ${name}' for name in names)
        where = f'{time_range(from_ms(first_ms), from_ms(stop_ms))} AND "service" = $service AND ({of_revisions})'
        statements = f"{_MARKS}; {_WINDOWS.format(where=where)}; {_MARKS}"
        values = {"service": encoded(service), **names}
        database, policy = place
        found: list[list[Series]] = [[], [], []]
        for number, series in influxql.ask(
            self._client, statements, values, database=database, policy=policy, epoch="ns"
        ):
            found[number].append(series)
        return found


def _latest(found: Iterable[Series]) -> consistent.Latest:
    read = [mark_of(series["tags"]["service"], series["tags"]["source"], series["values"][0][1]) for series in found]
    return {(mark.service, mark.source): mark for mark in read}


def _points(found: Iterable[Series]) -> pa.RecordBatch:
    """Points as `window_answer` takes them: a row for each field that has a value."""
    rows: list[tuple[Any, ...]] = []
    for series in found:
        _, *fields = series["columns"]
        tags = [series["tags"][name] for name in window_points.TAGS]
        for time, *values in series["values"]:
            rows += [
                (time, value, field, *tags) for field, value in zip(fields, values, strict=True) if value is not None
            ]
    columns = zip(*rows, strict=True) if rows else [()] * len(window_answer.TYPES)
    arrays = [pa.array(values, kind) for values, kind in zip(columns, window_answer.TYPES.values(), strict=True)]
    return pa.record_batch(arrays, names=list(window_answer.TYPES))
