"""The step of a release that gives the canary traffic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from typing_extensions import override

from pratique.balancer.base import Pool
from pratique.clock import stamp, utc_now
from pratique.judge.model import SERVICE, Verdict
from pratique.runbook.canary.health import HealthMonitor
from pratique.runbook.canary.rollout import Rollout, RolloutResult
from pratique.runbook.common.steps import RunStep
from pratique.runbook.engine.console import say_detail
from pratique.runbook.engine.step import Attempt, Data
from pratique.runbook.release.context import ROLL_OUT, ReleaseContext
from pratique.runbook.service.acceptance import accept_instance
from pratique.runbook.service.share_text import all_to, percents

LARGEST_JSON_NUMBER = 1e300
"""An e-value can be infinite, and JSON has no infinity."""


class RollOut(RunStep[ReleaseContext]):
    """More traffic stage by stage, until the judge or a person has decided."""

    key = ROLL_OUT
    title = "Roll out"

    @property
    @override
    def description(self) -> str:
        return f"give {self._context.revision} traffic in stages, judged at every window"

    @override
    def do(self, attempt: Attempt) -> Data:
        context = self._context
        since = attempt.noted.get("since") or stamp(utc_now())
        if not attempt.noted:
            attempt.note({"since": since})
        # a clock that was set back meanwhile must not put the beginning into the future
        result = self._rollout(attempt, min(datetime.fromisoformat(since), utc_now())).run()
        if result.decision != "promote":
            context.shift(context.arms.only(context.arms.baseline))
        context.last_verdict = result.verdict
        data = _facts(result)
        context.outbox.record("verdict", data, revision=context.revision)
        attempt.say(f"{result.decision}: {result.reason}")
        return data

    @override
    def undo(self, data: Data) -> None:
        context = self._context
        pool = context.balancer.pool(context.service)
        if pool is not None and context.plan.baseline in pool.servers:
            context.shift(all_to(context.plan.baseline, pool.servers))

    @override
    def effects(self) -> Sequence[str]:
        context, rollout = self._context, self._context.settings.rollout
        config = context.config
        least = f"at least {rollout.stage_min_windows} windows of {config.store.window_s(config.telemetry.window_s)} s"
        hosts = len(context.runtime.hosts)
        return [
            f"weights: {percents(context.arms.at(stage))}; lease {rollout.lease_s:g} s, {least}"
            + (f"; the canary on {min(number, hosts)} of {hosts} hosts" if hosts > 1 else "")
            for number, stage in enumerate(self._stages(), start=1)
        ]

    def _rollout(self, attempt: Attempt, since: datetime) -> Rollout:
        context, rollout = self._context, self._context.settings.rollout
        return Rollout(
            context,
            context.arms,
            context.analysis(since),
            stages=self._stages(),
            min_windows=rollout.stage_min_windows,
            lease_s=rollout.lease_s,
            deadline_min=context.settings.judge.deadline_min,
            on_lapse=rollout.on_lapse,
            approver=context.approver or context.choose_approver(),
            make_monitor=lambda: HealthMonitor(context.runtime, context.service, self._addresses()),
            time_left_s=attempt.time_left_s,
            extend_deadline=attempt.extend_deadline,
            scale_out=self._scale_out,
        )

    def _stages(self) -> list[float]:
        """Return the stages; the last one repeats while there are hosts left for it."""
        stages = list(self._context.stages)
        return stages + stages[-1:] * (len(self._context.runtime.hosts) - len(stages))

    def _scale_out(self, hosts: int) -> None:
        """Run the canary on that many hosts: started, ready, accepted, and in the pool with unchanged shares."""
        context = self._context
        known = set(self._addresses())
        count = context.settings.runtime.instances
        for host in context.runtime.hosts[1:hosts]:
            started = context.start(context.revision, run=context.run_id, role="canary", count=count, hosts=[host])
            new = [instance for instance in started if instance.address not in known]
            for instance in new:
                accept_instance(context, instance)
                say_detail(f"{instance.revision} is ready at {instance.address} on {host}")
            if new:
                self._extend_pool()

    def _extend_pool(self) -> None:
        context = self._context
        context.balancer.apply(Pool(context.service, context.servers(), context.shares()))
        weights = context.balancer.weights(context.service)
        if weights.lease_left_s is None and weights.shares.get(context.arms.canary, 0.0) > 0:
            # the lease expired between reading the shares and the change: the canary has no share without one
            context.shift(context.arms.only(context.arms.baseline))

    def _addresses(self) -> tuple[str, ...]:
        pool = self._context.balancer.pool(self._context.service)
        return pool.servers.get(self._context.revision, ()) if pool else ()


def _facts(result: RolloutResult) -> Data:
    return {"decision": result.decision, "by": result.by, "reason": result.reason} | _judged(result.verdict)


def _judged(verdict: Verdict | None) -> Data:
    if verdict is None:
        return {"end": None}
    return {
        "start": stamp(verdict.start),
        "end": stamp(verdict.end),
        "requests": verdict.requests,
        "e_value": min(verdict.e_value, LARGEST_JSON_NUMBER),
        "needed": verdict.needed,
        "guards": {g.guard: {"bad": g.bad, "requests": g.requests} for g in verdict.guards if g.action == SERVICE},
    }
