"""The steps of a release, in order, and how each is undone.

    step                what it does                                       how it is undone
    ------------------  -------------------------------------------------  -------------------------------------------
    Check               find the baseline; refuse a changed revision       nothing to undo
    Start the canary    start its instances, wait until they are ready,    drain and stop every instance of this run;
                        bind the revision to its digest                    the binding stays
    Acceptance test     run the service's test against each instance       nothing to undo
    Add to the pool     add the canary to the balancer with no traffic     leave only the baseline in the pool
    Roll out            give it traffic in stages; the judge decides       give all of the traffic to the baseline
    Conclude   (final)  all traffic to the winner; drain, stop the others  start the baseline again, give it the pool
    Report              write the report of the comparison                 nothing to undo
    Record              write the ledger's last entry and result.json      nothing to undo

When a step fails, or a person interrupts it, the steps before it are undone in reverse order. After Conclude is
done, nothing is undone. When the process dies, the canary's lease expires, the balancer returns its traffic
to the baseline, and the same run_id resumes at the step that was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from typing_extensions import override

from pratique.balancer.base import Pool
from pratique.errors import UnavailableError
from pratique.release.commit import CommitOf, find_commit
from pratique.runbook.common.steps import CHECK, Record, RunStep
from pratique.runbook.engine.step import Attempt, Data, Step
from pratique.runbook.release.context import CONCLUDE, JOIN, REPORT, ROLL_OUT, START, ReleaseContext
from pratique.runbook.release.rollout_step import RollOut
from pratique.runbook.service.acceptance import AcceptanceTest
from pratique.runbook.service.orphans import UNDO_SUFFIX
from pratique.runbook.service.share_text import all_to, percents


class Check(RunStep[ReleaseContext]):
    """Refuse a revision that was released with other content, and record that the release has started."""

    key = CHECK
    title = "Check"

    @property
    @override
    def description(self) -> str:
        return f"find the baseline, and what {self._context.revision} is"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context, plan = self._context, self._context.make_plan()
        context.ledger.require_unchanged(
            context.service, context.revision, plan.digest, configuration=plan.configuration
        )
        started = {
            "event": "started",
            "baseline": plan.baseline,
            "digest": plan.digest,
            "stages": list(context.stages),
            "incident": context.parameters.incident,
            **_commit_data(find_commit(context.revision, context.target.base, context.parameters.commit)),
        }
        context.outbox.record("release", started, revision=context.revision)
        return {**asdict(plan), "addresses": list(plan.addresses)}

    @override
    def effects(self) -> Sequence[str]:
        plan = self._context.plan
        return [f"{self._context.revision} is {plan.digest}; the baseline is {plan.baseline}"]


def _commit_data(found: CommitOf) -> Data:
    return {"commit": found.commit, "commit_from": found.source}


class StartCanary(RunStep[ReleaseContext]):
    """Start the canary, and a fresh baseline if the release asks for one."""

    key = START
    title = "Start the canary"

    @property
    @override
    def description(self) -> str:
        return f"start {self._context.revision}, wait until it is ready, and bind it to its digest"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context = self._context
        count, first, run = context.settings.runtime.instances, context.runtime.hosts[:1], context.run_id
        instances = context.start(context.revision, run=run, role="canary", count=count, hosts=first)
        if context.fresh:
            instances += context.start(context.plan.baseline, run=run, role="baseline", count=count, hosts=first)
        self._bind()
        for instance in instances:
            attempt.say(f"{instance.revision} ({instance.role}) is ready at {instance.address}")
        return {"started": len(instances)}

    @override
    def undo(self, data: Data) -> None:
        """Stop every instance that carries this run's label.

        Raises: UnavailableError when users are still sent there, because the pool could not be restored.
        """
        self._require_idle()
        self._context.stop(self._context.own_instances())

    @override
    def holds(self, data: Data) -> bool:
        rolled_out = self._context.decision is not None
        return rolled_out or len(self._context.own_instances()) >= data["started"]

    @override
    def effects(self) -> Sequence[str]:
        context, count = self._context, self._context.settings.runtime.instances
        arms = [(context.revision, "canary")] + ([(context.plan.baseline, "baseline")] if context.fresh else [])
        return [
            f"start {count} x {revision} as {role}, from {context.release_of(revision).location}"
            for revision, role in arms
        ] + [f"ledger: bind {context.revision} to {context.plan.digest}"]

    def _bind(self) -> None:
        """Bind the revision to the content that is ready: until then, a mistake in it can be corrected under its name."""
        context, plan = self._context, self._context.plan
        context.ledger.bind(
            context.service,
            context.revision,
            plan.digest,
            configuration=plan.configuration,
            who=context.outbox.who,
            run=context.run_id,
        )

    def _require_idle(self) -> None:
        context = self._context
        try:
            weights = context.balancer.weights(context.service)
        except UnavailableError:
            # the lease ends the canary's traffic, except after a promotion
            if context.journal.data(CONCLUDE).get("winner") == context.revision:
                raise
            return
        if weights.shares.get(context.revision, 0.0) > 0 and weights.lease_left_s is None:
            raise UnavailableError(f"{context.revision} still gets traffic, so it was not stopped")


class AddToPool(RunStep[ReleaseContext]):
    """Put the canary into the balancer's pool, without traffic."""

    key = JOIN
    title = "Add to the pool"

    @property
    @override
    def description(self) -> str:
        return f"add {self._context.revision} to the pool with no traffic"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context = self._context
        context.balancer.apply(Pool(context.service, context.servers(), context.arms.at(0.0)))
        return {}

    @override
    def undo(self, data: Data) -> None:
        context, plan = self._context, self._context.plan
        pool = context.balancer.pool(context.service)
        if pool is not None and set(pool.servers) != {plan.baseline}:
            context.serve_only(plan.baseline, pool.servers.get(plan.baseline) or plan.addresses)

    @override
    def holds(self, data: Data) -> bool:
        pool = self._context.balancer.pool(self._context.service)
        rolled_out = self._context.decision is not None
        return rolled_out or (pool is not None and pool.servers == self._context.servers())

    @override
    def effects(self) -> Sequence[str]:
        return [f"pool of {self._context.service}: {percents(self._context.arms.at(0.0))}"]


class Conclude(RunStep[ReleaseContext]):
    """Carry out the decision: one revision gets all of the traffic, the others are drained and stopped."""

    key = CONCLUDE
    title = "Conclude"
    description = "promote the canary or remove it, according to the verdict"
    final = True

    @override
    def do(self, attempt: Attempt) -> Data:
        context, winner = self._context, self._context.winner
        pool = context.balancer.pool(context.service)
        if pool is None or winner not in pool.servers:
            raise UnavailableError(f"{winner!r} is no longer in the pool: another process changed it")
        promoted = context.decision == "promote"
        if promoted and not attempt.noted:
            attempt.require_time()
        if promoted:
            context.require_serving(winner, pool.servers[winner])
        attempt.note({"winner": winner})
        context.shift(all_to(winner, pool.servers))
        context.serve_only(winner, pool.servers[winner])
        if promoted:
            # all of the traffic may be too much for it: while the others run, undoing is fast
            context.require_serving(winner, pool.servers[winner])
        context.stop_others(winner, pool.servers[winner])
        attempt.say(f"{winner} has all of the traffic")
        return {}

    @override
    def undo(self, data: Data) -> None:
        """Restore the baseline; start it again if it was stopped."""
        context, plan = self._context, self._context.plan
        addresses = plan.addresses
        running = {instance.address for instance in context.runtime.list(context.service)}
        if not running.issuperset(addresses):
            count = -(-len(addresses) // len(context.runtime.hosts))
            run = context.run_id + UNDO_SUFFIX
            restarted = context.start(plan.baseline, run=run, role="baseline", count=count)
            addresses = tuple(instance.address for instance in restarted)
        context.serve_only(plan.baseline, addresses)

    @override
    def effects(self) -> Sequence[str]:
        arms = self._context.arms
        drain = f"drained for at most {self._context.settings.runtime.drain_s:g} s and stopped"
        return [
            f"promote: {percents(arms.only(arms.canary))}; {arms.baseline} is {drain}",
            f"otherwise: {percents(arms.only(arms.baseline))}; {arms.canary} is {drain}",
        ]


class Report(RunStep[ReleaseContext]):
    """Write the report of the comparison, and record its hash in the ledger."""

    key = REPORT
    title = "Report"
    description = "write the report"

    @override
    def do(self, attempt: Attempt) -> Data:
        from pratique.report import write_report  # noqa: PLC0415 - papermill, plotly

        context = self._context
        judged = context.journal.data(ROLL_OUT)
        if judged.get("end") is None:
            attempt.say("nothing was judged, so there is nothing to report")
            return {}
        start, end = (datetime.fromisoformat(judged[key]) for key in ("start", "end"))
        arms = context.arms
        paths = write_report(
            context.config, context.service, arms.compared, arms.canary, start=start, end=end, record=False
        )
        digest = hashlib.sha256(Path(paths.html).read_bytes()).hexdigest()
        written = {"html": str(paths.html), "json": str(paths.json), "sha256": digest}
        context.outbox.record("report", written, revision=context.revision)
        attempt.say(f"report {paths.html}")
        return written

    @override
    def effects(self) -> Sequence[str]:
        return [f"write {self._context.config.state_dir / 'reports'}/….html and .json"]


STEPS = (Check, StartCanary, AcceptanceTest, AddToPool, RollOut, Conclude, Report, Record)
"""The steps of a release, in order."""


def steps_of(context: ReleaseContext) -> list[Step]:
    """Return all steps of a release, in order."""
    return [kind(context) for kind in STEPS]
