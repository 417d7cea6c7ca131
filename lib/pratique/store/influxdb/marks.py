"""Marks of writes: which windows of which source are being written, so that no reader takes a part for the whole.

A write of many rows is several requests, and InfluxDB shows each as soon as it has it. A writer therefore says what it
begins, and what it has finished; a reader waits for the end of a write into its range. A mark is one point for each service and
source, and a new mark of the same source replaces it. It therefore tells the writes before it too: a reader that was overtaken by
several of them reads the windows of all of them again. A source has one writer at a time.
"""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pratique.clock import now_ms
from pratique.errors import DataError
from pratique.store.influxdb.client import EARLIEST, LATEST, InfluxClient
from pratique.store.influxdb.lines import EARLIEST_MS, LATEST_MS
from pratique.store.influxdb.names import decoded, encoded, in_line

MEASUREMENT = "pratique_writes"
SLOT_MS = 600_000
"""Marks of one slot replace each other, so that a collector adds a point in ten minutes and not one per write."""
WRITES = 20
"""Writes that a mark tells; a reader that was overtaken by more reads its whole range again."""

_FLUX = """
from(bucket: bucket) |> range(start: earliest, stop: latest)
  |> filter(fn: (r) => r._measurement == measurement and r._field == "mark" {of_service})
  |> last() |> keep(columns: ["_time", "_value", "service", "source"])
"""


@dataclass(frozen=True)
class Write:
    """A write of a source: its windows from `first_ms` to `last_ms`, epoch ms."""

    id: str
    first_ms: int
    last_ms: int


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
        state = "done" if done else "open"
        value = f"{state} {newest.first_ms} {newest.last_ms} {self.began_ms} {newest.id}{''.join(earlier)}"
        return f'{MEASUREMENT},{tags} mark="{value}" {now_ms() // SLOT_MS * SLOT_MS}'


class Marker:
    """Makes the marks of one writer, each with the writes that it has made before. Threads may share it."""

    def __init__(self) -> None:
        self._writes: dict[tuple[str, str], tuple[Write, ...]] = {}

    def marks_of(self, table: pa.Table, instead_of: Collection[str]) -> list[Mark]:
        """Return the marks of a write of rows that begins. Rows that are removed instead may have any window."""
        began, unique = now_ms(), secrets.token_hex(6)
        marks = []
        for (service, source), (first, last) in sorted(_windows(table, instead_of).items()):
            earlier = self._writes.get((service, source), ())
            writes = (Write(unique, first, last), *earlier)[:WRITES]
            self._writes[service, source] = writes
            marks.append(Mark(service, source, False, began, writes))
        return marks


def _windows(table: pa.Table, instead_of: Collection[str]) -> dict[tuple[str, str], tuple[int, int]]:
    """The first and last window of each service and source."""
    plain = pa.table({name: table[name].cast(pa.string()) for name in ("service", "source")})
    plain = plain.append_column("window", table["window"].cast(pa.int64()))
    groups = plain.group_by(["service", "source"]).aggregate([("window", "min"), ("window", "max")]).to_pylist()
    found = {(row["service"], row["source"]): (row["window_min"], row["window_max"]) for row in groups}
    services = {service for service, _ in found}
    return found | {(service, source): (EARLIEST_MS, LATEST_MS) for service in services for source in instead_of}


def set_marks(client: InfluxClient, bucket: str, marks: Iterable[Mark], *, done: bool) -> None:
    """Write marks. Raises: as `InfluxClient.write`."""
    client.write(bucket, "\n".join(mark.line(done) for mark in marks).encode())


def read_marks(client: InfluxClient, bucket: str, service: str | None = None) -> list[Mark]:
    """Return the last mark of each service and source. Raises: as `InfluxClient.query`."""
    values: dict[str, str | datetime] = {
        "bucket": bucket,
        "measurement": MEASUREMENT,
        "earliest": EARLIEST,
        "latest": LATEST,
    }
    if service is not None:
        values["service"] = encoded(service)
    flux = _FLUX.format(of_service="and r.service == service" if service is not None else "")
    with client.query(flux, values) as pieces:
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
    writes = (Write(unique, int(first), int(last)), *earlier)
    return Mark(decoded(service), decoded(source), state == "done", int(began), writes)
