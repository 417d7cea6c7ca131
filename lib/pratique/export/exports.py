"""Start and stop what passes things on beside the store, as the service file says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pratique.config import Config, RemoteWriteSettings
from pratique.export.forwarding import Forwarding
from pratique.export.influxdb_events import InfluxEvents
from pratique.export.ledger_follower import EventSink, LedgerFollower
from pratique.ledger import open_ledger
from pratique.telemetry.rollups import Sink

if TYPE_CHECKING:
    from pratique.export.remote_write.remote import RemoteWrite

FOLDER = "collector"


class Exports:
    """What the collector's process passes on. Nothing runs before `follow`."""

    def __init__(self) -> None:
        self._running: list[Forwarding] = []
        self._remote: RemoteWrite | None = None

    def follow(self, config: Config, store: Sink) -> Sink:
        """Work by these settings from now on. Return what the collector writes to in place of the store.

        Raises: StorageError, DataError when what remote write keeps cannot be read.
        """
        self.close()
        if config.store.is_influxdb:
            self._start("events for Grafana", _follower(config, InfluxEvents(config.store), "events.json").forward)
        remote = config.export.remote_write
        return self._with_remote_write(config, remote, store) if remote.url else store

    def notes(self) -> list[str]:
        """Return a sentence for each thing that is not passed on yet."""
        found = [f"{one.name}: {one.error}" for one in self._running if one.error]
        return found + (self._remote.notes() if self._remote else [])

    def close(self) -> None:
        """Stop everything."""
        for one in self._running:
            one.close()
        if self._remote is not None:
            self._remote.close()
        self._running, self._remote = [], None

    def _with_remote_write(self, config: Config, settings: RemoteWriteSettings, store: Sink) -> Sink:
        # protobuf takes memory that a collector without remote write has for its windows
        from pratique.export.remote_write.remote import CountingSink, RemoteWrite  # noqa: PLC0415

        remote = self._remote = RemoteWrite(
            settings, config.state_dir / FOLDER / "remote-write.sqlite", late_s=config.telemetry.late_s
        )
        follower = _follower(config, remote, "remote-events.json")

        def work() -> None:
            follower.forward()
            remote.send()

        self._start("remote write", work)
        return CountingSink(remote, store)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        one = Forwarding(name, work)
        self._running.append(one)
        one.start()


def _follower(config: Config, sink: EventSink, file: str) -> LedgerFollower:
    return LedgerFollower(open_ledger(config.state_dir), config.state_dir / FOLDER / file, sink)
