"""The context of a run that changes a service: its releases, its instances, and its shares of the traffic."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from typing_extensions import override

from pratique.balancer import open_balancer
from pratique.balancer.base import Pool
from pratique.clock import stamp, utc_now
from pratique.config import ServiceSettings, Target
from pratique.errors import PratiqueError, UnavailableError
from pratique.release import Release
from pratique.release.bound import bound_release
from pratique.runbook.common.context import RunContext
from pratique.runbook.engine.console import describe, say_detail
from pratique.runbook.engine.step import Data
from pratique.runbook.service.lapse import Lapse, find_lapse
from pratique.runbook.service.notifications import notify_end, notify_lapse
from pratique.runbook.service.parameters import ServiceParameters
from pratique.runtime import open_runtime
from pratique.runtime.base import Instance, Role, in_use_by

Parameters = TypeVar("Parameters", bound=ServiceParameters)

READY_RECHECK_S = 5.0
"""How long an instance that was ready before may take to answer its readiness probe again."""


class ServiceContext(RunContext[Parameters], Generic[Parameters]):
    """Everything that the steps of a run share that changes a service: its runtime, its balancer and its releases."""

    entry_kind = "release"

    def __init__(self, parameters: Parameters) -> None:
        """Read the service file and open runtime, balancer and ledger; nothing is written."""
        super().__init__(parameters, parameters.service)
        self.service = parameters.service
        self.target: Target = self.config.target(self.service)
        self.settings: ServiceSettings = self.target.settings
        self.runtime = open_runtime(self.target)
        self.balancer = open_balancer(self.target)

    @property
    @override
    def identity(self) -> Data:
        return {"runbook": self.runbook, "service": self.service, "revision": self.parameters.revision}

    @property
    @abstractmethod
    @override
    def revision(self) -> str:
        """The revision that the run releases or restores; "" while it is not known."""

    @property
    @abstractmethod
    def winner(self) -> str:
        """The revision that finally gets all of the traffic."""

    @property
    @override
    def names(self) -> Data:
        return {**super().names, "service": self.service}

    @override
    def notify_end(self, result: Data) -> None:
        notify_end(self.config, self.service, result)

    @abstractmethod
    def new_instances(self) -> list[Instance]:
        """Return the instances that must pass the acceptance test before they get traffic."""

    def release_of(self, revision: str) -> Release:
        """Return the release of a revision: the content that the name stands for.

        Raises: MissingError, DataError when the content has changed.
        """
        return bound_release(self.target, revision, self.bound_to(revision))

    def bound_to(self, revision: str) -> dict[str, str] | None:
        """Return the digests that a revision stands for, as `digest` and `configuration`; None while it never ran."""
        return self.ledger.binding(self.service, revision)

    def own_instances(self) -> list[Instance]:
        """Return the instances that this run started, according to the engine's labels."""
        return [instance for instance in self.runtime.list(self.service) if instance.run == self.run_id]

    def shares(self) -> dict[str, float]:
        """Return each revision's current share of the traffic."""
        return self.balancer.weights(self.service).shares

    # -- changes

    def record_lapse(self, last_held: datetime | None = None) -> Lapse | None:
        """Record a lease that expired, if the ledger does not know it yet, and return it.

        last_held: when the lease was last seen to hold, UTC.
        """
        lapse = find_lapse(self.ledger, self.balancer, self.service, last_held=last_held)
        if lapse is not None:
            self.outbox.record_change("lapse", lapse.data, revision=lapse.revisions[0])
            notify_lapse(self.config, self.service, self.run_id, lapse)
        return lapse

    def shift(self, shares: Mapping[str, float]) -> None:
        """Set the shares without a lease, and record them in the ledger."""
        self._record_unknown_lapse()
        asked = utc_now()
        self.balancer.set_weights(self.service, dict(shares))
        self._record_shares(dict(shares), asked)

    def put_pool(self, servers: Mapping[str, Iterable[str]], shares: Mapping[str, float]) -> None:
        """Replace the whole pool, and record its shares in the ledger."""
        pool = Pool(self.service, {revision: tuple(found) for revision, found in servers.items()}, dict(shares))
        self._record_unknown_lapse()
        asked = utc_now()
        self.balancer.apply(pool)
        self._record_shares(pool.weights, asked)

    def serve_only(self, revision: str, addresses: Iterable[str]) -> None:
        """Make one revision the whole pool."""
        self.put_pool({revision: addresses}, {revision: 1.0})

    def start(
        self, revision: str, *, run: str, role: Role, count: int, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` instances on each host (None: on all hosts) and wait until they are ready."""
        instances = self.runtime.start(self.release_of(revision), run=run, role=role, count=count, hosts=hosts)
        self.require_ready(instances)
        return instances

    def require_ready(self, instances: Iterable[Instance], *, within_s: float = math.inf) -> None:
        """Wait until the instances are ready, each for the service's deadline and at most `within_s`.

        Raises: UnavailableError with an instance's last log lines.
        """
        for instance in instances:
            self.runtime.wait_ready(instance, deadline_s=min(within_s, self.settings.runtime.readiness_timeout_s))

    def require_serving(self, revision: str, addresses: Collection[str]) -> None:
        """Check that a ready instance runs at each of a revision's addresses.

        Raises: UnavailableError naming the missing addresses, or with an instance's last log lines.
        """
        there = [i for i in self.runtime.list(self.service) if i.address in addresses]
        missing = sorted(set(addresses) - {instance.address for instance in there})
        if missing or not addresses:
            raise UnavailableError(f"{revision} no longer runs at {', '.join(missing) or 'any address'}")
        self.require_ready(there, within_s=READY_RECHECK_S)

    def stop(self, instances: Iterable[Instance], *, keep: str = "") -> None:
        """Drain and stop instances, and remove this run's exited instances, except those of the revision `keep`."""
        for instance in instances:
            self.runtime.stop(instance, drain_s=self.settings.runtime.drain_s)
        self.runtime.remove_exited(self.service, self.run_id, keep=keep)

    def stop_others(self, revision: str, addresses: Collection[str]) -> list[Instance]:
        """Drain and stop every instance that does not serve the revision; return those that were stopped."""
        there = self.runtime.list(self.service)
        staying = in_use_by(there, {revision: addresses})
        others = [instance for instance in there if instance not in staying]
        self.stop(others, keep=revision)
        return others

    def _record_unknown_lapse(self) -> None:
        """Record a lapse before a change hides it from the balancer; the change itself is more important."""
        try:
            self.record_lapse()
        except PratiqueError as error:
            say_detail(f"whether a lease expired is not known: {describe(error)}")

    def _record_shares(self, shares: dict[str, float], asked: datetime) -> None:
        """Record shares that the balancer has just confirmed. asked: when the change was asked for."""
        largest = max(shares, key=lambda revision: shares[revision])
        revision = largest if shares[largest] == 1.0 else self.revision
        times = {"asked": stamp(asked), "confirmed": stamp(utc_now())}
        self.outbox.record_change("weight", {"shares": shares} | times, revision=revision)
