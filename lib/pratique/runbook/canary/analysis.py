"""Live analysis of a rollout: each window is judged when it closes, and again when late requests arrive for it."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import floor, from_ms, utc_now
from pratique.config import Target
from pratique.errors import MissingError, UnavailableError
from pratique.judge import Judge
from pratique.judge.model import Verdict
from pratique.ledger import Ledger
from pratique.runbook.canary.measuring import Measuring
from pratique.runbook.canary.traffic_split import Arms
from pratique.store.base import Store
from pratique.telemetry.collector_status import collector_status
from pratique.telemetry.late_writes import next_write_ms
from pratique.telemetry.lost_lines import lost_lines
from pratique.telemetry.rollups import Rollups
from pratique.telemetry.windows import ends_ms, joined_s, lengths_s, within
from pratique.weight_changes import WeightChange

WINDOW_MIN_DELAY_S = 0.5
"""How soon after its end a window can be in the store: the collector waits for late requests."""
WINDOW_DELAY_S = 4.0
"""How long a window may take to reach the store; after that, a window that is not there had no request."""


class LiveAnalysis:
    """The judge of one rollout; each `look` judges the windows that have closed since the last.

    A request counts in the window in which it began, but is reported when it ends: the slowest requests, and with
    them the timeouts, arrive last. Each look therefore judges the newest windows again, on a copy of a judge that
    has only seen windows into which no more requests can come.
    """

    def __init__(
        self, target: Target, arms: Arms, ledger: Ledger, store: Store, measuring: Measuring, *, since: datetime
    ) -> None:
        """Read the baseline's history before `since` (UTC), the earliest time of a canary request."""
        self._target = target
        self._service = target.service
        self._arms = arms
        self._ledger = ledger
        self._store = store
        self._measuring = measuring
        self._window = timedelta(seconds=target.telemetry.window_s)
        self._since = since
        self._next = self._settled = self._floor(since)
        self._begin()
        self._unread_since: float | None = None
        self._repeated: tuple[datetime, list[str]] | None = None

    def look(self) -> Verdict | None:
        """Return the verdict after the windows that closed since the last look; None without a window or a request.

        Raises: UnavailableError when nothing is measured: the collector is dead or cannot write, no scrapes come, or the
            store does not answer.
        """
        now = utc_now()
        measured = self._measuring.look(now, self._window)
        if measured is None:
            return None
        closed = self._floor(now - timedelta(seconds=WINDOW_MIN_DELAY_S))
        if closed <= self._next:
            return None
        rows = self._read_if_answered(closed)
        if rows is None:
            return None
        newest = pc.max(ends_ms(rows.table)).as_py()
        complete = max(from_ms(newest) if newest else self._next, now - timedelta(seconds=WINDOW_DELAY_S))
        if measured.unstored is not None:
            complete = min(complete, measured.unstored)
        complete = self._floor(complete)
        if complete <= self._next:
            return None
        self._next = complete
        return self._verdict(self._judged(rows, now), complete, measured.notes)

    def look_again(self, until: datetime | None = None) -> Verdict | None:
        """Judge everything in the store again, up to the last look or to `until`.

        It includes requests that arrived later than expected, so a rollout calls it before the canary gets more traffic.
        """
        self._next = until or self._next
        self._begin()
        now = until or utc_now()
        judge = self._judged(self._read(self._next), now)
        return self._verdict(judge, self._next, [] if until else self._measuring.notes())

    def _judged(self, rows: Rollups, now: datetime) -> Judge:
        """Return a judge that has seen these rows, which begin at the first open window, up to the last look."""
        written_s = next_write_ms(int(self._target.settings.balancer.timeout_s * 1000)) / 1000
        slowest_s = min(written_s, self._target.telemetry.late_s) + WINDOW_DELAY_S
        still_open = self._floor(now - self._window - timedelta(seconds=slowest_s))
        settled = min(self._next, max(self._settled, still_open))
        self._judge.update(within(rows, self._settled, settled))
        judge = copy.deepcopy(self._judge)
        judge.update(within(rows, settled, self._next))
        self._settled = settled
        return judge

    def begin_again(self, since: datetime) -> None:
        """Judge the windows from now on only: the clock was set back, so the times of judged windows come again.

        since: now, UTC. Rows of those windows that are in the store already stay out: the collector writes the new ones
        under another source.
        """
        known = self._rows(self._floor(since), max(self._next, self._floor(since) + self._window)).table
        self._repeated = (self._next, known["source"].unique().to_pylist()) if len(known) else None
        self._since = since
        self._next = self._settled = self._floor(since)
        self._begin()

    def _begin(self) -> None:
        """Start with a judge that knows the baseline's history."""
        policy = self._target.settings.judge
        joined = int(self._window.total_seconds())
        self._settled = self._floor(self._since)
        self._judge = Judge(policy, self._service, self._arms.compared, self._arms.canary, joined)
        earliest = self._settled - timedelta(minutes=policy.history_min)
        history = self._store.read(self._service, [self._arms.compared], earliest, self._settled)
        # the judge takes longer windows of the history as they are, except one that reaches into the rollout
        self._judge.update(within(history, earliest, self._settled))

    def _read_if_answered(self, end: datetime) -> Rollups | None:
        """Return the windows up to `end`; None while a store that has not answered for a short time may still be back."""
        try:
            rows = self._read(end)
        except UnavailableError as error:
            now = time.monotonic()
            self._unread_since = now if self._unread_since is None else self._unread_since
            limit_s = self._measuring.read_failure_limit_s
            if now - self._unread_since > limit_s:
                raise UnavailableError(f"for {limit_s:g} s nothing could be judged: {error}") from error
            return None
        self._unread_since = None
        return rows

    def _read(self, end: datetime) -> Rollups:
        """Return the windows from the first open one up to `end`.

        When they have another length than those judged so far, because the collector's settings changed, all windows
        of the rollout are judged again, joined to windows that hold both.
        """
        rows = self._rows(self._settled, end)
        judged = int(self._window.total_seconds())
        joined = joined_s(judged, *lengths_s(rows))
        if joined == judged:
            return rows
        self._window = timedelta(seconds=joined)
        self._begin()
        return self._rows(self._settled, end)

    def _rows(self, start: datetime, end: datetime) -> Rollups:
        """Return the rows of both revisions, without those that a clock set back has made come again."""
        rows = self._store.read(self._service, [self._arms.compared, self._arms.canary], start, end)
        if self._repeated is None:
            return rows
        until, sources = self._repeated
        repeated = pc.and_(
            pc.less(rows.table["window"], pa.scalar(until, rows.table["window"].type)),
            pc.is_in(rows.table["source"], pa.array(sources)),
        )
        return rows.only(pc.invert(repeated))

    def _verdict(self, judge: Judge, until: datetime, notes: Sequence[str]) -> Verdict | None:
        # the deadline is measured by the data, so that a report on the same data later comes to the same verdict
        try:
            notes = [*notes, *self._setting_changes(until)]
            lost = lost_lines(self._target.state_dir, self._service, self._since, until, store=self._target.store.url)
            return judge.verdict(until, weights=self._weights(), notes=notes, lost=lost)
        except MissingError:
            return None

    def _setting_changes(self, until: datetime) -> list[str]:
        status = None if self._target.store.is_read_only else collector_status(self._target.state_dir)
        return status.changes_in(self._service, self._since, until) if status is not None else []

    def _weights(self) -> list[WeightChange]:
        return self._ledger.weights(self._service, self._since)

    def _floor(self, time: datetime) -> datetime:
        return floor(time, self._window)
