"""What the stores have in common whose counts another program collects: they write nothing, and read whole windows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from pratique.clock import utc_now
from pratique.config import StoreSettings
from pratique.store.base import Upkeep
from pratique.store.counts import CountedByReading
from pratique.store.read_only import require_writable
from pratique.store.scraped.rows import Span
from pratique.telemetry.rollups import Rollups


class ReadOnlyStore(CountedByReading):
    """The base of these stores."""

    def __init__(self, settings: StoreSettings, *, settle_s: int) -> None:
        """settle_s: how long after its end a window is read."""
        self._settings, self._settle_s = settings, settle_s
        self._length_ms = settings.mapping.window_s * 1000
        self._lookback_ms = settings.mapping.lookback_s * 1000

    @property
    def url(self) -> str:
        """The address."""
        return self._settings.url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def write(self, rollups: Rollups, *, instead_of: Collection[str] = ()) -> None:
        """Refuse. Raises: UsageError."""
        del rollups, instead_of
        require_writable(self._settings)

    def maintain(self) -> Upkeep:
        """Do nothing: the server has its own retention."""
        return Upkeep()

    def lag_s(self) -> int:
        """Return how long after a request its window is read at the latest."""
        return self._settings.mapping.window_s + self._settle_s

    def _span(self, start: datetime | None, end: datetime | None) -> Span:
        """The windows in a range that have ended and settled; without a start, of the last `history_h` hours."""
        now = utc_now() - timedelta(seconds=self._settle_s)
        first = start or now - timedelta(hours=self._settings.mapping.history_h)
        # nothing was measured before 1970
        first_ms = max(-(-round(first.timestamp() * 1000) // self._length_ms) * self._length_ms, 0)
        last_ms = round(now.timestamp() * 1000) // self._length_ms * self._length_ms
        if end is not None:
            last_ms = min(last_ms, -(-round(end.timestamp() * 1000) // self._length_ms) * self._length_ms)
        return Span(first_ms, max(last_ms, first_ms), self._length_ms)
