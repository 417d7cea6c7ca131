"""Start and stop what passes things on beside the store, as the service file says."""

from __future__ import annotations

from pratique.config import Config
from pratique.export.forwarding import Forwarding
from pratique.export.influxdb_events import InfluxEvents
from pratique.export.ledger_follower import LedgerFollower
from pratique.ledger.ledger import open_ledger
from pratique.telemetry.rollups import Sink

EVENTS_FILE = "collector/events.json"


class Exports:
    """What the collector's process passes on. Nothing runs before `follow`."""

    def __init__(self) -> None:
        self._running: list[Forwarding] = []

    def follow(self, config: Config, store: Sink) -> Sink:
        """Work by these settings from now on. Return what the collector writes to in place of the store."""
        self.close()
        if config.store.is_influxdb:
            self._start("events", self._follower(config))
        return store

    def notes(self) -> list[str]:
        """Return a sentence for each thing that cannot be passed on."""
        return [f"{one.name} wait: {one.error}" for one in self._running if one.error]

    def close(self) -> None:
        """Stop everything."""
        for one in self._running:
            one.close()
        self._running = []

    def _follower(self, config: Config) -> LedgerFollower:
        return LedgerFollower(open_ledger(config.state_dir), config.state_dir / EVENTS_FILE, InfluxEvents(config.store))

    def _start(self, name: str, follower: LedgerFollower) -> None:
        one = Forwarding(name, follower.forward)
        self._running.append(one)
        one.start()
