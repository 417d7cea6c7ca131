"""The interface of a runtime, which starts and stops the instances of a release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pratique.errors import UnavailableError
from pratique.release.model import Release

Role = Literal["baseline", "canary"]

PORTS = range(18000, 32000)
"""Ports for instances: below the range from which the kernel takes the ports of outgoing connections."""


@dataclass(frozen=True)
class Instance:
    """One running copy of a release, as the engine's labels describe it.

    id: the engine's identifier (process id and start time, container id, task id). run: the id of the run that
    started it. address: "host:port" that the balancer connects to. group: the engine's id of the unit that it is
    stopped with; "" when it is stopped alone.
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
        return f"{self.service} {self.revision} at {self.address}"


def in_use_by(instances: Iterable[Instance], servers: Mapping[str, Collection[str]]) -> list[Instance]:
    """Return the instances that a pool uses: none of them may be stopped. servers: revision → addresses.

    These are the instances at an address of the pool and those that stop together with one of them. If an address of
    a revision has no running instance, all groups of that revision count as well: the engine may have replaced a task.
    """
    known = list(instances)
    addresses = {address for found in servers.values() for address in found}
    groups = {i.group for i in known if i.address in addresses} - {""}
    running = {i.address for i in known}
    incomplete = {revision for revision, found in servers.items() if not running.issuperset(found)}
    return [i for i in known if i.address in addresses or i.group in groups or (i.group and i.revision in incomplete)]


def no_free_port() -> UnavailableError:
    """Return the error for a host on which every port that was tried is taken."""
    return UnavailableError(
        f"no free port found between {PORTS.start} and {PORTS.stop - 1}: stop the processes that use them"
    )


class Runtime(Protocol):
    """Start, list and stop instances. The engine itself is the only record of the running instances."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that instances run on, in the order of a release; one entry if the engine places instances."""

    def start(
        self, release: Release, *, run: str, role: Role, count: int = 1, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` instances on each host (None: on all hosts) and return without waiting until they are ready.

        Running instances of the same run, revision and role are returned, not started a second time.
        Raises: MissingError (no such release), UnavailableError (it cannot be started).
        """

    def wait_ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until the instance passes its readiness check. 0 s checks once.

        Raises: UnavailableError with its last log lines, when it exits or the deadline passes.
        """

    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Ask the instance to stop, wait at most `drain_s` for its requests, then kill it together with its group.

        An instance that no longer exists is not an error.
        """

    def list(self, service: str | None = None) -> Sequence[Instance]:
        """Return the running instances of a service (None: of all services), whoever started them."""

    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """Return the last log lines of an instance, with secrets masked; none when its log no longer exists."""

    def exited(self, service: str) -> Sequence[Instance]:
        """Return the instances that exited without being stopped and that the engine still keeps."""

    def remove_exited(self, service: str, run: str, *, keep: str = "") -> None:
        """Remove the exited instances of a run.

        keep: a revision that receives traffic, whose instances the engine may be about to restart.
        """
