"""A rollback as its notebook runs it: one call per step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pratique.runbook.common.steps import CHECK
from pratique.runbook.engine.console import say_detail
from pratique.runbook.rollback.candidates import RollbackCandidate
from pratique.runbook.rollback.context import JOIN, RETIRE, SHIFT, START, RollbackContext, RollbackPlan
from pratique.runbook.rollback.parameters import RollbackParameters
from pratique.runbook.rollback.steps import steps_of
from pratique.runbook.service.acceptance import ACCEPT
from pratique.runbook.service.session import ServiceSession
from pratique.weight_changes import WeightChange


class RollbackSession(ServiceSession[RollbackContext]):
    """A rollback that goes through its steps; each step is done once per run id."""

    finishing = (RETIRE,)

    def __init__(self, context: RollbackContext) -> None:
        """Prepare; nothing is written before `open`."""
        super().__init__(context, steps_of(context))

    @classmethod
    def from_journal(cls, parameters: Mapping[str, Any]) -> RollbackSession:
        """Return the session of a run, from the parameters in its journal."""
        return cls(RollbackContext(RollbackParameters.from_json(parameters)))

    def choices(self) -> list[RollbackCandidate]:
        """Print and return the revisions that can be restored; the latest comes last."""
        found = self.context.candidates()
        for candidate in found:
            say_detail(str(candidate))
        return found

    def check(self) -> RollbackPlan:
        """Find the release to restore, and compare it with the content that was released under its name.

        Raises: MissingError (nothing earlier, never released, or gone), DataError (changed since),
        UsageError (it already has all of the traffic), UnavailableError (the balancer does not answer).
        """
        self._run.perform(CHECK)
        return self.context.plan

    def start(self) -> list[str]:
        """Start it where it does not run; return the addresses of its instances when they are ready."""
        self._run.perform(START)
        return [] if self._run.dry_run else [instance.address for instance in self.context.target_instances()]

    def accept(self) -> list[str]:
        """Run the acceptance test against each of its instances; return the addresses that passed."""
        return list(self._run.perform(ACCEPT).get("passed", []))

    def take_into_pool(self) -> dict[str, float]:
        """Add it to the balancer's pool with no traffic; return the shares."""
        self._run.perform(JOIN)
        return self.context.shares()

    def shift(self) -> dict[str, float]:
        """Give it all of the traffic at once; print how long the balancer took, and return the shares."""
        self._run.perform(SHIFT)
        return self.context.shares()

    def retire(self) -> dict[str, float]:
        """Make it the only revision in the pool, drain and stop the others; return the shares."""
        self._run.perform(RETIRE)
        return self.context.shares()

    @property
    def weights_history(self) -> Sequence[WeightChange]:
        """Every change of the shares, oldest first."""
        return self.context.ledger.weights(self.context.service)
