"""Marks of writes: which windows of which source are being written, so that no reader takes a part for the whole.

A write of many rows is several requests, and InfluxDB shows each as soon as it has it. A writer therefore says what it
begins, and what it has finished; a reader waits for the end of a write into its range. A mark is one point for each service and
source, and a new mark of the same source replaces it. It therefore tells the writes before it too: a reader that was overtaken by
several of them reads the windows of all of them again. A source has one writer at a time.

The id of a write ends with its number among the writes of its source, for the points of `window_points`. A source whose writers could not read
the last number has none: its service is read from the points of each row.
"""

from __future__ import annotations

import csv
import io
import secrets
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pratique.clock import from_ms, now_ms
from pratique.errors import DataError
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.lines import EARLIEST_MS, LATEST_MS
from pratique.store.influxdb.names import decoded, encoded, in_line

MEASUREMENT = "pratique_writes"
MARK_MS = 4_102_444_800_000
"""The time of every mark, so that a new one replaces the old one whatever the clocks say: 2100, which no retention drops."""
_MARKS_FROM, _MARKS_TO = from_ms(MARK_MS), from_ms(MARK_MS + 1)
WRITES = 20
"""Writes that a mark tells; a reader that was overtaken by more reads its whole range again."""

_FLUX = """
from(bucket: bucket) |> range(start: start, stop: stop)
  |> filter(fn: (r) => r._measurement == measurement and r._field == "mark" {of_service})
  |> keep(columns: ["_time", "_value", "service", "source"])
"""


Source = tuple[str, str]
"""A service and a source."""


@dataclass(frozen=True)
class Write:
    """A write of a source: its windows from `first_ms` to `last_ms`, epoch ms. id: "UNIQUE:NUMBER", or without a number."""

    id: str
    first_ms: int
    last_ms: int

    @property
    def number(self) -> int | None:
        """Its number among the writes of its source."""
        number = self.id.partition(":")[2]
        return int(number) if number else None


@dataclass(frozen=True)
class Mark:
    """The last writes of a source, newest first; whether the newest is done, and when it began, epoch ms."""

    service: str
    source: str
    done: bool
    began_ms: int
    writes: tuple[Write, ...]

    @property
    def newest(self) -> Write:
        """The write that began last."""
        return self.writes[0]

    @property
    def number(self) -> int | None:
        """The number of the newest write; None when some rows of the source may be in no point of a window."""
        return self.newest.number

    def overlaps(self, first_ms: int, end_ms: int) -> bool:
        """Whether its newest write concerns windows in [first_ms, end_ms)."""
        return self.newest.first_ms < end_ms and self.newest.last_ms >= first_ms

    def since(self, before: Mark | None) -> tuple[Write, ...] | None:
        """Return the writes that may have changed a row since an earlier mark of the source; None when it does not tell all."""
        if before is None:
            return self.writes if len(self.writes) < WRITES else None
        known = next((number for number, write in enumerate(self.writes) if write.id == before.newest.id), None)
        if known is None:
            return None
        # a write that was in progress has gone on since
        return self.writes[: known + (not before.done)]

    def line(self, done: bool) -> str:
        """Return its line in line protocol."""
        tags = f"service={in_line(encoded(self.service))},source={in_line(encoded(self.source))}"
        newest, earlier = self.newest, (f" {write.id} {write.first_ms} {write.last_ms}" for write in self.writes[1:])
        value = f"{'done' if done else 'open'} {newest.first_ms} {newest.last_ms} {self.began_ms} {newest.id}{''.join(earlier)}"
        return f'{MEASUREMENT},{tags} mark="{value}" {MARK_MS}'


class Marker:
    """Makes the marks of one writer, each with the writes that it has made before. Threads may share it.

    writer: a name that no other writer has, not even the same program after a restart.
    """

    def __init__(self) -> None:
        self.writer = secrets.token_hex(4)
        self._marks: dict[Source, Mark] = {}
        self._broken: dict[Source, Mark] = {}
        self._incomplete: dict[Source, set[int]] = {}
        self._lock = threading.Lock()

    def marks_of(self, windows: Mapping[Source, tuple[int, int]], stored: Iterable[Mark] | None = None) -> list[Mark]:
        """Return the marks of a write that begins. windows: see `windows_of`.

        stored: the last marks of the services; None when they are not known, and the write has no number.
        """
        began, unique = now_ms(), secrets.token_hex(6)
        last = None if stored is None else {(mark.service, mark.source): mark for mark in stored}
        with self._lock:
            for key, window in sorted(windows.items()):
                own = self._marks.get(key)
                number = None if last is None else _next_number(own, last.get(key))
                write = Write(unique if number is None else f"{unique}:{number}", *window)
                writes = (write, *(own.writes if own else ()))[:WRITES]
                self._marks[key] = Mark(*key, False, began, writes)
            return [self._marks[key] for key in sorted(windows)]

    def broke_off(self, marks: Iterable[Mark], starts: Mapping[Source, Collection[int]]) -> None:
        """Remember the windows of a write that failed within its rows: until they are written again, no reader may see them. starts: see `starts_of`."""
        with self._lock:
            for mark in marks:
                key = (mark.service, mark.source)
                self._broken.setdefault(key, mark)
                self._incomplete.setdefault(key, set()).update(starts.get(key, ()))

    def ended(self, marks: Iterable[Mark], starts: Mapping[Source, Collection[int]]) -> tuple[list[Mark], list[Mark]]:
        """Return the marks to set when a write has ended: those that are done, and those of sources where windows of an earlier write are incomplete."""
        done, still_open = [], []
        with self._lock:
            for mark in marks:
                key = (mark.service, mark.source)
                left = self._incomplete.get(key, set()) - set(starts.get(key, ()))
                if left:
                    self._incomplete[key] = left
                    still_open.append(self._reopened(mark, min(left), max(left)))
                else:
                    self._incomplete.pop(key, None)
                    self._broken.pop(key, None)
                    done.append(mark)
        return done, still_open

    def _reopened(self, mark: Mark, first_ms: int, last_ms: int) -> Mark:
        """A mark of the windows of the write that broke off, after a write that ended: the newest one hides the others."""
        key, unique = (mark.service, mark.source), secrets.token_hex(6)
        number = None if mark.number is None else mark.number + 1
        write = Write(unique if number is None else f"{unique}:{number}", first_ms, last_ms)
        found = Mark(*key, False, self._broken[key].began_ms, (write, *mark.writes)[:WRITES])
        self._marks[key] = found
        return found

    def own(self, sources: Collection[Source]) -> list[Mark] | None:
        """Return the last marks that this writer made; None unless each of the sources has one with a number."""
        with self._lock:
            found = [self._marks[key] for key in sources if key in self._marks]
        return found if len(found) == len(sources) and all(mark.number is not None for mark in found) else None


def _next_number(own: Mark | None, stored: Mark | None) -> int | None:
    """The number of a write after others of its source; None when the stored one has none. own: may not have been stored."""
    if stored is not None and stored.number is None:
        return None
    return 1 + max((mark.number for mark in (own, stored) if mark and mark.number is not None), default=-1)


def numbers_of(marks: Collection[Mark]) -> dict[str, int] | None:
    """Return the number of the newest write of each source of a service; None unless there are marks, and each has one."""
    found = {mark.source: mark.number for mark in marks if mark.number is not None}
    return found if found and len(found) == len(marks) else None


def windows_of(table: pa.Table, instead_of: Collection[str]) -> dict[Source, tuple[int, int]]:
    """Return the first and last window of each service and source of rows. Rows that are removed instead may have any window."""
    plain = pa.table({name: table[name].cast(pa.string()) for name in ("service", "source")})
    plain = plain.append_column("window", table["window"].cast(pa.int64()))
    groups = plain.group_by(["service", "source"]).aggregate([("window", "min"), ("window", "max")]).to_pylist()
    found = {(row["service"], row["source"]): (row["window_min"], row["window_max"]) for row in groups}
    services = {service for service, _ in found}
    return found | {(service, source): (EARLIEST_MS, LATEST_MS) for service in services for source in instead_of}


def starts_of(table: pa.Table) -> dict[Source, set[int]]:
    """Return the starts of the windows of each service and source of rows, epoch ms."""
    plain = pa.table({name: table[name].cast(pa.string()) for name in ("service", "source")})
    groups = plain.append_column("window", table["window"].cast(pa.int64())).group_by(plain.column_names)
    found = groups.aggregate([("window", "distinct")]).to_pylist()
    return {(row["service"], row["source"]): set(row["window_distinct"]) for row in found}


def set_marks(client: InfluxClient, bucket: str, marks: Iterable[Mark], *, done: bool) -> None:
    """Write marks. Raises: as `InfluxClient.write`."""
    if lines := [mark.line(done) for mark in marks]:
        client.write(bucket, "\n".join(lines).encode())


def read_marks(client: InfluxClient, bucket: str, services: Sequence[str] | None = None) -> list[Mark]:
    """Return the last mark of each source of some services; by default of all. Raises: as `InfluxClient.query`."""
    values: dict[str, str | datetime] = {
        "bucket": bucket,
        "measurement": MEASUREMENT,
        "start": _MARKS_FROM,
        "stop": _MARKS_TO,
    }
    names = {f"service_{number}": encoded(name) for number, name in enumerate(services or ())}
    asked = " or ".join(f"r.service == {name}" for name in names)
    flux = _FLUX.format(of_service=f"and ({asked})" if asked else "")
    with client.query(flux, {**values, **names}) as pieces:
        text = b"".join(pieces).decode()
    try:
        return [
            mark_of(row["service"], row["source"], row["_value"])
            for row in csv.DictReader(io.StringIO(text))
            if row.get("service")
        ]
    except (ValueError, KeyError) as error:
        raise DataError(
            f"store {client.name!r} cannot be read: it has marks that are not Pratique's: {error}"
        ) from error


def mark_of(service: str, source: str, value: str) -> Mark:
    """Return a mark from its tags and its value, as they are stored. Raises: ValueError."""
    state, first, last, began, unique, *rest = value.split(" ")
    earlier = [Write(name, int(low), int(high)) for name, low, high in zip(*[iter(rest)] * 3, strict=True)]
    mark = Mark(
        decoded(service),
        decoded(source),
        state == "done",
        int(began),
        (Write(unique, int(first), int(last)), *earlier),
    )
    if mark.number is not None and mark.number < 0:
        raise ValueError(f"the number of a write is {mark.number}")
    return mark
