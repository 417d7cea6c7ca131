"""The steps of a rollback, in order, and how each is undone.

    step                        what it does                                       how it is undone
    --------------------------  -------------------------------------------------  -----------------------------------
    Check                       find the earlier release; compare its digest       nothing to undo
    Start the earlier release   start missing instances, wait until ready          stop every instance of this run
    Acceptance test             run the service's test against each instance       nothing to undo
    Add to the pool             add it to the balancer's pool with no traffic      restore the pool
    Shift the traffic  (final)  give it all of the traffic at once                 give the traffic back
    Stop the others             make it the whole pool; drain and stop the others  nothing: the users are served
    Record                      write the ledger's last entry and result.json      nothing to undo

After the shift nothing is undone. A run that dies between the shift and Stop the others is finished by whoever finds
it: the same run_id, or the next run of the service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from typing_extensions import override

from pratique.balancer.base import Pool
from pratique.errors import UnavailableError
from pratique.runbook.common.steps import CHECK, Record, RunStep
from pratique.runbook.engine.step import Attempt, Data, Step
from pratique.runbook.rollback.context import JOIN, RETIRE, SHIFT, START, RollbackContext
from pratique.runbook.service.acceptance import AcceptanceTest
from pratique.runbook.service.share_text import all_to, percents

BALANCER_LIMIT_S = 30.0
"""How long the balancer should take at most for pool and shares."""


class Check(RunStep[RollbackContext]):
    """Find the release, and record that the rollback has started."""

    key = CHECK
    title = "Check"
    description = "find the release to restore, and compare it with the released content"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context, plan = self._context, self._context.make_plan()
        chosen = next((found for found in context.candidates() if found.revision == plan.target), None)
        attempt.say(f"from {percents(plan.weights)}, to {chosen or plan.target}")
        given = context.parameters
        started = {
            "event": "started",
            "runbook": context.runbook,
            "baseline": plan.current,
            "digest": plan.digest,
            "incident": given.incident,
            "drill": given.drill,
        }
        context.outbox.record("release", started, revision=plan.target)
        return asdict(plan)

    @override
    def effects(self) -> Sequence[str]:
        plan = self._context.plan
        return [f"ledger: {plan.target} ({plan.digest[:19]}…) takes over from {plan.current}"]


class StartEarlierRelease(RunStep[RollbackContext]):
    """Start the instances that do not run."""

    key = START
    title = "Start the earlier release"
    description = "start it if it is not running, and wait until it is ready"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context, target = self._context, self._context.plan.target
        found = [instance.id for instance in context.still_ready()]
        attempt.note({"found": found})
        hosts = len(context.runtime.hosts)
        missing = max(0, context.settings.runtime.instances * hosts - len(found))
        if missing:
            context.start(target, run=context.run_id, role="baseline", count=-(-missing // hosts))
        for instance in context.target_instances():
            attempt.say(f"{target} is ready at {instance.address}")
        return {"found": found, "running": len(context.target_instances())}

    @override
    def undo(self, data: Data) -> None:
        """Stop every instance that carries this run's label."""
        self._context.stop(self._context.own_instances())

    @override
    def holds(self, data: Data) -> bool:
        return self._context.shifted or len(self._context.target_instances()) == int(data["running"])

    @override
    def effects(self) -> Sequence[str]:
        context, target = self._context, self._context.plan.target
        wanted = context.settings.runtime.instances * len(context.runtime.hosts)
        missing = wanted - len(context.still_running())
        if missing <= 0:
            return [f"{target} is already running"]
        return [f"start {missing} x {target}, from {context.release_of(target).location}"]


class AddToPool(RunStep[RollbackContext]):
    """Put the earlier release into the pool, without traffic."""

    key = JOIN
    title = "Add to the pool"
    description = "add it to the pool with no traffic"

    @override
    def do(self, attempt: Attempt) -> Data:
        attempt.require_time()
        context, plan = self._context, self._context.plan
        servers = {name: tuple(found) for name, found in plan.servers.items()} | {plan.target: self._addresses()}
        pool = Pool(context.service, servers, {plan.target: 0.0} | plan.weights)
        return _timed(lambda: context.balancer.apply(pool))

    @override
    def undo(self, data: Data) -> None:
        context, plan = self._context, self._context.plan
        pool = context.balancer.pool(context.service)
        before = (plan.weights, plan.servers)
        if pool is None or (pool.weights, {k: list(v) for k, v in pool.servers.items()}) != before:
            context.put_pool(plan.servers, plan.weights)

    @override
    def holds(self, data: Data) -> bool:
        if self._context.shifted:
            return True
        pool = self._context.balancer.pool(self._context.service)
        return pool is not None and set(pool.servers.get(self._context.plan.target, ())) == set(self._addresses())

    @override
    def effects(self) -> Sequence[str]:
        plan = self._context.plan
        return [f"pool of {self._context.service}: {percents({plan.target: 0.0} | plan.weights)}"]

    def _addresses(self) -> tuple[str, ...]:
        return tuple(instance.address for instance in self._context.target_instances())


class Shift(RunStep[RollbackContext]):
    """Give it all of the traffic at once. After this step nothing is undone."""

    key = SHIFT
    title = "Shift the traffic"
    description = "give it all of the traffic at once"
    final = True

    @override
    def do(self, attempt: Attempt) -> Data:
        context, plan = self._context, self._context.plan
        pool = context.balancer.pool(context.service)
        if pool is None or plan.target not in pool.servers:
            raise UnavailableError(f"{plan.target!r} is no longer in the pool: another process changed it")
        data = _timed(lambda: context.shift(all_to(plan.target, pool.servers)))
        total = context.journal.data(JOIN).get("balancer_s", 0.0) + data["balancer_s"]
        attempt.say(f"{plan.target} has all of the traffic; the balancer took {total:.2f} s for pool and shares")
        if total > BALANCER_LIMIT_S:
            attempt.say(f"it should take at most {BALANCER_LIMIT_S:g} s: check the balancer's log")
        return data

    @override
    def undo(self, data: Data) -> None:
        """Restore the shares that the check found."""
        context, plan = self._context, self._context.plan
        pool = context.balancer.pool(context.service)
        if pool is not None and set(plan.weights) <= set(pool.servers):
            context.shift(dict.fromkeys(pool.servers, 0.0) | plan.weights)

    @override
    def effects(self) -> Sequence[str]:
        plan = self._context.plan
        others = {name: 0.0 for name in plan.weights if name != plan.target}
        return [f"weights: {percents({plan.target: 1.0} | others)}"]


class StopOthers(RunStep[RollbackContext]):
    """Make it the whole pool; drain and stop the others."""

    key = RETIRE
    title = "Stop the others"
    description = "make it the only revision in the pool; drain and stop the others"

    @override
    def do(self, attempt: Attempt) -> Data:
        context, target = self._context, self._context.plan.target
        pool = context.balancer.pool(context.service)
        if pool is None or pool.weights.get(target) != 1.0:
            raise UnavailableError(f"{target!r} no longer receives all traffic: another process changed the pool")
        context.require_serving(target, pool.servers[target])
        data = _timed(lambda: context.serve_only(target, pool.servers[target]))
        others = context.stop_others(target, pool.servers[target])
        return {**data, "stopped": [instance.address for instance in others]}

    @override
    def effects(self) -> Sequence[str]:
        context, target = self._context, self._context.plan.target
        drain_s = context.settings.runtime.drain_s
        return [
            f"drain {i.revision} at {i.address} for at most {drain_s:g} s and stop it"
            for i in context.runtime.list(context.service)
            if i.revision != target
        ]


STEPS = (Check, StartEarlierRelease, AcceptanceTest, AddToPool, Shift, StopOthers, Record)
"""The steps of a rollback, in order."""


def steps_of(context: RollbackContext) -> list[Step]:
    """Return all steps of a rollback, in order."""
    return [kind(context) for kind in STEPS]


def _timed(change: Callable[[], None]) -> Data:
    """Make a change at the balancer, and return how long it took."""
    began = time.monotonic()
    change()
    return {"balancer_s": round(time.monotonic() - began, 3)}
