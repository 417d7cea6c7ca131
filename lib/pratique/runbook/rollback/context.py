"""The context of a rollback: its plan, its instances, and its progress according to the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import override

from pratique.errors import MissingError, UnavailableError, UsageError
from pratique.ledger.previous_revision import previous_revision
from pratique.ledger.serving_periods import serving_periods
from pratique.runbook.common.context import Outcome
from pratique.runbook.common.steps import CHECK
from pratique.runbook.engine.console import say_detail
from pratique.runbook.engine.step import Data
from pratique.runbook.rollback.candidates import RollbackCandidate, rollback_candidates
from pratique.runbook.rollback.parameters import RollbackParameters
from pratique.runbook.service.context import ServiceContext
from pratique.runtime.base import Instance

START = "start it"
JOIN = "take it into the pool"
SHIFT = "shift the traffic"
RETIRE = "stop the others"
"""Keys of the steps, in the journal and the ledger."""

RUN_TIMEOUT_MIN = 30.0
"""Limit for the whole run: everything that it starts and drains has worked before."""
READY_TIMEOUT_S = 2.0
"""How long an instance that still runs may take to answer; one that does not is replaced."""


@dataclass(frozen=True)
class RollbackPlan:
    """The result of the check: from which revision to which, and the pool before. Also the journal's format."""

    current: str
    target: str
    digest: str
    servers: dict[str, list[str]]
    weights: dict[str, float]


class RollbackContext(ServiceContext[RollbackParameters]):
    """Everything that the steps of a rollback share."""

    runbook = "rollback"

    @property
    @override
    def time_limit(self) -> timedelta:
        return timedelta(minutes=RUN_TIMEOUT_MIN)

    @property
    @override
    def title(self) -> str:
        return f"rollback of {self.service} to {self.parameters.revision or 'the previous revision'}"

    # -- known facts

    def candidates(self) -> list[RollbackCandidate]:
        """Return the revisions that can be restored; the latest comes last."""
        return rollback_candidates(self.ledger, self.service)

    def make_plan(self) -> RollbackPlan:
        """Find the revision that has the traffic, and the release to restore.

        Raises: MissingError, UsageError, DataError, UnavailableError.
        """
        pool = self.balancer.pool(self.service)
        if pool is None:
            raise UsageError(
                f"{self.service} has no revision in its pool: start one with: pratique up {self.service} REVISION"
            )
        current = max(pool.weights, key=lambda name: pool.weights[name])
        periods = serving_periods(self.ledger.entries(self.service))
        target = self.parameters.revision or previous_revision(periods, current)
        if pool.weights.get(target) == 1.0 and len(pool.servers) == 1:
            raise UsageError(f"{self.service} {target!r} already has all of the traffic: name another revision")
        servers = {name: list(addresses) for name, addresses in pool.servers.items()}
        return RollbackPlan(current, target, self._checked_digest(target), servers, dict(pool.weights))

    @property
    def plan(self) -> RollbackPlan:
        """The plan that the check made; before the check, a new one."""
        data = self._checked
        return RollbackPlan(**data) if data else self.make_plan()

    @property
    @override
    def revision(self) -> str:
        return str(self._checked.get("target", "")) or self.parameters.revision

    @property
    @override
    def winner(self) -> str:
        return self.plan.target

    @property
    @override
    def outcome(self) -> Outcome:
        return "reverted" if self.shifted else "failed"

    @property
    @override
    def reason(self) -> str:
        return f"rolled back from {self.plan.current} to {self.plan.target}"

    @property
    @override
    def exit_status(self) -> int:
        return 0

    @property
    def shifted(self) -> bool:
        """True if the restored release has the traffic; from then on nothing is undone."""
        return self.journal.state(SHIFT) == "done"

    @property
    @override
    def result(self) -> Data:
        known = self.journal.last_done(CHECK)
        return {"verdict": None, "baseline": known.get("current"), "report": None, "balancer_s": self.balancer_s}

    @property
    def balancer_s(self) -> float | None:
        """Seconds that the balancer took for pool and shares; None before the shift."""
        data = [self.journal.data(step) for step in (JOIN, SHIFT)]
        return round(sum(part["balancer_s"] for part in data), 3) if all(data) else None

    def target_instances(self) -> list[Instance]:
        """Return the target's instances: those ready at the beginning, and those that this run started."""
        found: list[str] = self.journal.data(START).get("found", [])
        return [
            i
            for i in self.runtime.list(self.service)
            if i.revision == self.winner and (i.run == self.run_id or i.id in found)
        ]

    def still_running(self) -> list[Instance]:
        """Return the target's instances that other runs started and that still run."""
        return [i for i in self.runtime.list(self.service) if i.revision == self.winner and i.run != self.run_id]

    def still_ready(self) -> list[Instance]:
        """Return those of them that are ready."""
        return [instance for instance in self.still_running() if self._is_ready(instance)]

    @override
    def new_instances(self) -> list[Instance]:
        """Return all of the target's instances: none has served users recently."""
        return self.target_instances()

    @property
    def _checked(self) -> Data:
        return self.journal.data(CHECK) or self.journal.last_done(CHECK)

    def _checked_digest(self, target: str) -> str:
        """Return the digest of the target, which must be the released one.

        Raises: MissingError (never released here, or gone), DataError (changed since).
        """
        known = {candidate.revision: candidate for candidate in self.candidates()}
        if target not in known:
            where = f"of {self.service} that has had all traffic"
            raise MissingError.unknown("release", target, known, where=where)
        return self.release_of(target).digest

    def _is_ready(self, instance: Instance) -> bool:
        try:
            self.runtime.wait_ready(instance, deadline_s=READY_TIMEOUT_S)
        except UnavailableError as error:
            say_detail(f"not used: {error}")
            return False
        return True
