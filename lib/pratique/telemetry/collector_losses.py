"""Keep what a collector could not count, a minute each, so that every later verdict on that time knows of it.

The counters of its status begin with the collector, and say nothing about when. The entries stand beside those of imports,
for all services: a line that cannot be read names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pratique.telemetry.lost_lines import EVERY_SERVICE, LostLines, record_lost_lines

BLOCK_MS = 60_000
MOST_BLOCKS = 1_000
"""Minutes with losses that are kept; the oldest go first."""


class CollectorLosses:
    """Records the growth of a collector's counters of lost lines."""

    def __init__(self, state_dir: Path) -> None:
        """state_dir: of the collector."""
        self._state_dir = state_dir
        self._start_ms = 0
        self._counted = 0
        self._before: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._written = 0

    def update(self, now_ms: int, received: int, lost: Mapping[str, int], *, store: str) -> None:
        """Take the counters in. now_ms: epoch ms. received: lines so far. lost: lines so far, by reason.

        store: URL of the store that the collector writes to. Raises: OSError, DataError.
        """
        if not 0 <= now_ms - self._start_ms < BLOCK_MS:
            self._start_ms, self._counted, self._before, self._written = now_ms, received, self._seen, 0
        self._seen = dict(lost)
        grown = {reason: count - self._before.get(reason, 0) for reason, count in lost.items()}
        grown = {reason: count for reason, count in grown.items() if count > 0}
        total = sum(grown.values())
        if total > self._written:
            counted = max(received - self._counted - total, 0)
            found = LostLines(f"collector {self._start_ms}", self._start_ms, now_ms, counted, grown, store=store)
            record_lost_lines(self._state_dir, EVERY_SERVICE, found, most=MOST_BLOCKS)
            self._written = total
