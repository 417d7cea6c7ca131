"""What the steps of every runbook share: what was asked, the parts, and what they do with them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Literal

from pratique.balancer import open_balancer
from pratique.balancer.base import Pool
from pratique.config import Config, ServiceSettings, Target, load
from pratique.errors import DataError, UnavailableError
from pratique.release import Release, configuration_digest, find_release
from pratique.runbook.engine.run import Run
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.service.parameters import Asked
from pratique.runtime import open_runtime
from pratique.runtime.base import Instance, Role, in_use_by

CHECK = "check"
ACCEPT = "acceptance test"
RECORD = "record"

SERVES_S = 5.0
"""How long an instance that was ready may take to say so again."""

Outcome = Literal["promoted", "rolled back", "inconclusive", "reverted", "failed"]


class Surroundings(ABC):
    """A run's surroundings. Everything it knows stands in the journal, so that another process knows it too."""

    runbook: ClassVar[str]
    finishing: ClassVar[tuple[str, ...]] = ()
    """Steps after the one that is final, which whoever ends a dead run does for it."""

    def __init__(self, asked: Asked) -> None:
        """Read the service file and name the parts; nothing is written."""
        self.asked = asked
        self.service = asked.service
        self.config: Config = load(asked.config, store=asked.store or None)
        self.target: Target = self.config.target(asked.service)
        self.settings: ServiceSettings = self.target.settings
        self.run = Run(self.config, asked.service, asked.run_id, who=asked.who, why=asked.why, dry_run=asked.dry_run)
        self.runtime = open_runtime(self.target)
        self.balancer = open_balancer(self.target)

    # -- what kind of run it is

    @abstractmethod
    def steps(self) -> dict[str, Step]:
        """Its steps, in order, by name."""

    @property
    def identity(self) -> Data:
        """What the run is of; the same run id with another one is refused."""
        return {"runbook": self.runbook, "service": self.service, "revision": self.asked.revision}

    @property
    @abstractmethod
    def time_limit(self) -> timedelta:
        """For the whole run."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is, in a few words."""

    # -- what is known

    @property
    @abstractmethod
    def revision(self) -> str:
        """The revision that is released or gone back to."""

    @property
    @abstractmethod
    def winner(self) -> str:
        """The revision that is to have all of the traffic in the end."""

    @property
    @abstractmethod
    def outcome(self) -> Outcome:
        """The outcome as the ledger has it: "failed" until it is carried out."""

    @property
    @abstractmethod
    def result(self) -> Data:
        """What result.json says beside the outcome: verdict, baseline, report, measured times."""

    def release_of(self, revision: str) -> Release:
        """The release of a revision: what the ledger bound it to, whatever its name stands for by now.

        Raises: MissingError, DataError when it is another one.
        """
        bound = self.run.ledger.binding(self.service, revision)
        release = find_release(self.target, revision, digest=bound["digest"] if bound else None)
        now = {"digest": release.digest, "configuration": configuration_digest(release)}
        for what, then in (bound or {}).items():
            if then and then != now[what]:
                raise DataError(
                    f"{self.service} {revision!r} has another {what} than it was released with ({now[what][:19]}…, "
                    f"not {then[:19]}…): put back what was released, or name another revision"
                )
        return release

    def mine(self) -> list[Instance]:
        """The instances that this run has started, as the engine's labels say."""
        return [instance for instance in self.runtime.list(self.service) if instance.run == self.run.id]

    @abstractmethod
    def newcomers(self) -> list[Instance]:
        """The instances that must pass the acceptance test before they get traffic."""

    def shares(self) -> dict[str, float]:
        """Who has which share now."""
        return self.balancer.weights(self.service).shares

    # -- what is changed

    def shift(self, shares: Mapping[str, float]) -> None:
        """Set the shares for good, and write them into the ledger."""
        self.balancer.set_weights(self.service, dict(shares))
        self._write_down(dict(shares))

    def put_pool(self, servers: Mapping[str, Iterable[str]], shares: Mapping[str, float]) -> None:
        """Make this the whole pool, and write its shares into the ledger."""
        pool = Pool(self.service, {revision: tuple(found) for revision, found in servers.items()}, dict(shares))
        self.balancer.apply(pool)
        self._write_down(pool.weights)

    def serve_only(self, revision: str, addresses: Iterable[str]) -> None:
        """Make one revision the whole pool."""
        self.put_pool({revision: addresses}, {revision: 1.0})

    def _write_down(self, shares: dict[str, float]) -> None:
        serving = max(shares, key=lambda revision: shares[revision])
        enter = self.run.try_enter if self.run.undoing else self.run.enter
        enter("weight", {"shares": shares}, revision=serving if shares[serving] == 1.0 else self.revision)

    def start(
        self, revision: str, *, run: str, role: Role, count: int, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` instances on each host (None: on all) and wait until they are ready."""
        instances = self.runtime.start(self.release_of(revision), run=run, role=role, count=count, hosts=hosts)
        self.require_ready(instances)
        return instances

    def require_ready(self, instances: Iterable[Instance], *, within_s: float = math.inf) -> None:
        """Wait until they are ready, each for the service's deadline, at most `within_s`.

        Raises: UnavailableError with an instance's last words.
        """
        for instance in instances:
            self.runtime.wait_ready(instance, deadline_s=min(within_s, self.settings.runtime.readiness_timeout_s))

    def require_serving(self, revision: str, addresses: Collection[str]) -> None:
        """Have an instance run, and be ready, at each of a revision's addresses.

        Raises: UnavailableError naming what is not there, or with an instance's last words.
        """
        there = [i for i in self.runtime.list(self.service) if i.address in addresses]
        missing = sorted(set(addresses) - {instance.address for instance in there})
        if missing or not addresses:
            raise UnavailableError(f"{revision} does not run at {', '.join(missing) or 'any address'} any more")
        self.require_ready(there, within_s=SERVES_S)

    def stop(self, instances: Iterable[Instance], *, keep: str = "") -> None:
        """Drain and stop, and leave nothing of this run that has ended by itself, but for the revision `keep`."""
        for instance in instances:
            self.runtime.stop(instance, drain_s=self.settings.runtime.drain_s)
        self.runtime.remove_exited(self.service, self.run.id, keep=keep)

    def stop_others(self, revision: str, addresses: Collection[str]) -> list[Instance]:
        """Drain and stop all that does not serve for a revision; return what was stopped."""
        there = self.runtime.list(self.service)
        staying = in_use_by(there, {revision: addresses})
        others = [instance for instance in there if instance not in staying]
        self.stop(others, keep=revision)
        return others
