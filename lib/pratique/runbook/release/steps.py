"""The steps of a release, each with its undoing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from pratique.balancer.base import Pool
from pratique.clock import stamp, utc_now
from pratique.errors import UnavailableError
from pratique.judge.model import Verdict
from pratique.runbook.canary.health import Vitals
from pratique.runbook.canary.rollout import Rollout
from pratique.runbook.canary.traffic_split import percents
from pratique.runbook.engine.run import say
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.release.context import CONCLUDE, JOIN, REPORT, ROLL_OUT, START, Context
from pratique.runbook.service.accept import Accept
from pratique.runbook.service.context import CHECK, RECORD
from pratique.runbook.service.orphans import UNDO
from pratique.runbook.service.result import write_result

STATUSES = {"promote": 0, "rollback": 1, "inconclusive": 2}


class Check(Step):
    """Bind the revision to its digest, and say that the release has started."""

    name = CHECK

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = f"bind {context.asked.revision} to its digest"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - looks again
        """Look and bind."""
        context, run = self._context, self._context.run
        run.require_time()
        found = context.look()
        revision = context.asked.revision
        run.ledger.bind(
            context.service, revision, found.digest, configuration=found.configuration, who=run.who, run=run.id
        )
        started = {
            "event": "started",
            "baseline": found.baseline,
            "digest": found.digest,
            "stages": list(context.stages),
        }
        run.enter("release", started, revision=revision)
        return {**asdict(found), "addresses": list(found.addresses)}

    def effects(self) -> Sequence[str]:
        """The binding."""
        found = self._context.found
        return [f"ledger: bind {self._context.asked.revision} to {found.digest}; the baseline is {found.baseline}"]


class Start(Step):
    """Start the canary, and the fresh baseline where one is wanted."""

    name = START

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = f"start {context.asked.revision} and wait until it is ready"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - the engine's labels tell what runs
        """Start what does not run yet, and wait for all of it."""
        context = self._context
        context.run.require_time()
        count, first = context.settings.runtime.instances, context.runtime.hosts[:1]
        run = context.run.id
        instances = context.start(context.asked.revision, run=run, role="canary", count=count, hosts=first)
        if context.fresh:
            instances += context.start(context.found.baseline, run=run, role="baseline", count=count, hosts=first)
        for instance in instances:
            say(f"    {instance.revision} ({instance.role}) is ready at {instance.address}")
        return {"started": len(instances)}

    def undo(self, data: Data) -> None:  # noqa: ARG002 - whatever carries this run's label
        """Stop everything that carries this run's label.

        Raises: UnavailableError when users still go there, because the pool could not be put back.
        """
        self._require_idle()
        self._context.stop(self._context.mine())

    def _require_idle(self) -> None:
        context = self._context
        try:
            weights = context.balancer.weights(context.service)
        except UnavailableError:
            # its lease ends the canary's traffic, but for one that was given all of it
            if context.run.journal.data(CONCLUDE).get("winner") == context.asked.revision:
                raise
            return
        if weights.shares.get(context.asked.revision, 0.0) > 0 and weights.lease_left_s is None:
            raise UnavailableError(f"{context.asked.revision} still gets traffic, and is not stopped")

    def holds(self, data: Data) -> bool:
        """Whether all of it still runs; after the rollout that does not matter any more."""
        rolled_out = self._context.decision is not None
        return rolled_out or len(self._context.mine()) >= data["started"]

    def effects(self) -> Sequence[str]:
        """The instances."""
        context = self._context
        wanted = [(context.asked.revision, "canary")] + (
            [(context.found.baseline, "baseline")] if context.fresh else []
        )
        count = context.settings.runtime.instances
        return [
            f"start {count} x {revision} as {role}, from {context.release_of(revision).location}"
            for revision, role in wanted
        ]


class Join(Step):
    """Put the canary into the pool, without traffic."""

    name = JOIN

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = f"take {context.asked.revision} into the pool with no traffic"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - the pool is set as a whole
        """Set the pool."""
        context = self._context
        context.run.require_time()
        context.balancer.apply(Pool(context.service, servers_of(context), context.arms.at(0.0)))
        return {}

    def undo(self, data: Data) -> None:  # noqa: ARG002 - the pool tells
        """Leave only the baseline in the pool."""
        context = self._context
        pool = context.balancer.pool(context.service)
        baseline = context.found.baseline
        if pool is not None and set(pool.servers) != {baseline}:
            context.serve_only(baseline, pool.servers.get(baseline) or context.found.addresses)

    def holds(self, data: Data) -> bool:  # noqa: ARG002 - the pool tells
        """Whether the pool is still that one; after the rollout that does not matter any more."""
        pool = self._context.balancer.pool(self._context.service)
        return self._context.decision is not None or (pool is not None and pool.servers == servers_of(self._context))

    def effects(self) -> Sequence[str]:
        """The pool."""
        return [f"pool of {self._context.service}: {percents(self._context.arms.at(0.0))}"]


def servers_of(context: Context) -> dict[str, tuple[str, ...]]:
    """The pool's servers during the rollout: the baseline's, and all that this run has started."""
    arms = context.arms
    # the canary last: who was drawn for it stays with it when its share rises, whatever arm is beside
    servers: dict[str, tuple[str, ...]] = dict.fromkeys((arms.baseline, arms.compared, arms.canary), ())
    servers[arms.baseline] = context.found.addresses
    for instance in context.mine():
        name = arms.canary if instance.role == "canary" else arms.compared
        servers[name] = (*servers[name], instance.address)
    return {name: found for name, found in servers.items() if found}


class RollOut(Step):
    """Stage by stage more traffic, until the judge or a person has decided."""

    name = ROLL_OUT

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = f"give {context.asked.revision} traffic in stages, judged at every window"

    def do(self, noted: Data) -> Data:
        """Go through the stages; unless it is to be promoted, give the traffic back at once."""
        context = self._context
        since = noted.get("since") or stamp(utc_now())
        if not noted:
            context.run.note(ROLL_OUT, {"since": since})
        rollout = context.settings.rollout
        ending = Rollout(
            context.run,
            context.balancer,
            context.arms,
            context.watch(datetime.fromisoformat(since)),
            stages=self._stages(),
            least_windows=rollout.stage_min_windows,
            lease_s=rollout.lease_s,
            deadline_min=context.settings.judge.deadline_min,
            approver=context.approver or context.choose_approver(),
            vitals=lambda: Vitals(context.runtime, context.service, self._addresses()),
            widen=self._widen,
        ).go()
        if ending.decision != "promote":
            context.shift(context.arms.only(context.arms.baseline))
        context.last = ending.verdict
        data = {"decision": ending.decision, "reason": ending.reason} | _judged(ending.verdict)
        context.run.enter("verdict", data, revision=context.asked.revision)
        say(f"    {ending.decision}: {ending.reason}")
        return data

    def _stages(self) -> list[float]:
        """The stages, the last one as often as there are hosts left for it."""
        stages = list(self._context.stages)
        return stages + stages[-1:] * (len(self._context.runtime.hosts) - len(stages))

    def _widen(self, hosts: int) -> None:
        """Have the canary on that many hosts: started, ready, tested, and in the pool with the shares as they are."""
        context = self._context
        known = set(self._addresses())
        for host in context.runtime.hosts[1:hosts]:
            started = context.start(
                context.revision,
                run=context.run.id,
                role="canary",
                count=context.settings.runtime.instances,
                hosts=[host],
            )
            new = [instance for instance in started if instance.address not in known]
            for instance in new:
                Accept(context).test(instance)
                say(f"    {instance.revision} is ready at {instance.address} on {host}")
            if new:
                context.balancer.apply(Pool(context.service, servers_of(context), context.shares()))
                found = context.balancer.weights(context.service)
                if found.lease_left_s is None and found.shares.get(context.arms.canary, 0.0) > 0:
                    # the lease lapsed between the look and the change: no share without one
                    context.shift(context.arms.only(context.arms.baseline))

    def _addresses(self) -> tuple[str, ...]:
        pool = self._context.balancer.pool(self._context.service)
        return pool.servers.get(self._context.asked.revision, ()) if pool else ()

    def undo(self, data: Data) -> None:  # noqa: ARG002 - all of the traffic, whatever it was
        """Give all of the traffic to the baseline, at once."""
        context = self._context
        pool = context.balancer.pool(context.service)
        if pool is not None and context.found.baseline in pool.servers:
            context.shift({revision: float(revision == context.found.baseline) for revision in pool.servers})

    def effects(self) -> Sequence[str]:
        """The weights of each stage."""
        context, rollout = self._context, self._context.settings.rollout
        least = f"at least {rollout.stage_min_windows} windows of {context.config.telemetry.window_s} s"
        lease = f"a lease of {rollout.lease_s:g} s"
        hosts = context.runtime.hosts
        return [
            f"weights: {percents(context.arms.at(stage))}; {lease}, {least}"
            + (f"; the canary on {min(number, len(hosts))} of {len(hosts)} hosts" if len(hosts) > 1 else "")
            for number, stage in enumerate(self._stages(), start=1)
        ]


def _judged(verdict: Verdict | None) -> Data:
    """What was judged, and what came of it."""
    if verdict is None:
        return {"end": None}
    return {
        "start": stamp(verdict.start),
        "end": stamp(verdict.end),
        "requests": verdict.requests,
        "e_value": min(verdict.e_value, 1e300),  # JSON has no infinity
        "needed": verdict.needed,
    }


class Conclude(Step):
    """Carry the decision out: one revision gets all of the traffic, the others are drained and stopped."""

    name = CONCLUDE
    final = True

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = "promote it, or take it out, as was decided"

    def do(self, noted: Data) -> Data:
        """Shift the traffic, make the pool small again, drain and stop the rest."""
        context, winner = self._context, self._context.winner
        pool = context.balancer.pool(context.service)
        if pool is None or winner not in pool.servers:
            raise UnavailableError(f"{winner!r} is not in the pool any more: something else has changed it")
        promoted = context.decision == "promote"
        if promoted and not noted:
            context.run.require_time()
        if promoted:
            context.require_serving(winner, pool.servers[winner])
        context.run.note(CONCLUDE, {"winner": winner})
        context.shift({revision: float(revision == winner) for revision in pool.servers})
        context.serve_only(winner, pool.servers[winner])
        if promoted:
            # all of the traffic may be too much for it: as long as the others run, there is a way back
            context.require_serving(winner, pool.servers[winner])
        context.stop_others(winner, pool.servers[winner])
        say(f"    {winner} has all of the traffic")
        return {}

    def undo(self, data: Data) -> None:  # noqa: ARG002 - what runs tells
        """Put the baseline back, started again where it was stopped already."""
        context, found = self._context, self._context.found
        addresses = found.addresses
        running = {instance.address for instance in context.runtime.list(context.service)}
        if not running.issuperset(addresses):
            count = -(-len(addresses) // len(context.runtime.hosts))
            again = context.start(found.baseline, run=context.run.id + UNDO, role="baseline", count=count)
            addresses = tuple(instance.address for instance in again)
        context.serve_only(found.baseline, addresses)

    def effects(self) -> Sequence[str]:
        """Both ways it can end."""
        arms = self._context.arms
        drain = f"drained for at most {self._context.settings.runtime.drain_s:g} s and stopped"
        return [
            f"promote: {percents(arms.only(arms.canary))}; {arms.baseline} is {drain}",
            f"otherwise: {percents(arms.only(arms.baseline))}; {arms.canary} is {drain}",
        ]


class Report(Step):
    """Write the report of what was judged; its hash goes into the ledger."""

    name = REPORT

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = "write the report"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - written anew
        """Write it."""
        from pratique.report import write_report  # noqa: PLC0415 - papermill, plotly

        context = self._context
        judged = context.run.journal.data(ROLL_OUT)
        if judged.get("end") is None:
            say("    nothing was judged, so there is nothing to report")
            return {}
        start, end = (datetime.fromisoformat(judged[key]) for key in ("start", "end"))
        arms = context.arms
        paths = write_report(context.config, context.service, arms.compared, arms.canary, start=start, end=end)
        digest = hashlib.sha256(Path(paths.html).read_bytes()).hexdigest()
        written = {"html": str(paths.html), "json": str(paths.json), "sha256": digest}
        context.run.enter("report", written, revision=context.asked.revision)
        say(f"    report {paths.html}")
        return written

    def effects(self) -> Sequence[str]:
        """The files."""
        return [f"write {self._context.config.state_dir / 'reports'}/….html and .json"]


class Record(Step):
    """Write the outcome down."""

    name = RECORD

    def __init__(self, context: Context) -> None:
        self._context = context
        self.does = "record the outcome in the ledger and in result.json"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - written anew
        """Write it."""
        context = self._context
        reason = context.run.journal.data(ROLL_OUT).get("reason", "")
        return write_result(context, reason=reason, exit_status=STATUSES[context.decision or "inconclusive"])

    def effects(self) -> Sequence[str]:
        """The files."""
        return [
            f"write {self._context.run.folder / 'result.json'}",
            f"ledger: the end of {self._context.asked.revision}'s release",
        ]


def steps_of(context: Context) -> dict[str, Step]:
    """All steps of a release, in order, by name."""
    kinds = (Check, Start, Accept, Join, RollOut, Conclude, Report, Record)
    return {kind.name: kind(context) for kind in kinds}
