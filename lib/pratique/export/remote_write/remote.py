"""Take rollups and events in durably, and send them in order while the server answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pyarrow.compute as pc

from pratique.clock import from_ms
from pratique.config import RemoteWriteSettings
from pratique.errors import PratiqueError
from pratique.export.events import Event
from pratique.export.remote_write.client import RemoteWriteClient
from pratique.export.remote_write.metrics import Key, counter_labels, counter_values, event_series
from pratique.export.remote_write.protocol import encoded, encoded_labels, encoded_times, request
from pratique.export.remote_write.state import State
from pratique.export.remote_write.totals import Step
from pratique.number_text import plural
from pratique.telemetry.rollups import Rollups

MOST_SERIES = 5000
"""Most series of a request."""
MARGIN_MS = 60_000
"""How much longer than the collector takes late lines a window may change."""


class RemoteWrite:
    """One server. `take` and `write_events` make durable what `send` sends."""

    def __init__(self, settings: RemoteWriteSettings, file: Path, *, late_s: float) -> None:
        """file: what must survive this process. late_s: how long the collector takes late lines.

        Raises: StorageError, DataError.
        """
        self._settings, self._keep_ms = settings, int(late_s * 1000) + MARGIN_MS
        self._state = State(file, settings.url)
        self._totals = self._state.totals()
        self._name_series()
        self._client = RemoteWriteClient(settings)

    @property
    def name(self) -> str:
        """The address."""
        return self._settings.url

    def take(self, rollups: Rollups) -> None:
        """Count rollups, and keep the requests for their windows. Taking the same windows again adds only what changed.

        Raises: StorageError; then take them again.
        """
        if self._totals.is_set_back(rollups, keep_ms=self._keep_ms):
            self._state.begin_again()
            self._totals = self._state.totals()
            self._name_series()
        table = rollups.table
        starts = pc.cast(table["window"], "int64").to_pylist()
        touched = set(zip(table["source"].to_pylist(), starts, strict=True))
        try:
            steps = list(self._totals.take(rollups, keep_ms=self._keep_ms))
            bodies = [(step.end_ms, body) for step in steps for body in self._bodies(step)]
            self._state.keep(self._totals, touched, bodies)
        except PratiqueError:
            # the counters in memory were not kept
            self._totals = self._state.totals()
            raise

    def write_events(self, events: Sequence[Event]) -> None:
        """Keep a request for each event, because a server may refuse an old one. Raises: StorageError."""
        self._state.append([(event.time_us // 1000, encoded(event_series(event, self._common))) for event in events])

    def send(self) -> None:
        """Send what waits, the oldest first. Raises: UnavailableError, DeniedError, MissingError, StorageError; the rest waits."""
        while (waiting := self._state.first()) is not None:
            self._state.remove(waiting, refusal=self._client.post(waiting.body))

    def notes(self) -> list[str]:
        """Return a sentence for everything that is not at the server."""
        waiting, oldest_ms = self._state.waiting()
        found = (
            [f"{plural(waiting, 'request')} to {self.name} since {from_ms(oldest_ms):%Y-%m-%d %H:%M:%SZ} wait"]
            if waiting > 1
            else []
        )
        if self._state.dropped:
            found.append(
                f"{plural(self._state.dropped, 'request')} to {self.name} were dropped, because too many waited"
            )
        refused, refusal = self._state.refused
        if refused:
            found.append(f"{self.name} refused {plural(refused, 'request')} for good, the last one because: {refusal}")
        return found

    def close(self) -> None:
        """Close the file and the connection."""
        self._state.close()
        self._client.close()

    def _name_series(self) -> None:
        self._common = {**self._settings.labels, "job": "pratique", "instance": self._state.instance}

        self._labels: dict[Key, list[bytes]] = {}

    def _bodies(self, step: Step) -> Iterator[bytes]:
        # the labels of a key are always the same, and most of a request
        self._labels = {key: self._labels.get(key) or self._encoded_labels(key) for key, _ in step.samples}
        rest = self._series(step)
        while part := list(islice(rest, MOST_SERIES)):
            yield request(part)

    def _encoded_labels(self, key: Key) -> list[bytes]:
        return [encoded_labels(labels) for labels in counter_labels(key, self._common)]

    def _series(self, step: Step) -> Iterator[tuple[bytes, list[tuple[bytes, bytes]]]]:
        for key, samples in step.samples:
            times = encoded_times([time_ms for time_ms, _ in samples])
            packed = [counter_values(values).astype("<f8").tobytes() for _, values in samples]
            for at, labels in enumerate(self._labels[key]):
                yield labels, [(packed[one][8 * at : 8 * at + 8], time) for one, time in enumerate(times)]
