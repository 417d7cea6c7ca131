"""The steps of going back to an earlier release, each with its undoing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from pratique.balancer.base import Pool
from pratique.errors import UnavailableError
from pratique.runbook.canary.traffic_split import percents
from pratique.runbook.engine.run import say
from pratique.runbook.engine.step import Data, Step
from pratique.runbook.rollback.session import BALANCER_S, JOIN, RETIRE, SHIFT, START, RollbackContext, say_back
from pratique.runbook.service.accept import Accept
from pratique.runbook.service.context import CHECK, RECORD
from pratique.runbook.service.result import write_result


class _Step(Step):
    """A step of a going back."""

    def __init__(self, context: RollbackContext) -> None:
        self._context = context


class Check(_Step):
    """Find the release, and say that the going back has started."""

    name = CHECK
    does = "find the release to go back to, and compare it with what was released"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - looks again
        """Look."""
        context = self._context
        context.run.require_time()
        back = context.look()
        say_back(back, context.earlier())
        started = {"event": "started", "runbook": context.runbook, "baseline": back.current, "digest": back.digest}
        context.run.enter("release", started, revision=back.target)
        return asdict(back)

    def effects(self) -> Sequence[str]:
        """Where it would go."""
        back = self._context.back
        return [f"ledger: {back.target} ({back.digest[:19]}…) takes over from {back.current}"]


class Start(_Step):
    """Start what does not run."""

    name = START
    does = "start it where it does not run, and wait until it is ready"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - the engine's labels tell what runs
        """Start what is missing, and wait for all of it."""
        context, target = self._context, self._context.back.target
        context.run.require_time()
        found = [instance.id for instance in context.ready_now()]
        context.run.note(START, {"found": found})
        hosts = len(context.runtime.hosts)
        missing = max(0, context.settings.runtime.instances * hosts - len(found))
        if missing:
            context.start(target, run=context.run.id, role="baseline", count=-(-missing // hosts))
        for instance in context.standing():
            say(f"    {target} is ready at {instance.address}")
        return {"found": found, "running": len(context.standing())}

    def undo(self, data: Data) -> None:  # noqa: ARG002 - whatever carries this run's label
        """Stop everything that carries this run's label."""
        self._context.stop(self._context.mine())

    def holds(self, data: Data) -> bool:
        """Whether all of it still runs; once it has the traffic, that is no matter of starting any more."""
        return self._context.shifted or len(self._context.standing()) == int(data["running"])

    def effects(self) -> Sequence[str]:
        """The instances."""
        context, target = self._context, self._context.back.target
        wanted = context.settings.runtime.instances * len(context.runtime.hosts)
        missing = wanted - len(context.running())
        return [f"start {missing} x {target}, from {context.release_of(target).location}" if missing > 0 else
                f"{target} runs already"]  # fmt: skip


class Join(_Step):
    """Put it into the pool, without traffic."""

    name = JOIN
    does = "take it into the pool with no traffic"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - the pool is set as a whole
        """Set the pool: what was in it, and it."""
        context, back = self._context, self._context.back
        context.run.require_time()
        servers = {name: tuple(found) for name, found in back.servers.items()} | {back.target: self._addresses()}
        pool = Pool(context.service, servers, {back.target: 0.0} | back.weights)
        return _timed(lambda: context.balancer.apply(pool))

    def undo(self, data: Data) -> None:  # noqa: ARG002 - the check has kept the pool
        """Put the pool back as it was."""
        back = self._context.back
        pool = self._context.balancer.pool(self._context.service)
        if pool is None or (pool.weights, {k: list(v) for k, v in pool.servers.items()}) != (
            back.weights,
            back.servers,
        ):
            self._context.put_pool(back.servers, back.weights)

    def holds(self, data: Data) -> bool:  # noqa: ARG002 - the pool tells
        """Whether it is in the pool with the instances that run."""
        if self._context.shifted:
            return True
        pool = self._context.balancer.pool(self._context.service)
        return pool is not None and set(pool.servers.get(self._context.back.target, ())) == set(self._addresses())

    def effects(self) -> Sequence[str]:
        """The pool."""
        back = self._context.back
        return [f"pool of {self._context.service}: {percents({back.target: 0.0} | back.weights)}"]

    def _addresses(self) -> tuple[str, ...]:
        return tuple(instance.address for instance in self._context.standing())


class Shift(_Step):
    """All of the traffic, at once. From here on nothing is undone: the users are where they should be."""

    name = SHIFT
    does = "give it all of the traffic at once"
    final = True

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - the shares are set as a whole
        """Set the shares, and say what the balancer took."""
        context, back = self._context, self._context.back
        pool = context.balancer.pool(context.service)
        if pool is None or back.target not in pool.servers:
            raise UnavailableError(f"{back.target!r} is not in the pool any more: something else has changed it")
        data = _timed(lambda: context.shift({name: float(name == back.target) for name in pool.servers}))
        total = context.run.journal.data(JOIN).get("balancer_s", 0.0) + data["balancer_s"]
        say(f"    {back.target} has all of the traffic; the balancer took {total:.2f} s for pool and shares")
        if total > BALANCER_S:
            say(f"    that is more than the {BALANCER_S:g} s it should take: look at the balancer's log")
        return data

    def undo(self, data: Data) -> None:  # noqa: ARG002 - the check has kept the shares
        """Give the traffic back to whom it was taken from."""
        back = self._context.back
        pool = self._context.balancer.pool(self._context.service)
        if pool is not None and set(back.weights) <= set(pool.servers):
            self._context.shift(dict.fromkeys(pool.servers, 0.0) | back.weights)

    def effects(self) -> Sequence[str]:
        """The shares."""
        back = self._context.back
        return [f"weights: {percents({back.target: 1.0} | {n: 0.0 for n in back.weights if n != back.target})}"]


class Retire(_Step):
    """Leave one revision in the pool; drain and stop the others."""

    name = RETIRE
    does = "leave it alone in the pool, drain and stop the others"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - what runs tells
        """Make the pool small, and stop the rest."""
        context, target = self._context, self._context.back.target
        pool = context.balancer.pool(context.service)
        if pool is None or pool.weights.get(target) != 1.0:
            raise UnavailableError(f"{target!r} has not all of the traffic any more: something else has changed it")
        context.require_serving(target, pool.servers[target])
        data = _timed(lambda: context.serve_only(target, pool.servers[target]))
        others = context.stop_others(target, pool.servers[target])
        return {**data, "stopped": [instance.address for instance in others]}

    def effects(self) -> Sequence[str]:
        """The instances."""
        context, target = self._context, self._context.back.target
        drain_s = context.settings.runtime.drain_s
        return [
            f"drain {i.revision} at {i.address} for at most {drain_s:g} s and stop it"
            for i in context.runtime.list(context.service)
            if i.revision != target
        ]


class Record(_Step):
    """Write the outcome down."""

    name = RECORD
    does = "record the outcome in the ledger and in result.json"

    def do(self, noted: Data) -> Data:  # noqa: ARG002 - written anew
        """Write it."""
        context = self._context
        reason = f"gone back from {context.back.current} to {context.back.target}"
        return write_result(context, reason=reason, exit_status=0)

    def effects(self) -> Sequence[str]:
        """The files."""
        return [f"write {self._context.run.folder / 'result.json'}", "ledger: the end of the going back"]


def steps_of(context: RollbackContext) -> dict[str, Step]:
    """All steps of a going back, in order, by name."""
    own = (Check(context), Start(context), Accept(context), Join(context), Shift(context), Retire(context))
    return {step.name: step for step in (*own, Record(context))}


def _timed(change: Callable[[], None]) -> Data:
    """Make a change at the balancer, and return what it took."""
    began = time.monotonic()
    change()
    return {"balancer_s": round(time.monotonic() - began, 3)}
