"""What all steps of a release share: what was asked, the parts, and what is known so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pratique.balancer.base import Pool
from pratique.config import Config, ServiceSettings, load
from pratique.judge.model import Verdict
from pratique.release.model import Release
from pratique.runbook.approval import Approver, make_approver
from pratique.runbook.parameters import Asked
from pratique.runbook.parts import configuration_digest, find_release, make_balancer, make_runtime, make_store
from pratique.runbook.run import Run
from pratique.runbook.shares import Arms, arms_of, baseline_of
from pratique.runbook.watch import Watch
from pratique.runtime.base import Instance

CHECK = "check"
START = "start the canary"
JOIN = "take into the pool"
ROLL_OUT = "roll out"
CONCLUDE = "conclude"
REPORT = "report"
RECORD = "record"

OUTCOMES = {"promote": "promoted", "rollback": "rolled back", "inconclusive": "inconclusive"}


@dataclass(frozen=True)
class Found:
    """What the check found: the baseline and its servers, and what the canary is."""

    baseline: str
    addresses: tuple[str, ...]
    digest: str
    configuration: str


class Context:
    """A release's surroundings. Everything it knows stands in the journal, so that another process knows it too."""

    def __init__(self, asked: Asked) -> None:
        """Read the service file and name the parts; nothing is written."""
        self.asked = asked
        self.service = asked.service
        self.config: Config = load(asked.config, store=asked.store or None)
        self.settings: ServiceSettings = self.config.service(asked.service)
        rollout = self.settings.rollout
        self.stages: tuple[float, ...] = asked.stages or rollout.stages
        self.fresh: bool = (asked.baseline or rollout.baseline) == "fresh"
        self.run = Run(self.config, asked.service, asked.run_id, who=asked.who, why=asked.why, dry_run=asked.dry_run)
        self.runtime = make_runtime(self.config, asked.service)
        self.balancer = make_balancer(self.config, asked.service)
        self.approver: Approver | None = None
        self.last: Verdict | None = None

    def choose_approver(self) -> Approver:
        """Who approves between stages.

        Raises: UsageError when there would be nobody to ask.
        """
        mode = self.asked.approval or self.settings.rollout.approval
        self.approver = make_approver(mode, self.asked.approvals, self.stages)
        return self.approver

    # -- what is known

    def look(self) -> Found:
        """Find the baseline and the canary's release.

        Raises: MissingError, UsageError, UnavailableError.
        """
        release = self.release_of(self.asked.revision)
        pool = self.balancer.pool(self.service)
        baseline = baseline_of(pool, self.service, self.asked.revision)
        addresses = pool.servers[baseline] if pool else ()
        return Found(baseline, addresses, release.digest, configuration_digest(release))

    @property
    def found(self) -> Found:
        """What the check found, then."""
        data = self.run.journal.data(CHECK)
        if not data:
            return self.look()
        return Found(**{**data, "addresses": tuple(data["addresses"])})

    @property
    def arms(self) -> Arms:
        """The revisions of this rollout."""
        return arms_of(self.found.baseline, self.asked.revision, fresh=self.fresh)

    @property
    def decision(self) -> str | None:
        """What the rollout came to; None before."""
        return self.run.journal.data(ROLL_OUT).get("decision")

    @property
    def concluded(self) -> bool:
        """Whether the decision was carried out."""
        return self.run.journal.state(CONCLUDE) == "done"

    @property
    def outcome(self) -> str:
        """The outcome as the ledger has it: "failed" until the decision was carried out."""
        return OUTCOMES.get(self.decision or "", "failed") if self.concluded else "failed"

    @property
    def winner(self) -> str:
        """The revision that is to have all of the traffic in the end."""
        return self.asked.revision if self.decision == "promote" else self.found.baseline

    def release_of(self, revision: str) -> Release:
        """The release of a revision."""
        return find_release(self.config, self.service, revision)

    def mine(self) -> list[Instance]:
        """The instances that this run has started, as the engine's labels say."""
        return [instance for instance in self.runtime.list(self.service) if instance.run == self.run.id]

    def watch(self, since: datetime) -> Watch:
        """The judge over what the store has from `since` on."""
        return Watch(self.config, self.service, self.arms, self.run.ledger, make_store(self.config), since=since)

    # -- what is changed

    def shift(self, shares: Mapping[str, float]) -> None:
        """Set the shares for good, and write them into the ledger."""
        self.balancer.set_weights(self.service, dict(shares))
        self.run.enter("weight", {"shares": dict(shares)}, revision=self.asked.revision)

    def serve_only(self, revision: str, addresses: Iterable[str]) -> None:
        """Make one revision the whole pool, and write that into the ledger."""
        self.balancer.apply(Pool(self.service, {revision: tuple(addresses)}, {revision: 1.0}))
        self.run.enter("weight", {"shares": {revision: 1.0}}, revision=revision)

    def start(self, revision: str, *, run: str, role: Literal["baseline", "canary"], count: int) -> list[Instance]:
        """Start instances and wait until they are ready."""
        deadline_s = self.settings.runtime.ready_deadline_s
        instances = self.runtime.start(self.release_of(revision), run=run, role=role, count=count)
        for instance in instances:
            self.runtime.ready(instance, deadline_s=deadline_s)
        return instances

    def stop(self, instances: Iterable[Instance]) -> None:
        """Drain and stop."""
        for instance in instances:
            self.runtime.stop(instance, drain_s=self.settings.runtime.drain_s)
