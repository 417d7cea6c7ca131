"""The judge at a rollout: every window is judged as soon as it has closed, and again with what comes in for it later."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import floor, utc_now
from pratique.config import Target
from pratique.errors import MissingError, UnavailableError
from pratique.judge import Judge
from pratique.judge.model import Verdict
from pratique.ledger import Ledger
from pratique.runbook.canary.traffic_split import Arms
from pratique.store.base import Store
from pratique.telemetry.rollups import Rollups
from pratique.telemetry.status import CollectorStatus, require_collector

SETTLE_S = 0.5
"""How long after its end a window can be in the store at the earliest: the collector waits for stragglers."""
PATIENCE_S = 4.0
"""How long a window may take to come into the store; one that is not there by then had no request."""
SLOW_S = 15.0
"""How long after its end a window may come into the store at the latest; the judge waits for it."""
BLIND_S = 5.0
"""How long the collector may fail to write to the store, or be too slow at it; it tries again by itself."""


class Watch:
    """Look at what has come in since the last look, as often as you like.

    A request is counted in the window in which it began, and told when it has ended: the slowest ones, and with them
    the timeouts, come in last. So the newest windows are judged at every look anew, on a copy of a judge that has only
    seen those into which nothing comes any more.
    """

    def __init__(self, target: Target, arms: Arms, ledger: Ledger, store: Store, *, since: datetime) -> None:
        """Read the baseline's history before `since` (UTC), when the canary's first request may have come."""
        self._target = target
        self._service = target.service
        self._arms = arms
        self._ledger = ledger
        self._store = store
        self._window = timedelta(seconds=target.telemetry.window_s)
        slowest_s = target.settings.balancer.timeout_s + PATIENCE_S
        self._open = self._window + timedelta(seconds=min(slowest_s, target.telemetry.late_s))
        self._since = since
        self._next = self._settled = self._floor(since)
        self._judge = self._begin()
        self._blind_since: float | None = None

    def look(self) -> Verdict | None:
        """The verdict after the windows that have closed since the last look; None when none has, or no request came.

        Raises: UnavailableError when the collector is dead, or cannot write: nothing is measured any more.
        """
        now = utc_now()
        status = self._require_sight(now)
        closed = self._floor(now - timedelta(seconds=SETTLE_S))
        if closed <= self._next:
            return None
        rows = self._read(self._settled, closed)
        newest = pc.max(rows.table["window"]).as_py()
        complete = max(
            newest + self._window if newest else self._next, self._floor(now - timedelta(seconds=PATIENCE_S))
        )
        if status.unstored is not None:
            complete = min(complete, self._floor(status.unstored))
        if complete <= self._next:
            return None
        self._next = complete
        return self._verdict(self._judged(rows, now), now, status.notes())

    def look_again(self, until: datetime | None = None) -> Verdict | None:
        """Judge anew everything that is stored by now, up to the last look or to `until`: before more traffic is given,
        also what came in later than anything should.
        """
        self._next = until or self._next
        self._settled = self._floor(self._since)
        self._judge = self._begin()
        now = until or utc_now()
        judge = self._judged(self._read(self._settled, self._next), now)
        return self._verdict(
            judge, now, [] if until else require_collector(self._target.state_dir, may_restart=True).notes()
        )

    def _judged(self, rows: Rollups, now: datetime) -> Judge:
        """A judge that has seen these rows, which begin at what is settled, up to the last look."""
        settled = min(self._next, max(self._settled, self._floor(now - self._open)))
        self._judge.update(_before(rows, settled))
        judge = copy.deepcopy(self._judge)
        judge.update(_before(_since(rows, settled), self._next))
        self._settled = settled
        return judge

    def _require_sight(self, now: datetime) -> CollectorStatus:
        """The collector's status, while what it takes in reaches the store."""
        status = require_collector(self._target.state_dir, may_restart=True)
        waits = status.unstored is not None and now - status.unstored > self._window + timedelta(seconds=SLOW_S)
        problem = status.error or (f"a window is not in the store {SLOW_S:g} s after its end" if waits else "")
        if not problem:
            self._blind_since = None
        elif self._blind_since is None:
            self._blind_since = time.monotonic()
        elif time.monotonic() - self._blind_since > BLIND_S:
            raise UnavailableError(
                f"the collector could not write for {BLIND_S:g} s, so that nothing is measured: {problem}"
            )
        return status

    def _begin(self) -> Judge:
        """A judge that knows the baseline's history."""
        policy = self._target.settings.judge
        judge = Judge(policy, self._service, self._arms.compared, self._arms.canary, self._target.telemetry.window_s)
        start = self._floor(self._since)
        history = timedelta(minutes=policy.history_min)
        judge.update(self._store.read(self._service, [self._arms.compared], start - history, start))
        return judge

    def _read(self, start: datetime, end: datetime) -> Rollups:
        return self._store.read(self._service, [self._arms.compared, self._arms.canary], start, end)

    def _verdict(self, judge: Judge, now: datetime, notes: Sequence[str]) -> Verdict | None:
        try:
            return judge.verdict(now, weights=self._weights(), notes=notes)
        except MissingError:
            return None

    def _weights(self) -> list[tuple[datetime, dict[str, float]]]:
        return self._ledger.weights(self._service, self._since)

    def _floor(self, time: datetime) -> datetime:
        return floor(time, self._window)


def _before(rows: Rollups, end: datetime) -> Rollups:
    return Rollups(rows.table.filter(pc.less(rows.table["window"], pa.scalar(end, rows.table["window"].type))))


def _since(rows: Rollups, start: datetime) -> Rollups:
    return Rollups(
        rows.table.filter(pc.greater_equal(rows.table["window"], pa.scalar(start, rows.table["window"].type)))
    )
