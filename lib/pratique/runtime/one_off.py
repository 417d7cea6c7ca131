"""One-off containers: a container, or a local process, that runs once, to its end, beside a service.

Its name is the lock: where one of that name runs, no second one starts, whoever asks and from whichever host. One that has
ended stays, with its exit code and its log, until it is removed: so its end is known even if nobody waited for it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pratique.errors import BusyError, UnavailableError
from pratique.release.model import Release

LOG_MOST_BYTES = 1 << 20
"""The end of a log that is read; everything before it is left out."""
LOST_LINE = "… the beginning of the log is left out"
FIRST_LOOK_S, LONGEST_LOOK_S = 0.1, 2.0
"""How often a run is looked at: often at first, then every two seconds."""


class NameTakenError(BusyError):
    """One of that name exists already: it runs, or it has ended and was not removed."""


@dataclass(frozen=True)
class OneOff:
    """What to run. name: the lock. command: words without a shell. run: id of this run. labels: kept with it.

    timeout_s: how long it may run. drain_s: how long it may take to end after its stop signal.
    """

    name: str
    release: Release
    command: Sequence[str]
    run: str
    timeout_s: float
    drain_s: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OneOffState:
    """A one-off container at one moment. Times are UTC, those of its engine's clock.

    id: the engine's. labels: as they were given. started: None when it never started. ended: None while it runs or waits
    to be started. exit_code: None while it runs, or when it is not known. oom: killed because it passed its memory limit.
    error: why it never started.
    """

    id: str
    name: str
    service: str
    revision: str
    run: str
    labels: Mapping[str, str]
    created: datetime
    started: datetime | None
    ended: datetime | None
    exit_code: int | None
    oom: bool
    error: str
    timeout_s: float

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.started is not None and self.ended is None

    @property
    def starting(self) -> bool:
        """Whether it was created and did not start yet."""
        return self.started is None and not self.error

    @property
    def duration_s(self) -> float | None:
        """How long it ran; None while it runs, or when it never started."""
        return (self.ended - self.started).total_seconds() if self.started and self.ended else None

    @property
    def timed_out(self) -> bool:
        """Whether it ran for as long as it may or longer, whatever it ended with when it was stopped."""
        return self.exit_code is not None and self.duration_s is not None and self.duration_s >= self.timeout_s


class OneOffRunner(Protocol):
    """Starts, finds, stops and removes one-off containers of a service on one engine."""

    def now(self) -> datetime:
        """Return the time on the engine's clock, UTC. Raises: UnavailableError."""

    def find(self, name: str) -> OneOffState | None:
        """Return the one of that name, whoever started it; None when there is none. Raises: UnavailableError."""

    def start(self, wanted: OneOff) -> OneOffState:
        """Start it and return without waiting for its end.

        A command that cannot be executed is no error of this call: the state says so. Nor is an engine that dies before it
        has said whether it started: then `wait_for_end` begins it when the engine answers again.
        Raises: NameTakenError, MissingError (no such image, a secret that is not set), DataError, UnavailableError.
        """

    def begin(self, state: OneOffState) -> None:
        """Start one that was created and never started, as when the engine died between the two. Raises: UnavailableError."""

    def stop(self, state: OneOffState, *, drain_s: float) -> None:
        """Ask it to stop, wait at most `drain_s`, then kill it. It stays, as one that has ended. It may have ended before."""

    def log(self, state: OneOffState) -> str:
        """Return the end of what it printed, at most LOG_MOST_BYTES, with secrets masked."""

    def remove(self, state: OneOffState) -> None:
        """Remove one that has ended, with its log and its secrets. It is not an error if it is gone."""

    def release_secrets(self, state: OneOffState) -> None:
        """Remove the secrets of one that has ended, and keep everything else of it."""


def wait_for_end(
    runner: OneOffRunner, state: OneOffState, *, drain_s: float, patience_s: float = 120.0
) -> OneOffState | None:
    """Wait until it has ended, and stop it when its time is over; return its last state, None when it is gone.

    patience_s: how long an engine may not answer, as while it restarts.
    Raises: UnavailableError when the engine does not answer for so long.
    """
    began, silent_since = time.monotonic(), 0.0
    while True:
        waited = time.monotonic() - began
        try:
            found = runner.find(state.name)
            if found is not None and found.run == state.run and found.starting:
                runner.begin(found)
                found = runner.find(state.name)
            if found is not None and found.run == state.run and found.running and waited > state.timeout_s:
                runner.stop(found, drain_s=drain_s)
                found = runner.find(state.name)
            silent_since = 0.0
        except UnavailableError:
            silent_since = silent_since or time.monotonic()
            if time.monotonic() - silent_since > patience_s:
                raise
        else:
            if found is None or found.run != state.run:
                return None
            if found.ended is not None or found.error:
                return found
        left = max(0.0, state.timeout_s - waited)
        pause = min(LONGEST_LOOK_S, max(FIRST_LOOK_S, waited / 20))
        time.sleep(min(pause, left) if left > FIRST_LOOK_S else FIRST_LOOK_S)
