"""A release as the notebook runs it: open it, then one call a step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from pratique.errors import UnavailableError
from pratique.judge.model import Verdict
from pratique.runbook.engine.run import say
from pratique.runbook.release.context import CONCLUDE, JOIN, REPORT, ROLL_OUT, START, Context, Found
from pratique.runbook.service.context import ACCEPT, CHECK
from pratique.runbook.service.orphans import describe_orphans, find_orphans
from pratique.runbook.service.parameters import ReleaseAsked, checked, refuse_unknown
from pratique.runbook.service.session import Session
from pratique.store import open_store
from pratique.telemetry.status import require_collector

WRITES_S = 40.0
"""How long the check waits for a collector that could not write: longer than it waits before it tries again."""


def open_run(
    *,
    service: str,
    revision: str,
    config: str = "",
    store: str = "",
    run_id: str = "",
    stages: str | Sequence[float] = (),
    why: str = "",
    who: str = "",
    dry_run: bool = False,
    approval: str = "",
    approvals: str | Sequence[str | float] = "",
    baseline: str = "",
    deadline_min: float = 0.0,
) -> ReleaseRun:
    """Open the release of a revision, or go on with the one of the same run id.

    Empty text, no stages and 0 take the service file's settings. stages: percent. approvals: "all", or
    the stages approved beforehand. deadline_min: minutes for the whole run.
    Raises: UsageError (a parameter; nobody to ask; another release under this run id), ConfigError,
    BusyError (who holds the service, and why).
    """
    refuse_unknown([field.name for field in fields(ReleaseAsked)])
    asked = checked(
        service=service,
        revision=revision,
        config=config,
        store=store,
        run_id=run_id,
        stages=stages,
        why=why,
        who=who,
        dry_run=dry_run,
        approval=approval,
        approvals=approvals,
        baseline=baseline,
        deadline_min=deadline_min,
    )
    release = ReleaseRun(Context(asked))
    release.open()
    return release


class ReleaseRun(Session[Context]):
    """A release as it goes through its steps; each is done once per run id."""

    _accepted = False

    def open(self) -> None:
        """Find out who approves, take the lock, and begin or go on."""
        self.context.choose_approver()
        super().open()

    def check(self) -> Found:
        """Look whether everything needed is there, and bind the revision to its digest.

        Raises: MissingError (no such release), UsageError (a changed release under an old name, another
        rollout), UnavailableError (collector, balancer or store does not answer).
        """
        if self._run.lock.held or self._run.dry_run:
            self._run.guarded(CHECK, self._require_parts)
        self._run.perform(CHECK)
        self._tell_orphans()
        return self.context.found

    def start_canary(self) -> list[str]:
        """Start the canary, and the fresh baseline where one is wanted; return their addresses when they are ready."""
        self._run.perform(START)
        return [] if self._run.dry_run else [instance.address for instance in self.context.mine()]

    def accept(self) -> list[str]:
        """Run the acceptance test against each of the canary's instances; return the addresses of those that passed."""
        passed = self._run.perform(ACCEPT).get("passed", [])
        self._accepted = True
        return list(passed)

    def take_into_pool(self) -> dict[str, float]:
        """Put the canary into the balancer's pool with no traffic, after its acceptance test; return the shares."""
        if not self._accepted:
            self.accept()
        self._run.perform(JOIN)
        return self.context.shares()

    def roll_out(self) -> str:
        """Give the canary its stages of traffic, judged at every window; return the decision in a sentence."""
        data = self._run.perform(ROLL_OUT)
        return f"{data['decision']}: {data['reason']}" if data else "dry run: nothing was judged"

    def conclude(self) -> dict[str, float]:
        """Promote or take out, as was decided; return who has the traffic now."""
        self._run.perform(CONCLUDE)
        return self.context.shares()

    def report(self) -> str:
        """Write the report; return its path, "" when nothing was judged."""
        return str(self._run.perform(REPORT).get("html", ""))

    @property
    def verdict(self) -> Verdict | None:
        """The last verdict; judged again from the store when another process had it."""
        data = self._run.journal.data(ROLL_OUT)
        if self.context.last is None and data.get("end"):
            watch = self.context.watch(datetime.fromisoformat(data["since"]))
            self.context.last = watch.look_again(datetime.fromisoformat(data["end"]))
        return self.context.last

    def _require_sight(self) -> None:
        """A collector that could not write tries again by itself, at the latest after half a minute: it is waited for."""
        deadline, told = time.monotonic() + WRITES_S, False
        while error := require_collector(self.context.target.state_dir).error:
            if time.monotonic() > deadline:
                raise UnavailableError(f"the collector cannot write, so that nothing would be measured: {error}")
            if not told:
                told = True
                say(f"    waiting until the collector can write again: {error}")
            time.sleep(0.5)

    def _tell_orphans(self) -> None:
        context = self.context
        found = find_orphans(context.target, context.runtime, context.balancer)
        found = [instance for instance in found if instance.run != context.run.id]
        for line in describe_orphans(found):
            say(f"    left behind by a dead run: {line}")
        if found:
            say(f"    to stop what was left behind: pratique orphans {context.service} --remove")

    def _require_parts(self) -> None:
        self._require_sight()
        open_store(self.context.config.store)
        self.context.balancer.pool(self.context.service)
