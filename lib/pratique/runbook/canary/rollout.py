"""The rollout: more traffic for the canary, stage by stage, judged at every window, until there is a decision.

Three threads meet here: this loop, the health monitor, and the lease renewer. The lease renewer works only while
this loop sends heartbeats, so a loop that hangs loses the canary's traffic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pratique.balancer.base import Lease
from pratique.clock import stamp, utc_now
from pratique.errors import UnavailableError
from pratique.judge.model import Verdict
from pratique.runbook.canary.analysis import LiveAnalysis
from pratique.runbook.canary.answers import Answer
from pratique.runbook.canary.approval import Approver
from pratique.runbook.canary.health import HealthMonitor
from pratique.runbook.canary.lease_renewer import LeaseRenewer
from pratique.runbook.canary.live_chart import LiveChart
from pratique.runbook.canary.progress import Progress
from pratique.runbook.canary.traffic_split import Arms
from pratique.runbook.service import file_names
from pratique.runbook.service.context import RunContext
from pratique.runbook.service.share_text import percents

MAX_RESTARTS = 3
"""How often a rollout starts again after its lease expired; a program that hangs more often should not release."""
TICK_S = 0.2


@dataclass(frozen=True)
class RolloutResult:
    """How a rollout ended: the decision, its reason in a sentence, and the judge's last verdict, if any."""

    decision: Literal["promote", "rollback", "inconclusive"]
    reason: str
    verdict: Verdict | None


class _LeaseExpiredError(Exception):
    """The lease expired: the baseline has the traffic."""


class Rollout:
    """Shift the weights, keep the lease, analyse, and decide."""

    def __init__(
        self,
        context: RunContext[Any],
        arms: Arms,
        analysis: LiveAnalysis,
        *,
        stages: Sequence[float],
        min_windows: int,
        lease_s: float,
        deadline_min: float,
        approver: Approver,
        make_monitor: Callable[[], HealthMonitor],
        time_left_s: Callable[[], float],
        scale_out: Callable[[int], None] = lambda _: None,
    ) -> None:
        """stages: percent, rising. min_windows: complete windows that each stage lasts at least.

        deadline_min: minutes without any canary request after which the rollout is inconclusive.
        make_monitor: makes the health monitor of the canary's instances. time_left_s: until the run's deadline.
        scale_out: runs the canary on that many hosts; each stage has one more.
        """
        self._context = context
        self._service = context.service
        self._balancer = context.balancer
        self._arms = arms
        self._analysis = analysis
        self._stages = stages
        self._min_windows = min_windows
        self._lease = Lease(arms.canary, arms.baseline, lease_s)
        self._first_request_until = utc_now() + timedelta(minutes=deadline_min)
        self._approver = approver
        self._make_monitor = make_monitor
        self._monitor = make_monitor()
        self._time_left_s = time_left_s
        self._scale_out_to = scale_out
        self._hosts = 1
        self._renewer = LeaseRenewer(context.balancer, context.service, lease_s)
        self._progress = Progress(context.folder / file_names.PROGRESS, context.run_id)
        self._chart = LiveChart()
        self._last: Verdict | None = None
        self._asked: int | None = None

    def run(self) -> RolloutResult:
        """Run the stages; after the lease expired, run all of them again.

        The judge keeps what it has seen: only the weights start again.
        Raises: UnavailableError (collector or balancer is dead, the lease expires again and again).
        """
        self._monitor.start()
        try:
            for _ in range(MAX_RESTARTS + 1):
                try:
                    self.record_expired_lease()
                    return self._run_stages()
                except _LeaseExpiredError:
                    self._renewer.stop()
                    self._approver.withdraw()
                    self._asked = None
            raise UnavailableError(
                f"the lease expired {MAX_RESTARTS + 1} times: this process is being delayed (check CPU load and the store)"
            )
        finally:
            self._renewer.stop()
            self._monitor.stop()
            self._approver.withdraw()

    def record_expired_lease(self) -> None:
        """Record that the lease expired, and when, if the ledger does not know it yet."""
        changes = self._context.ledger.weights(self._service)
        believed = changes[-1][1].get(self._arms.canary, 0.0) if changes else 0.0
        weights = self._balancer.weights(self._service)
        shares = weights.shares
        if believed > 0 and shares.get(self._arms.canary, 0.0) == 0:
            now = utc_now()
            # a restarted balancer does not know the time: use the time of this look instead
            since = min(now, max(weights.lapsed or now, changes[-1][0]))
            data = {"shares": shares, "since": stamp(since)}
            self._context.outbox.record("lapse", data, revision=self._arms.canary)
            self._progress.event(
                "lapse", f"the lease expired at {since:%H:%M:%S}: {percents(shares)}; starting again at the first stage"
            )

    def _run_stages(self) -> RolloutResult:
        for number, percent in enumerate(self._stages, start=1):
            result = self._scale_out(number) or self._run_stage(number, percent)
            if result is not None:
                return result
        raise AssertionError("the last stage ends with a result")

    def _scale_out(self, number: int) -> RolloutResult | None:
        """Run the canary on that many hosts, and renew the lease meanwhile, because a start takes time.

        Returns: a result if the canary gives a reason for one meanwhile; then its lease is left to expire.
        """
        if number <= self._hosts:
            return None
        with ThreadPoolExecutor(1, "hosts") as pool:
            scaling = pool.submit(self._scale_out_to, number)
            try:
                result = self._analyse_until_done(scaling, self._stages[number - 2])
            except BaseException:
                # leaving the block waits for the host, and nothing judges the canary until then
                self._renewer.stop()
                raise
            if result is not None:
                self._renewer.stop()
        if result is not None:
            return result
        scaling.result()
        self._hosts = number
        self._monitor.stop()
        self._monitor = self._make_monitor()
        self._monitor.start()
        self._require_lease()
        return None

    def _analyse_until_done(self, scaling: Future[None], percent: float) -> RolloutResult | None:
        while not scaling.done():
            self._renewer.heartbeat()
            self._last = self._analysis.look() or self._last
            result = self._result(percent)
            if result is not None:
                return result
            time.sleep(TICK_S)
        return None

    def _run_stage(self, number: int, percent: float) -> RolloutResult | None:
        """Analyse a stage until it may end. Returns: the rollout's result, or None for the next stage."""
        last = number == len(self._stages)
        began = self._shift(percent)
        windows = 0
        while True:
            self._renewer.heartbeat()
            self._require_lease()
            verdict = self._analysis.look()
            if verdict is not None:
                windows = max(0, int((verdict.end - began).total_seconds() // verdict.window_s))
                self._progress.look(percent, windows, self._min_windows, self._arms.at(percent), verdict)
                self._chart.draw(verdict)
                self._last = verdict
            elif self._last is None:
                self._progress.waiting(percent)
            result = self._result(percent)
            if result is not None:
                return result
            if windows >= self._min_windows and self._may_end(last=last) and not self._monitor.suspect:
                answer = self._ask(number, percent)
                if answer == "rollback":
                    return self._rolled_back_by_hand(percent)
                if answer == "approve" and self._still_may_end(last=last):
                    return RolloutResult("promote", self._status(), self._last) if last else None
            time.sleep(TICK_S)

    def _ask(self, number: int, percent: float) -> Answer | None:
        answer = self._approver.ask(number, percent, self._status())
        if answer is None and self._asked != number:
            self._asked = number
            command = f"pratique approve {self._context.run_id} {percent:g}"
            self._progress.event("approval", f"{percent:g} %  waits for approval: {command}")
        return answer

    def _require_lease(self) -> None:
        if self._renewer.expired:
            raise _LeaseExpiredError

    def _may_end(self, *, last: bool) -> bool:
        return not last or (self._last is not None and self._last.verdict == "promote")

    def _still_may_end(self, *, last: bool) -> bool:
        """True if the stage may end, judged by everything in the store, late requests included."""
        again = self._analysis.look_again()
        if again is None:
            return not last
        self._last = again
        return again.verdict != "rollback" and self._may_end(last=last)

    def _result(self, percent: float) -> RolloutResult | None:
        verdict = self._last
        if self._monitor.failure:
            return RolloutResult("rollback", f"{self._monitor.failure} (at {percent:g} %)", verdict)
        if verdict is not None and verdict.verdict == "rollback":
            return RolloutResult("rollback", verdict.reason, verdict)
        if verdict is not None and verdict.verdict == "inconclusive":
            return RolloutResult("inconclusive", verdict.reason, verdict)
        if verdict is None and utc_now() > self._first_request_until:
            reason = f"no request of {self._arms.canary} arrived before the deadline"
            return RolloutResult("inconclusive", reason, None)
        if self._time_left_s() == 0:
            reason = f"the run's deadline passed at {percent:g} %: {self._status()}"
            return RolloutResult("inconclusive", reason, verdict)
        return None

    def _rolled_back_by_hand(self, percent: float) -> RolloutResult:
        reason = f"{self._context.outbox.who} rolled it back at {percent:g} %: {self._status()}"
        return RolloutResult("rollback", reason, self._last)

    def _status(self) -> str:
        return self._last.reason if self._last is not None else "no window has been judged yet"

    def _shift(self, percent: float) -> datetime:
        shares = self._arms.at(percent)
        self._balancer.set_weights(self._service, shares, lease=self._lease)
        self._renewer.start()
        data = {"shares": shares, "stage": percent, "lease_s": self._lease.ttl_s}
        entry = self._context.outbox.record("weight", data, revision=self._arms.canary)
        self._progress.stage(percent, shares, f"stage {percent:g} %: {percents(shares)}, lease {self._lease.ttl_s:g} s")
        return entry.time
