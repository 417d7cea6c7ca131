"""The judge at a rollout: every window that has closed is read from the store once, and judged at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc

from pratique.config import Config
from pratique.errors import MissingError, UnavailableError
from pratique.judge import Judge
from pratique.judge.model import Verdict
from pratique.ledger import Ledger
from pratique.runbook.parts import require_collector
from pratique.runbook.shares import Arms
from pratique.store.base import Store
from pratique.telemetry.rollups import Rollups

SETTLE_S = 0.5
"""How long after its end a window can be in the store at the earliest: the collector waits for stragglers."""
PATIENCE_S = 4.0
"""How long a window may take to come into the store; one that is not there by then had no request."""
BLIND_S = 5.0
"""How long the collector may fail to write to the store; it tries again by itself."""


class Watch:
    """Look at what has come in since the last look, as often as you like."""

    def __init__(
        self, config: Config, service: str, arms: Arms, ledger: Ledger, store: Store, *, since: datetime
    ) -> None:
        """Read the baseline's history before `since` (UTC), when the canary's first request may have come."""
        self._config = config
        self._service = service
        self._arms = arms
        self._ledger = ledger
        self._store = store
        self._window = timedelta(seconds=config.telemetry.window_s)
        self._since = since
        self._next = self._floor(since)
        self._judge = self._begin()
        self._blind_since: float | None = None

    def look(self) -> Verdict | None:
        """The verdict after the windows that have closed since the last look; None when none has, or no request came.

        Raises: UnavailableError when the collector is dead, or cannot write: nothing is measured any more.
        """
        notes = self._require_sight()
        now = datetime.now(UTC)
        closed = self._floor(now - timedelta(seconds=SETTLE_S))
        if closed <= self._next:
            return None
        rows = self._read(self._next, closed)
        newest = pc.max(rows.table["window"]).as_py()
        complete = max(
            newest + self._window if newest else self._next, self._floor(now - timedelta(seconds=PATIENCE_S))
        )
        if complete <= self._next:
            return None
        self._judge.update(rows)
        self._next = complete
        return self._verdict(now, notes)

    def look_again(self, until: datetime | None = None) -> Verdict | None:
        """Judge anew everything that is stored by now, up to the last look or to `until`.

        A request is counted in the window in which it began, so that a slow one can come in after its
        window was judged: before more traffic is given, all of them are looked at.
        """
        end = until or self._next
        self._judge = self._begin()
        self._judge.update(self._read(self._floor(self._since), end))
        self._next = end
        notes = [] if until else require_collector(self._config).notes()
        return self._verdict(until or datetime.now(UTC), notes)

    def _require_sight(self) -> list[str]:
        """The collector's notes, while what it takes in reaches the store."""
        status = require_collector(self._config)
        if not status.error:
            self._blind_since = None
        elif self._blind_since is None:
            self._blind_since = time.monotonic()
        elif time.monotonic() - self._blind_since > BLIND_S:
            raise UnavailableError(
                f"the collector could not write for {BLIND_S:g} s, so that nothing is measured: {status.error}"
            )
        return status.notes()

    def _begin(self) -> Judge:
        """A judge that knows the baseline's history."""
        policy = self._config.service(self._service).judge
        judge = Judge(policy, self._service, self._arms.compared, self._arms.canary, self._config.telemetry.window_s)
        start = self._floor(self._since)
        history = timedelta(minutes=policy.history_min)
        judge.update(self._store.read(self._service, [self._arms.compared], start - history, start))
        return judge

    def _read(self, start: datetime, end: datetime) -> Rollups:
        return self._store.read(self._service, [self._arms.compared, self._arms.canary], start, end)

    def _verdict(self, now: datetime, notes: Sequence[str]) -> Verdict | None:
        try:
            return self._judge.verdict(now, weights=self._weights(), notes=notes)
        except MissingError:
            return None

    def _weights(self) -> list[tuple[datetime, dict[str, float]]]:
        return self._ledger.weights(self._service, self._since)

    def _floor(self, time: datetime) -> datetime:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return epoch + (time - epoch) // self._window * self._window
