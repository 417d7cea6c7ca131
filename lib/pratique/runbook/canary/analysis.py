"""Live analysis of a rollout: each window is judged when it closes, and again when late requests arrive for it."""

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
from pratique.telemetry.collector_status import CollectorStatus, require_collector
from pratique.telemetry.rollups import Rollups

WINDOW_MIN_DELAY_S = 0.5
"""How soon after its end a window can be in the store: the collector waits for late requests."""
WINDOW_DELAY_S = 4.0
"""How long a window may take to reach the store; after that, a window that is not there had no request."""
WINDOW_MAX_DELAY_S = 15.0
"""How long the judge waits for a window that the collector still has to write."""
WRITE_FAILURE_LIMIT_S = 5.0
"""How long the collector may fail to write to the store, or be late; it retries by itself."""


class LiveAnalysis:
    """The judge of one rollout; each `look` judges the windows that have closed since the last.

    A request counts in the window in which it began, but is reported when it ends: the slowest requests, and with
    them the timeouts, arrive last. Each look therefore judges the newest windows again, on a copy of a judge that
    has only seen windows into which no more requests can come.
    """

    def __init__(self, target: Target, arms: Arms, ledger: Ledger, store: Store, *, since: datetime) -> None:
        """Read the baseline's history before `since` (UTC), the earliest time of a canary request."""
        self._target = target
        self._service = target.service
        self._arms = arms
        self._ledger = ledger
        self._store = store
        self._window = timedelta(seconds=target.telemetry.window_s)
        slowest_s = target.settings.balancer.timeout_s + WINDOW_DELAY_S
        self._open = self._window + timedelta(seconds=min(slowest_s, target.telemetry.late_s))
        self._since = since
        self._next = self._settled = self._floor(since)
        self._judge = self._begin()
        self._failing_since: float | None = None

    def look(self) -> Verdict | None:
        """Return the verdict after the windows that closed since the last look; None without a window or a request.

        Raises: UnavailableError when the collector is dead or cannot write, because then nothing is measured.
        """
        now = utc_now()
        status = self._require_collector(now)
        closed = self._floor(now - timedelta(seconds=WINDOW_MIN_DELAY_S))
        if closed <= self._next:
            return None
        rows = self._read(self._settled, closed)
        newest = pc.max(rows.table["window"]).as_py()
        complete = max(
            newest + self._window if newest else self._next, self._floor(now - timedelta(seconds=WINDOW_DELAY_S))
        )
        if status.unstored is not None:
            complete = min(complete, self._floor(status.unstored))
        if complete <= self._next:
            return None
        self._next = complete
        return self._verdict(self._judged(rows, now), complete, status.notes())

    def look_again(self, until: datetime | None = None) -> Verdict | None:
        """Judge everything in the store again, up to the last look or to `until`.

        It includes requests that arrived later than expected, so a rollout calls it before the canary gets more traffic.
        """
        self._next = until or self._next
        self._settled = self._floor(self._since)
        self._judge = self._begin()
        now = until or utc_now()
        judge = self._judged(self._read(self._settled, self._next), now)
        return self._verdict(
            judge, self._next, [] if until else require_collector(self._target.state_dir, may_restart=True).notes()
        )

    def _judged(self, rows: Rollups, now: datetime) -> Judge:
        """Return a judge that has seen these rows, which begin at the first open window, up to the last look."""
        settled = min(self._next, max(self._settled, self._floor(now - self._open)))
        self._judge.update(_before(rows, settled))
        judge = copy.deepcopy(self._judge)
        judge.update(_before(_since(rows, settled), self._next))
        self._settled = settled
        return judge

    def _require_collector(self, now: datetime) -> CollectorStatus:
        """Return the collector's status; raise when its windows have not reached the store for too long."""
        status = require_collector(self._target.state_dir, may_restart=True)
        late = status.unstored is not None and now - status.unstored > self._window + timedelta(
            seconds=WINDOW_MAX_DELAY_S
        )
        problem = status.error or (
            f"a window is not in the store {WINDOW_MAX_DELAY_S:g} s after its end" if late else ""
        )
        if not problem:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = time.monotonic()
        elif time.monotonic() - self._failing_since > WRITE_FAILURE_LIMIT_S:
            raise UnavailableError(
                f"the collector could not write for {WRITE_FAILURE_LIMIT_S:g} s, so nothing is measured: {problem}"
            )
        return status

    def _begin(self) -> Judge:
        """Return a judge that knows the baseline's history."""
        policy = self._target.settings.judge
        judge = Judge(policy, self._service, self._arms.compared, self._arms.canary, self._target.telemetry.window_s)
        start = self._floor(self._since)
        history = timedelta(minutes=policy.history_min)
        judge.update(self._store.read(self._service, [self._arms.compared], start - history, start))
        return judge

    def _read(self, start: datetime, end: datetime) -> Rollups:
        return self._store.read(self._service, [self._arms.compared, self._arms.canary], start, end)

    def _verdict(self, judge: Judge, until: datetime, notes: Sequence[str]) -> Verdict | None:
        # the deadline is measured by the data, so that a report on the same data later comes to the same verdict
        try:
            return judge.verdict(until, weights=self._weights(), notes=notes)
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
