"""Events as points in the store's bucket of InfluxDB, where Grafana reads them as annotations.

An event is one point of the measurement `pratique_events` at its time, and one of `pratique_weights` for each revision whose weight
it sets. A point that is written again replaces itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from pratique.config import StoreSettings
from pratique.errors import RetentionError
from pratique.export.events import Event
from pratique.store.influxdb.address import InfluxAddress
from pratique.store.influxdb.client import InfluxClient
from pratique.store.influxdb.names import encoded, in_line
from pratique.store.influxdb.tokens import write_token

EVENTS, WEIGHTS = "pratique_events", "pratique_weights"


class InfluxEvents:
    """Writes events to the bucket of a store."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings, self._address = settings, InfluxAddress.of(settings.url)

    @property
    def name(self) -> str:
        """The store's address."""
        return self._address.url

    def write_events(self, events: Sequence[Event]) -> None:
        """Write events; those that are older than the bucket's retention are left out. Raises: as `InfluxClient.write`."""
        client = InfluxClient.of(self._address, write_token(self._settings), self._settings)
        lines = [line for event in events for line in lines_of(event)]
        try:
            with suppress(RetentionError):
                client.write(self._address.bucket, "\n".join(lines).encode(), precision="us")
        finally:
            client.close()


def lines_of(event: Event) -> Iterator[str]:
    """Yield the points of an event in line protocol, times in microseconds."""
    service = f"service={_tag(event.service)}"
    fields = f"title={_text(event.title)},text={_text(event.text)},entry={event.number}i"
    yield f"{EVENTS},kind={_tag(event.kind)},revision={_tag(event.revision)},{service} {fields} {event.time_us}"
    for revision, share in event.shares.items():
        yield f"{WEIGHTS},revision={_tag(revision)},{service} share={float(share)} {event.time_us}"


def _tag(name: str) -> str:
    return in_line(encoded(name))


def _text(text: str) -> str:
    escaped = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
