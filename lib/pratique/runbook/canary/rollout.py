"""The rollout: more traffic for the canary, stage by stage, judged at every window, until there is a decision.

Three threads meet here: this loop, the health monitor, and the lease renewer. The lease renewer works only while
this loop sends heartbeats, so a loop that hangs loses the canary's traffic. Before a stage ends, the balancer is asked
whether the canary had its share throughout; if not, the stage begins again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pratique.clock import ClockWatch, elapsed_s, stamp, utc_now
from pratique.errors import UnavailableError
from pratique.judge.model import Verdict
from pratique.runbook.canary.analysis import LiveAnalysis
from pratique.runbook.canary.answers import Answer
from pratique.runbook.canary.approval import Approver
from pratique.runbook.canary.health import HealthMonitor
from pratique.runbook.canary.leased_share import LeasedShare, LeaseExpiredError
from pratique.runbook.canary.live_chart import LiveChart
from pratique.runbook.canary.progress import Progress
from pratique.runbook.canary.traffic_split import Arms
from pratique.runbook.common import file_names
from pratique.runbook.service.context import ServiceContext
from pratique.runbook.service.notifications import notify_waiting
from pratique.runbook.service.share_text import percents

MAX_LAPSES = 3
"""How often the stages of a rollout begin again after a lapse; a program that hangs more often should not release."""
TICK_S = 0.2


@dataclass(frozen=True)
class RolloutResult:
    """How a rollout ended: the decision, its reason in a sentence, the judge's last verdict, if any, and who decided."""

    decision: Literal["promote", "rollback", "inconclusive"]
    reason: str
    verdict: Verdict | None
    by: Literal["judge", "health", "person"] = "judge"


class _ClockSetError(Exception):
    """The wall clock was set by `args[0]` seconds."""


class Rollout:
    """Shift the weights, keep the lease, analyse, and decide."""

    def __init__(
        self,
        context: ServiceContext[Any],
        arms: Arms,
        analysis: LiveAnalysis,
        *,
        stages: Sequence[float],
        min_windows: int,
        lease_s: float,
        deadline_min: float,
        on_lapse: Literal["extend", "end"],
        approver: Approver,
        make_monitor: Callable[[], HealthMonitor],
        time_left_s: Callable[[], float],
        extend_deadline: Callable[[float], None],
        scale_out: Callable[[int], None] = lambda _: None,
    ) -> None:
        """stages: percent, rising. min_windows: complete windows that each stage lasts at least.

        deadline_min: minutes without any canary request after which the rollout is inconclusive.
        on_lapse: whether a lapse puts the deadlines off, or ends the rollout.
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
        self._lease_s = lease_s
        self._share = LeasedShare(context, arms, lease_s)
        self._lapses = 0
        self._clock = ClockWatch()
        self._on_lapse = on_lapse
        self._first_request_until_s = elapsed_s() + deadline_min * 60
        self._approver = approver
        self._make_monitor = make_monitor
        self._monitor = make_monitor()
        self._time_left_s = time_left_s
        self._extend_deadline = extend_deadline
        self._scale_out_to = scale_out
        self._hosts = 1
        self._progress = Progress(context.folder / file_names.PROGRESS, context.run_id)
        self._chart = LiveChart()
        self._last: Verdict | None = None
        self._asked: int | None = None

    def run(self) -> RolloutResult:
        """Run the stages; after a lapse, begin the stage again. The judge keeps what it has seen.

        Raises: UnavailableError (collector or balancer is dead, the lease expires again and again).
        """
        self._monitor.start()
        try:
            lapse = self._context.record_lapse()
            if lapse is not None:
                self._progress.event("lapse", f"{lapse}, in an earlier process of this run")
            return self._run_stages()
        finally:
            self._share.stop()
            self._monitor.stop()
            self._approver.withdraw()

    def _run_stages(self) -> RolloutResult:
        number = 1
        while True:
            try:
                result = self._run_stage(number, self._stages[number - 1]) or self._scale_out(number + 1)
            except LeaseExpiredError:
                result = self._after_lapse(self._stages[number - 1])
            except _ClockSetError as jump:
                self._after_clock_change(jump.args[0])
                result = None
            else:
                number += 1
            if result is not None:
                return result

    def _after_lapse(self, percent: float) -> RolloutResult | None:
        """Record the lapse, and put the deadlines off. Returns: a result if a lapse ends the rollout."""
        pause_s, last_held = self._share.silent_s, self._share.last_held
        self._share.stop()
        self._approver.withdraw()
        self._asked = None
        lapse = self._context.record_lapse(last_held)
        reported = str(lapse) if lapse else f"the lease did not hold since {last_held:%H:%M:%S}"
        if self._on_lapse == "end":
            return RolloutResult("inconclusive", f"{reported}, which ends the release (rollout.on_lapse)", self._last)
        self._lapses += 1
        if self._lapses > MAX_LAPSES:
            raise UnavailableError(
                f"the lease expired {self._lapses} times: this process is being delayed (check CPU load and the store)"
            )
        self._extend_deadline(pause_s)
        self._first_request_until_s += pause_s
        self._progress.event(
            "lapse", f"{reported}; stage {percent:g} % begins again, deadlines are {pause_s:.0f} s later"
        )
        return None

    def _after_clock_change(self, jump_s: float) -> None:
        """Record that the clock was set; the stage begins again, because windows have other times from now on."""
        now = utc_now()
        # from the last moment that is certain in the new time
        asked = min(now, now - timedelta(seconds=jump_s))
        data = {"shares": {}, "jump_s": round(jump_s, 3), "asked": stamp(asked), "confirmed": stamp(now)}
        self._context.outbox.record("clock", data, revision=self._arms.canary)
        self._approver.withdraw()
        self._asked = None
        if jump_s < 0:
            self._analysis.begin_again(now)
        way = "back" if jump_s < 0 else "forward"
        self._progress.event("clock", f"the clock was set {way} by {abs(jump_s):,.0f} s; the stage begins again")

    def _keep_share(self) -> None:
        """Keep the canary's share. Raises: LeaseExpiredError, _ClockSetError."""
        self._share.keep()
        jump_s = self._clock.jump_s()
        if jump_s:
            raise _ClockSetError(jump_s)

    def _scale_out(self, number: int) -> RolloutResult | None:
        """Run the canary on that many hosts, and keep its share meanwhile, because a start takes time.

        Returns: a result if the canary gives a reason for one meanwhile; then its lease is left to expire.
        """
        if number <= self._hosts or number > len(self._stages):
            return None
        with ThreadPoolExecutor(1, "hosts") as pool:
            scaling = pool.submit(self._scale_out_to, number)
            try:
                result = self._analyse_until_done(scaling, self._stages[number - 2])
            except BaseException:
                # leaving the block waits for the host, and nothing judges the canary until then
                self._share.stop()
                raise
            if result is not None:
                self._share.stop()
        if result is not None:
            return result
        scaling.result()
        self._hosts = number
        self._monitor.stop()
        self._monitor = self._make_monitor()
        self._monitor.start()
        self._share.held()
        return None

    def _analyse_until_done(self, scaling: Future[None], percent: float) -> RolloutResult | None:
        while not scaling.done():
            self._keep_share()
            self._last = self._analysis.look() or self._last
            result = self._result(percent)
            if result is not None:
                return result
            time.sleep(TICK_S)
        return None

    def _run_stage(self, number: int, percent: float) -> RolloutResult | None:
        """Analyse a stage until it may end. Returns: the rollout's result, or None for the next stage."""
        last = number == len(self._stages)
        began = self._share.set(percent)
        shares = self._arms.at(percent)
        self._progress.stage(percent, shares, f"stage {percent:g} %: {percents(shares)}, lease {self._lease_s:g} s")
        windows = 0
        while True:
            self._keep_share()
            verdict = self._analysis.look()
            if verdict is not None:
                windows = verdict.windows_since(began)
                self._progress.look(percent, windows, self._min_windows, shares, verdict)
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
                if answer == "approve" and self._still_may_end(last=last) and self._share.held():
                    return RolloutResult("promote", self._status(), self._last) if last else None
            time.sleep(TICK_S)

    def _ask(self, number: int, percent: float) -> Answer | None:
        answer = self._approver.ask(number, percent, self._status())
        if answer is None and self._asked != number:
            self._asked = number
            command = f"pratique approve {self._context.run_id} {percent:g}"
            self._progress.event("approval", f"{percent:g} %  waits for approval: {command}")
            context = self._context
            notify_waiting(context.config, self._service, context.run_id, context.revision, percent, self._status())
        return answer

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
            return RolloutResult("rollback", f"{self._monitor.failure} (at {percent:g} %)", verdict, "health")
        if verdict is not None and verdict.verdict == "rollback":
            return RolloutResult("rollback", verdict.reason, verdict)
        if verdict is not None and verdict.verdict == "inconclusive":
            return RolloutResult("inconclusive", verdict.reason, verdict)
        if verdict is None and elapsed_s() > self._first_request_until_s:
            reason = f"no request of {self._arms.canary} arrived before the deadline"
            return RolloutResult("inconclusive", reason, None)
        if self._time_left_s() == 0:
            reason = f"the run's deadline passed at {percent:g} %: {self._status()}"
            return RolloutResult("inconclusive", reason, verdict)
        return None

    def _rolled_back_by_hand(self, percent: float) -> RolloutResult:
        reason = f"{self._context.outbox.who} rolled it back at {percent:g} %: {self._status()}"
        return RolloutResult("rollback", reason, self._last, "person")

    def _status(self) -> str:
        return self._last.reason if self._last is not None else "no window has been judged yet"
