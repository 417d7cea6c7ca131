"""Start and stop what passes things on beside the store, as the service file says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from pratique.config import Config
from pratique.errors import PratiqueError
from pratique.export.forwarding import Forwarding
from pratique.export.influxdb_events import InfluxEvents
from pratique.export.ledger_follower import EventSink, LedgerFollower
from pratique.ledger import open_ledger
from pratique.telemetry.rollups import Rollups, Sink

if TYPE_CHECKING:
    from pratique.export.remote_write.remote import RemoteWrite

FOLDER = "collector"


class Exports:
    """What the collector's process passes on. Nothing runs before `follow`."""

    def __init__(self) -> None:
        self._running: list[Forwarding] = []
        self._remote: RemoteWrite | None = None
        self._config: Config | None = None

    def follow(self, config: Config, store: Sink) -> Sink:
        """Work by these settings from now on. Return what the collector writes to in place of the store.

        A sink that was returned before goes on writing to its store, and is counted by these settings.
        Raises: StorageError, DataError when what remote write keeps cannot be read; then the settings before are used.
        """
        self.close()
        try:
            self._begin(config)
        except PratiqueError:
            self.close()
            if self._config is not None:
                self._begin(self._config)
            raise
        self._config = config
        return CountedSink(lambda: self._remote, store)

    def notes(self) -> list[str]:
        """Return a sentence for each thing that is not passed on yet."""
        found = [f"{one.name}: {one.error}" for one in self._running if one.error]
        try:
            return found + (self._remote.notes() if self._remote else [])
        except PratiqueError as error:
            return [*found, f"remote write: {error}"]

    def close(self) -> None:
        """Stop everything."""
        for one in self._running:
            one.close()
        if self._remote is not None:
            self._remote.close()
        self._running, self._remote = [], None

    def _begin(self, config: Config) -> None:
        if config.store.is_influxdb:
            self._start("events for Grafana", _follower(config, InfluxEvents(config.store), "events.json").forward)
        if config.export.remote_write.url:
            self._begin_remote_write(config)

    def _begin_remote_write(self, config: Config) -> None:
        # protobuf takes memory that a collector without remote write has for its windows
        from pratique.export.remote_write.remote import RemoteWrite  # noqa: PLC0415

        remote = self._remote = RemoteWrite(
            config.export.remote_write,
            config.state_dir / FOLDER / "remote-write.sqlite",
            late_s=config.telemetry.late_s,
        )
        follower = _follower(config, remote, "remote-events.json")

        def work() -> None:
            try:
                follower.forward()
            finally:
                # counters do not depend on the ledger
                remote.send()

        self._start("remote write", work)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        one = Forwarding(name, work)
        self._running.append(one)
        one.start()


class CountedSink:
    """Writes rollups to a store, after the remote write of the present settings has counted them."""

    def __init__(self, remote: Callable[[], RemoteWrite | None], store: Sink) -> None:
        self._remote, self._store = remote, store

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Count rows, then write them to the store. Raises: what the store raises; StorageError."""
        remote = self._remote()
        if remote is not None:
            remote.take(rollups)
        self._store.write(rollups, instead_of=instead_of)


def _follower(config: Config, sink: EventSink, file: str) -> LedgerFollower:
    return LedgerFollower(open_ledger(config.state_dir), config.state_dir / FOLDER / file, sink)
