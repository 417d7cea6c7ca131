"""Find sources that two processes write at the same time, from the numbers of their writes.

A process that follows another one takes the next number, so all its numbers are greater. Processes at the same time take
numbers in turn, or the same ones. The points of `window_points` tell the writer and the number of each write.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.marks import Source
from pratique.store.influxdb.names import decoded
from pratique.store.influxdb.window_points import MEASUREMENT, NUMBERS

_FLUX = """
points = from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: (r) => r._measurement == measurement)
points |> first() |> keep(columns: ["_time", "_field", "service", "source"]) |> yield(name: "first")
points |> last() |> keep(columns: ["_time", "_field", "service", "source"]) |> yield(name: "last")
"""
Numbers = tuple[int, int]
"""The least and the greatest number of the writes of a process."""


def sources_with_several(client: InfluxClient, bucket: str, start: datetime, stop: datetime) -> list[Source]:
    """Return the sources that several processes wrote in turn, in windows of [start, stop). Raises: as `InfluxClient.query`."""
    values: dict[str, str | datetime] = {"bucket": bucket, "measurement": MEASUREMENT, "start": start, "stop": stop}
    with client.query(_FLUX, values) as pieces:
        text = b"".join(pieces).decode()
    found: dict[Source, dict[str, Numbers]] = {}
    for block in text.split("\r\n\r\n"):
        for row in csv.DictReader(io.StringIO(block.strip("\r\n"), newline="")):
            writers = found.setdefault((decoded(row["service"]), decoded(row["source"])), {})
            writer, number = row["_field"].rpartition("_")[0], _number(row["_time"])
            least, greatest = writers.get(writer, (number, number))
            writers[writer] = min(least, number), max(greatest, number)
    return sorted(source for source, writers in found.items() if in_turn(writers.values()))


def in_turn(numbers: Iterable[Numbers]) -> bool:
    """Whether some of these processes wrote at the same time. Numbers that began again at 0 tell nothing."""
    ranges = sorted(numbers)
    if not ranges or max(greatest for _, greatest in ranges) - ranges[0][0] > NUMBERS // 2:
        return False
    return any(second[0] <= first[1] for first, second in pairwise(ranges))


def _number(time: str) -> int:
    """The number of a write, from the time of its point in RFC 3339."""
    fraction = time.rstrip("Z").partition(".")[2].ljust(9, "0")
    return int(fraction[3:9])
