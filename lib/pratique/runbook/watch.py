"""The judge at a rollout: every window that has closed is read from the store once, and judged at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pratique.config import Config
from pratique.errors import MissingError
from pratique.judge import Judge
from pratique.judge.model import Verdict
from pratique.ledger import Ledger
from pratique.runbook.parts import require_collector
from pratique.runbook.shares import Arms
from pratique.store.base import Store

SETTLE_S = 1.5
"""How long after its end a window is complete in the store: the collector writes about every second."""


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
        policy = config.service(service).judge
        self._judge = Judge(policy, service, arms.compared, arms.canary, config.telemetry.window_s)
        history = timedelta(minutes=policy.history_min)
        self._judge.update(store.read(service, [arms.compared], self._next - history, self._next))

    def look(self, *, until: datetime | None = None) -> Verdict | None:
        """The verdict after the windows that have closed since the last look; None when none has, or no request came.

        until: judge up to here, from what is stored, instead of up to now.
        Raises: UnavailableError when the collector is dead: nothing is measured any more.
        """
        now = datetime.now(UTC)
        if until is None:
            require_collector(self._config)
        closed = until or self._floor(now - timedelta(seconds=SETTLE_S))
        if closed <= self._next:
            return None
        revisions = [self._arms.compared, self._arms.canary]
        self._judge.update(self._store.read(self._service, revisions, self._next, closed))
        self._next = closed
        try:
            return self._judge.verdict(until or now, weights=self._weights(), notes=self._notes())
        except MissingError:
            return None

    def _weights(self) -> list[tuple[datetime, dict[str, float]]]:
        return self._ledger.weights(self._service, self._since)

    def _notes(self) -> list[str]:
        late = self._judge.late
        return [f"{late:,} requests came after their window was judged"] if late else []

    def _floor(self, time: datetime) -> datetime:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return epoch + (time - epoch) // self._window * self._window
