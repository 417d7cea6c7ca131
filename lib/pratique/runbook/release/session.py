"""A release as its notebook runs it: one call per step."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from typing_extensions import override

from pratique.errors import PratiqueError, UnavailableError
from pratique.judge.model import Verdict
from pratique.planning.plan import Plan, plan
from pratique.planning.text import conclusion
from pratique.runbook.common.steps import CHECK
from pratique.runbook.engine.console import say_detail
from pratique.runbook.release.content_change import print_difference
from pratique.runbook.release.context import (
    CONCLUDE,
    JOIN,
    REPORT,
    ROLL_OUT,
    START,
    ReleaseContext,
    ReleasePlan,
)
from pratique.runbook.release.parameters import ReleaseParameters
from pratique.runbook.release.preflight import require_measured
from pratique.runbook.release.steps import steps_of
from pratique.runbook.service.acceptance import ACCEPT
from pratique.runbook.service.orphans import describe_orphans, find_orphans
from pratique.runbook.service.session import ServiceSession
from pratique.store import is_scraped, open_store

COLLECTOR_RETRY_S = 40.0
"""How long the check waits for a collector that cannot write: longer than the collector's own retry interval."""

EXPECTED = (2.0, 5.0)
"""How much worse the canaries are whose detection a release forecasts."""


class ReleaseSession(ServiceSession[ReleaseContext]):
    """A release that goes through its steps; each step is done once per run id."""

    def __init__(self, context: ReleaseContext) -> None:
        """Prepare; nothing is written before `open`."""
        super().__init__(context, steps_of(context))
        self._accepted = False

    @classmethod
    def from_journal(cls, parameters: Mapping[str, Any]) -> ReleaseSession:
        """Return the session of a run, from the parameters in its journal."""
        return cls(ReleaseContext(ReleaseParameters.from_json(parameters)))

    @override
    def open(self) -> None:
        """Choose the approver, take the lock, and begin or resume."""
        self.context.choose_approver()
        super().open()

    def check(self) -> ReleasePlan:
        """Check that everything needed is there, and that the revision was not released with other content.

        Raises: MissingError (no such release), UsageError (changed content under an old name, another
        rollout), UnavailableError (collector, balancer or store does not answer).
        """
        if self._run.active or self._run.dry_run:
            self._run.guarded(CHECK, self._require_parts)
        self._run.perform(CHECK)
        self._print_orphans()
        plan = self.context.plan
        if not self.context.journal.data(ROLL_OUT):
            print_difference(self.context.config, self.context.service, plan.baseline, self.context.revision)
        return plan

    def plan(self) -> Plan | None:
        """Print and return what to expect of this release at the present traffic; None when nothing is known about it, or after the rollout.

        It changes nothing, and a plan that fails never stops a release.
        """
        context = self.context
        if context.journal.data(ROLL_OUT):
            return None
        try:
            found = plan(context.config, context.service, stages=context.stages, factors=EXPECTED, proposing=False)
        except PratiqueError as error:
            say_detail(f"no forecast: {error}")
            return None
        say_detail(conclusion(found))
        if not found.arrives:
            say_detail(f"settings that arrive in time: pratique plan {context.service}")
        return found

    def start_canary(self) -> list[str]:
        """Start the canary, and a fresh baseline if asked for; return their addresses when they are ready."""
        self._run.perform(START)
        return [] if self._run.dry_run else [instance.address for instance in self.context.own_instances()]

    def accept(self) -> list[str]:
        """Run the acceptance test against each of the canary's instances; return the addresses that passed."""
        passed = self._run.perform(ACCEPT).get("passed", [])
        self._accepted = True
        return list(passed)

    def take_into_pool(self) -> dict[str, float]:
        """Add the canary to the balancer's pool with no traffic, after its acceptance test; return the shares."""
        if not self._accepted:
            self.accept()
        self._run.perform(JOIN)
        return self.context.shares()

    def roll_out(self) -> str:
        """Give the canary traffic in stages, judged at every window; return the decision in a sentence."""
        data = self._run.perform(ROLL_OUT)
        return f"{data['decision']}: {data['reason']}" if data else "dry run: nothing was judged"

    def conclude(self) -> dict[str, float]:
        """Promote the canary or remove it, according to the verdict; return the shares."""
        self._run.perform(CONCLUDE)
        return self.context.shares()

    def report(self) -> str:
        """Write the report; return its path, "" when nothing was judged."""
        return str(self._run.perform(REPORT).get("html", ""))

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict, judged again from the store if another process had it; None if nothing was judged."""
        data = self.context.journal.data(ROLL_OUT)
        if self.context.last_verdict is None and data.get("end"):
            analysis = self.context.analysis(datetime.fromisoformat(data["since"]))
            self.context.last_verdict = analysis.look_again(datetime.fromisoformat(data["end"]))
        return self.context.last_verdict

    def _require_parts(self) -> None:
        self._require_measured()
        self.context.balancer.pool(self.context.service)

    def _require_measured(self) -> None:
        """Wait for a collector that cannot write: it retries by itself, at the latest after half a minute."""
        store = open_store(self.context.config.store)
        if is_scraped(store):
            say_detail(
                f"requests are counted from {self.context.config.store.url}: a request is judged at most {store.lag_s()} s "
                "after it was scraped"
            )
        deadline, announced = time.monotonic() + COLLECTOR_RETRY_S, False
        while (status := require_measured(self.context)) and (error := status.error):
            if time.monotonic() > deadline:
                raise UnavailableError(f"the collector cannot write, so nothing would be measured: {error}")
            if not announced:
                announced = True
                say_detail(f"waiting until the collector can write: {error}")
            time.sleep(0.5)

    def _print_orphans(self) -> None:
        context = self.context
        found = find_orphans(context.target, context.runtime, context.balancer)
        found = [instance for instance in found if instance.run != context.run_id]
        for line in describe_orphans(found):
            say_detail(f"left over from a crashed run: {line}")
        if found:
            say_detail(f"to stop the orphans: pratique orphans {context.service} --remove")
