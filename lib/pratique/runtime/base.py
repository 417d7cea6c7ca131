"""The runtime's contract: where releases run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pratique.release.model import Release

Role = Literal["baseline", "canary"]


@dataclass(frozen=True)
class Instance:
    """One running copy of a release, as the engine's own labels describe it.

    id: the engine's name for it (process id and start time, container id); run: the run id that
    started it; address: "host:port" that the balancer sends requests to. group: what is stopped with it, by the
    engine's name for that; "" where it is stopped alone.
    """

    id: str
    service: str
    revision: str
    run: str
    role: Role
    address: str
    started: datetime
    group: str = ""

    def __str__(self) -> str:
        """Name the instance in a message."""
        return f"{self.service} {self.revision} at {self.address}"


def serving(instances: Iterable[Instance], servers: Mapping[str, Collection[str]]) -> list[Instance]:
    """The instances that a pool lives by, so that none of them may be stopped.

    Those at an address of the pool; those that would be stopped together with one; and where nothing runs any more at
    an address of a revision, all of its groups: the engine may have replaced one by another.
    """
    known = list(instances)
    taken = {address for addresses in servers.values() for address in addresses}
    groups = {i.group for i in known if i.address in taken} - {""}
    running = {i.address for i in known}
    astray = {revision for revision, addresses in servers.items() if not running.issuperset(addresses)}
    return [i for i in known if i.address in taken or i.group in groups or (i.group and i.revision in astray)]


class Runtime(Protocol):
    """Start, watch and stop instances. The engine itself is the record of what runs; there is no other."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that it runs on, in the order in which a release goes over them; one where the engine places."""

    def start(
        self, release: Release, *, run: str, role: Role, count: int = 1, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` instances on each host (None: on all) and return at once; doing it again for the same run,
        revision and role returns those that already run.

        Raises: MissingError (no such release), UnavailableError (it cannot be started).
        """

    def ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until the instance answers its readiness probe.

        Raises: UnavailableError with the instance's own last log lines, when it exits or the deadline passes.
        """

    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Ask it to stop, wait until it has finished its requests, at most `drain_s`, then end it, and its group.

        Stopping what is gone already is no error.
        """

    def list(self, service: str | None = None) -> Sequence[Instance]:
        """What runs now, whoever started it."""

    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """The instance's own last log lines."""

    def ended(self, service: str) -> Sequence[Instance]:
        """What has ended by itself, and of which something is left; `stop` removes it."""

    def tidy(self, service: str, run: str, *, keep: str = "") -> None:
        """Remove what is left of a run's instances that have ended by themselves.

        keep: a revision that serves, whose instances the engine may be about to start again.
        """
