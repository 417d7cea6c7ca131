"""Keep what a collector could not count, a minute each, so that every later verdict on that time knows of it.

The counters of its status begin with the collector, and say nothing about when. The entries stand beside those of imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pratique.telemetry.loss_counts import LossCounts
from pratique.telemetry.lost_lines import EVERY_SERVICE, LostLines, record_lost_lines

BLOCK_MS = 60_000
MOST_BLOCKS = 1_000
"""Minutes with losses that are kept for a service; the oldest go first."""


class CollectorLosses:
    """Records the growth of a collector's counters of lost lines."""

    def __init__(self, state_dir: Path) -> None:
        """state_dir: of the collector."""
        self._state_dir = state_dir
        self._services: dict[str, _ServiceLosses] = {}

    def update(self, now_ms: int, counts: LossCounts, *, store: str) -> None:
        """Take the counters in. now_ms: epoch ms. store: URL of the store that the collector writes to.

        Raises: OSError, DataError.
        """
        lost = counts.losses()
        for service in lost.keys() | self._services.keys():
            received = counts.received.total() if service == EVERY_SERVICE else counts.received[service]
            known = self._services.setdefault(service, _ServiceLosses())
            found = known.update(now_ms, received, lost.get(service, {}), store)
            if found is not None:
                record_lost_lines(self._state_dir, service, found, most=MOST_BLOCKS)
                known.written = found.total


class _ServiceLosses:
    """The counters of one service at the start of the minute, and how many lost lines of it are written."""

    def __init__(self) -> None:
        self._start_ms = 0
        self._received_before = self._received = 0
        self._before: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self.written = 0

    def update(self, now_ms: int, received: int, lost: Mapping[str, int], store: str) -> LostLines | None:
        """Return the lines lost in this minute, if there are more than those written."""
        if not 0 <= now_ms - self._start_ms < BLOCK_MS:
            self._start_ms, self._received_before, self._before, self.written = now_ms, self._received, self._seen, 0
        self._seen, self._received = dict(lost), received
        grown = {reason: count - self._before.get(reason, 0) for reason, count in lost.items()}
        grown = {reason: count for reason, count in grown.items() if count > 0}
        if sum(grown.values()) <= self.written:
            return None
        return LostLines(
            f"collector {self._start_ms}", self._start_ms, now_ms, received - self._received_before, grown, store=store
        )
