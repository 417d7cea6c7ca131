"""Whether requests are being measured during a rollout, by the collector or by the scrapes of a metrics server."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from pratique.clock import ClockWatch, elapsed_s
from pratique.errors import UnavailableError
from pratique.telemetry.collector_status import CollectorStatus, require_collector

WINDOW_MAX_DELAY_S = 15.0
"""How long the judge waits for a window that the collector still has to write."""
WRITE_FAILURE_LIMIT_S = 5.0
"""How long the collector may fail to write to the store, or be late; it retries by itself."""
READ_FAILURE_LIMIT_S = 5.0
"""How long the store of a collector may not answer, such as while its server restarts; nothing is judged meanwhile."""
SCRAPE_FAILURE_LIMIT_S = 90.0
"""How long a metrics server may not answer, or have no new scrape: it may be restarted, and scrapes come once a minute."""
SCRAPES_ASKED_EVERY_S = 5.0


@dataclass(frozen=True)
class Measured:
    """How far requests are measured. unstored: start of the oldest window that must still come, UTC; None: none."""

    unstored: datetime | None
    notes: Sequence[str]


class Measuring(Protocol):
    """Says whether requests are measured.

    read_failure_limit_s: how long the store may not answer.
    """

    read_failure_limit_s: float

    def look(self, now: datetime, window: timedelta) -> Measured | None:
        """Return how far requests are measured; None when that is not known at this moment.

        Raises: UnavailableError when nothing is measured for too long.
        """

    def notes(self) -> Sequence[str]:
        """Return sentences on requests that were not measured. Raises: UnavailableError when nothing is measured."""


class CollectorWatch:
    """Watches the collector's status."""

    read_failure_limit_s = READ_FAILURE_LIMIT_S

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._failing_since: float | None = None
        self._looked_s = self._excused_until_s = elapsed_s()
        self._clock = ClockWatch()

    def look(self, now: datetime, window: timedelta) -> Measured | None:
        """Return the state of the windows; raise when they have not reached the store for too long.

        None: this process has just gone on after a pause, or the clock was set, so the collector's last status looks old.
        """
        before, self._looked_s = self._looked_s, elapsed_s()
        if self._clock.jump_s() or self._looked_s - before > WRITE_FAILURE_LIMIT_S / 2:
            self._excused_until_s = self._looked_s + WRITE_FAILURE_LIMIT_S
        try:
            status = require_collector(self._state_dir, may_restart=True)
        except UnavailableError:
            if self._looked_s < self._excused_until_s:
                return None
            raise
        self._refuse_failing(status, now, window)
        return Measured(status.unstored, status.notes())

    def notes(self) -> Sequence[str]:
        """Return the collector's notes."""
        return require_collector(self._state_dir, may_restart=True).notes()

    def _refuse_failing(self, status: CollectorStatus, now: datetime, window: timedelta) -> None:
        late = status.unstored is not None and now - status.unstored > window + timedelta(seconds=WINDOW_MAX_DELAY_S)
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


class ScrapeWatch:
    """Watches when a metrics server last scraped the services."""

    def __init__(self, newest: Callable[[], datetime | None], *, window_s: int = 0) -> None:
        """newest: asks the server for the time of its last scrape, UTC. window_s: of the mapping, at least a scrape interval."""
        self._newest = newest
        self.read_failure_limit_s = max(SCRAPE_FAILURE_LIMIT_S, 2.5 * window_s)
        self._found_s = elapsed_s()
        self._asked_s: float | None = None
        self._seen: datetime | None = None
        self._failure: UnavailableError | None = None

    def look(self, now: datetime, window: timedelta) -> Measured | None:
        """Return the state of the scrapes; raise when the server has not answered or scraped for too long.

        None: it does not answer at the moment, or has no scrape after the last window's end yet.
        """
        if self._asked_s is None or elapsed_s() - self._asked_s >= SCRAPES_ASKED_EVERY_S:
            self._ask()
        if self._seen is None:
            if elapsed_s() - self._found_s > self.read_failure_limit_s:
                if self._failure is not None:
                    raise UnavailableError(
                        f"for {self.read_failure_limit_s:g} s nothing was measured: {self._failure}"
                    ) from self._failure
                raise UnavailableError(
                    f"the store's server has had no sample of the services for {self.read_failure_limit_s:g} s, so nothing is "
                    "measured: check the program that fills it"
                )
            return None
        if (now - self._seen).total_seconds() > self.read_failure_limit_s:
            raise UnavailableError(
                f"the last sample of the services is of {self._seen:%H:%M:%S} UTC, so nothing is measured: "
                "check the program that fills the store"
            )
        del window
        return Measured(None, ())

    def notes(self) -> Sequence[str]:
        """Return nothing: what scrapes cannot tell is with the rows."""
        return ()

    def _ask(self) -> None:
        self._asked_s = elapsed_s()
        try:
            newest, self._failure = self._newest(), None
        except UnavailableError as error:
            self._seen, self._failure = None, error
            return
        if newest is not None:
            self._seen, self._found_s = newest, elapsed_s()
