"""List the revisions of a bucket: InfluxDB adds up their requests, and finds their first and last window."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from pratique.store.base import Seen, oldest_first
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.lines import MEASUREMENT
from pratique.store.influxdb.names import decoded, encoded

_FLUX = """
requests = from(bucket: bucket) |> range(start: start, stop: stop)
  |> filter(fn: (r) => r._measurement == measurement and r._field == "n" {of_service})
requests |> group(columns: ["service", "revision"]) |> sum()
  |> keep(columns: ["service", "revision", "_value"]) |> yield(name: "requests")
requests |> first() |> group(columns: ["service", "revision"]) |> sort(columns: ["_time"]) |> limit(n: 1)
  |> keep(columns: ["service", "revision", "_time"]) |> yield(name: "first")
requests |> last() |> group(columns: ["service", "revision"]) |> sort(columns: ["_time"], desc: true) |> limit(n: 1)
  |> keep(columns: ["service", "revision", "_time"]) |> yield(name: "last")
"""


def seen(client: InfluxClient, bucket: str, service: str | None, start: datetime, stop: datetime) -> list[Seen]:
    """Return the revisions with requests in [start, stop), oldest first. Raises: as `InfluxClient.query`."""
    values: dict[str, str | datetime] = {"bucket": bucket, "measurement": MEASUREMENT, "start": start, "stop": stop}
    if service is not None:
        values["service"] = encoded(service)
    flux = _FLUX.format(of_service="and r.service == service" if service is not None else "")
    with client.query(flux, values) as pieces:
        text = b"".join(pieces).decode()
    found: dict[tuple[str, str], dict[str, str]] = {}
    for block in text.split("\r\n\r\n"):
        for row in csv.DictReader(io.StringIO(block.strip("\r\n"), newline="")):
            known = found.setdefault((decoded(row["service"]), decoded(row["revision"])), {})
            known[row["result"]] = row["_value"] if row["result"] == "requests" else row["_time"]
    listed = [
        Seen(*key, _time(values["first"]), _time(values["last"]), int(values["requests"]))
        for key, values in found.items()
    ]
    return oldest_first(listed)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
