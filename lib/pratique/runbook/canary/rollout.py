"""The rollout: stage by stage more traffic for the canary, judged at every window, until there is an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pratique.balancer.base import Balancer, Lease
from pratique.clock import stamp, utc_now
from pratique.errors import UnavailableError
from pratique.judge.model import Verdict
from pratique.runbook.canary.analysis import Watch
from pratique.runbook.canary.approval import Approver
from pratique.runbook.canary.health import Vitals
from pratique.runbook.canary.lease_renewer import Renewer
from pratique.runbook.canary.progress import Progress
from pratique.runbook.canary.traffic_split import Arms, percents
from pratique.runbook.engine.run import Run

LAPSES = 3
"""How often a lease may lapse in one rollout; a program that hangs this often should not release."""
TICK_S = 0.2


@dataclass(frozen=True)
class Ending:
    """How a rollout ended: the decision, its reason in a sentence, and the judge's last verdict, if any."""

    decision: Literal["promote", "rollback", "inconclusive"]
    reason: str
    verdict: Verdict | None


class _LapsedError(Exception):
    """The lease ran out: the traffic is on the baseline."""


class Rollout:
    """Shift the weights, keep the lease, watch, and come to an ending."""

    def __init__(
        self,
        run: Run,
        balancer: Balancer,
        arms: Arms,
        watch: Watch,
        *,
        stages: Sequence[float],
        least_windows: int,
        lease_s: float,
        deadline_min: float,
        approver: Approver,
        vitals: Callable[[], Vitals],
        widen: Callable[[int], None] = lambda _: None,
    ) -> None:
        """stages: percent, rising. least_windows: whole windows that a stage lasts at least.

        deadline_min: minutes without any canary request after which it ends without a verdict. vitals: makes
        what looks after the canary's instances. widen: has the canary on so many hosts; each stage has one more.
        """
        self._run = run
        self._balancer = balancer
        self._arms = arms
        self._watch = watch
        self._stages = stages
        self._least = least_windows
        self._lease = Lease(arms.canary, arms.baseline, lease_s)
        self._until = utc_now() + timedelta(minutes=deadline_min)
        self._approver = approver
        self._make_vitals = vitals
        self._vitals = vitals()
        self._widen = widen
        self._hosts = 1
        self._renewer = Renewer(balancer, run.service, lease_s)
        self._progress = Progress(run.folder / "progress.jsonl", run.id)
        self._last: Verdict | None = None

    def go(self) -> Ending:
        """Go through the stages; after a lapse of the lease, through all of them again.

        The judge keeps what it has seen: only the weights start over.
        Raises: UnavailableError (collector or balancer is dead, the lease lapses again and again).
        """
        self._vitals.start()
        try:
            for _ in range(LAPSES + 1):
                try:
                    self.record_lapse()
                    return self._through_the_stages()
                except _LapsedError:
                    self._renewer.stop()
                    self._approver.withdraw()
            raise UnavailableError(f"the canary's lease lapsed {LAPSES + 1} times: something holds this process up")
        finally:
            self._renewer.stop()
            self._vitals.stop()
            self._approver.withdraw()

    def record_lapse(self) -> None:
        """Write a lapse of the lease into the ledger, with its time, when the ledger does not know of it."""
        changes = self._run.ledger.weights(self._run.service)
        believed = changes[-1][1].get(self._arms.canary, 0.0) if changes else 0.0
        weights = self._balancer.weights(self._run.service)
        shares = weights.shares
        if believed > 0 and shares.get(self._arms.canary, 0.0) == 0:
            now = utc_now()
            # a balancer that does not know when has been away: then it is now that it is seen
            since = min(now, max(weights.lapsed or now, changes[-1][0]))
            data = {"shares": shares, "since": stamp(since)}
            self._run.enter("lapse", data, revision=self._arms.canary)
            self._progress.tell(
                "lapse", f"the lease lapsed at {since:%H:%M:%S}: {percents(shares)}; on from the first stage"
            )

    def _through_the_stages(self) -> Ending:
        for number, percent in enumerate(self._stages, start=1):
            ending = self._have_hosts(number) or self._stay(number, percent)
            if ending is not None:
                return ending
        raise AssertionError("the last stage lasts until there is an ending")

    def _have_hosts(self, number: int) -> Ending | None:
        """Have the canary on that many hosts; the lease is renewed meanwhile, since a start takes its time.

        An ending where the canary gives a reason for one meanwhile: then its lease is left to lapse.
        """
        if number <= self._hosts:
            return None
        ending, percent = None, self._stages[number - 2]
        with ThreadPoolExecutor(1, "hosts") as pool:
            widening = pool.submit(self._widen, number)
            try:
                while not widening.done() and ending is None:
                    self._renewer.beat()
                    self._last = self._watch.look() or self._last
                    ending = self._ending(percent)
                    time.sleep(TICK_S)
            except BaseException:
                # nobody judges it while this waits for the host
                self._renewer.stop()
                raise
            if ending is not None:
                self._renewer.stop()
        if ending is not None:
            return ending
        widening.result()
        self._hosts = number
        self._vitals.stop()
        self._vitals = self._make_vitals()
        self._vitals.start()
        if self._renewer.lapsed:
            raise _LapsedError
        return None

    def _stay(self, number: int, percent: float) -> Ending | None:
        """Watch a stage until it may be left: the rollout's ending, or None for the next stage."""
        last = number == len(self._stages)
        began = self._shift(percent)
        windows = 0
        while True:
            self._renewer.beat()
            if self._renewer.lapsed:
                raise _LapsedError
            verdict = self._watch.look()
            if verdict is not None:
                windows = max(0, int((verdict.end - began).total_seconds() // verdict.window_s))
                self._progress.look(percent, windows, self._least, self._arms.at(percent), verdict)
                self._last = verdict
            elif self._last is None:
                self._progress.waiting(percent)
            ending = self._ending(percent)
            if ending is not None:
                return ending
            if windows >= self._least and self._may_leave(last=last) and not self._vitals.doubt:
                answer = self._approver.ask(number, percent, self._standing())
                if answer == "rollback":
                    return self._by_hand(percent)
                if answer == "approve" and self._still_may_leave(last=last):
                    return Ending("promote", self._standing(), self._last) if last else None
            time.sleep(TICK_S)

    def _may_leave(self, *, last: bool) -> bool:
        return not last or (self._last is not None and self._last.verdict == "promote")

    def _still_may_leave(self, *, last: bool) -> bool:
        """Whether everything that is in the store by now says so too, with what came in late."""
        again = self._watch.look_again()
        if again is None:
            return not last
        self._last = again
        return again.verdict != "rollback" and self._may_leave(last=last)

    def _ending(self, percent: float) -> Ending | None:
        verdict = self._last
        if self._vitals.trouble:
            return Ending("rollback", f"{self._vitals.trouble} (at {percent:g} %)", verdict)
        if verdict is not None and verdict.verdict == "rollback":
            return Ending("rollback", verdict.reason, verdict)
        if verdict is not None and verdict.verdict == "inconclusive":
            return Ending("inconclusive", verdict.reason, verdict)
        if verdict is None and utc_now() > self._until:
            return Ending("inconclusive", f"no request of {self._arms.canary} came in until the deadline", None)
        if self._run.left_s == 0:
            return Ending("inconclusive", f"the run's deadline passed at {percent:g} %: {self._standing()}", verdict)
        return None

    def _by_hand(self, percent: float) -> Ending:
        return Ending("rollback", f"{self._run.who} rolled it back at {percent:g} %: {self._standing()}", self._last)

    def _standing(self) -> str:
        return self._last.reason if self._last is not None else "nothing was judged yet"

    def _shift(self, percent: float) -> datetime:
        shares = self._arms.at(percent)
        self._balancer.set_weights(self._run.service, shares, lease=self._lease)
        self._renewer.start()
        data = {"shares": shares, "stage": percent, "lease_s": self._lease.ttl_s}
        entry = self._run.enter("weight", data, revision=self._arms.canary)
        self._progress.stage(
            percent, shares, f"stage {percent:g} %: {percents(shares)}, a lease of {self._lease.ttl_s:g} s"
        )
        return entry.time
