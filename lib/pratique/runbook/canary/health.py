"""Health of the canary's instances, checked twice a second beside the judge."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import timedelta

from pratique.clock import ClockWatch
from pratique.errors import PratiqueError, UnavailableError
from pratique.runbook.engine.console import describe, plain
from pratique.runtime.base import Instance, Runtime

CHECK_EVERY_S = 0.5
FAILURE_THRESHOLD = 3
"""How many checks in a row may fail: an instance that is not ready, or an engine that does not answer."""
START_TIME_TOLERANCE = timedelta(seconds=1)
"""How far a start time may move without a restart: the system clock is set, and some engines count from it."""
LOG_LINES = 8
OUTPUT_LIMIT = 600
"""Characters of an instance's log that a message shows."""


class HealthMonitor:
    """A thread that checks instances; `failure` says which of them failed, and how."""

    def __init__(
        self, runtime: Runtime, service: str, addresses: Collection[str], *, every_s: float = CHECK_EVERY_S
    ) -> None:
        """addresses: of the instances to check."""
        self._runtime = runtime
        self._service = service
        self._addresses = set(addresses)
        self._clock = ClockWatch()
        self._every_s = every_s
        self._misses: dict[str, int] = {}
        self._last_error: dict[str, str] = {}
        self._failure: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def failure(self) -> str | None:
        """Which instance exited or is not ready, with its last log lines; None while all are healthy."""
        return self._failure

    @property
    def suspect(self) -> bool:
        """True if the last check failed, which may be temporary: traffic must not rise now."""
        return bool(self._misses)

    def start(self) -> None:
        """Start checking.

        Raises: UnavailableError when the engine does not answer.
        """
        known = {i.address: i for i in self._runtime.list(self._service) if i.address in self._addresses}
        gone = sorted(self._addresses - set(known))
        if gone:
            self._failure = f"{self._service} at {gone[0]} exited before the rollout began"
            return
        self._thread = threading.Thread(target=self._monitor, args=([*known.values()],), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop checking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def _monitor(self, instances: Sequence[Instance]) -> None:
        while self._failure is None and not self._stop.wait(self._every_s):
            try:
                self._failure = self._check(instances)
            except Exception as error:  # noqa: BLE001 - a canary that cannot be checked must not continue
                self._failure = self._missed("", f"the canary's health cannot be checked: {describe(error)}")

    def _check(self, instances: Sequence[Instance]) -> str | None:
        running = {instance.id: instance for instance in self._runtime.list(self._service)}
        self._misses.pop("", None)
        for instance in instances:
            failure = self._check_instance(instance, running.get(instance.id))
            if failure:
                return failure
        return None

    def _check_instance(self, instance: Instance, found: Instance | None) -> str | None:
        if found is not None and self._restarted(instance, found):
            return f"{instance} exited, and its engine restarted it: {self._log_tail(instance)}"
        if found is None:
            # the last error names the cause better than an engine that has forgotten the instance
            return f"{instance} exited: {self._last_error.get(instance.id) or self._log_tail(instance)}"
        try:
            self._runtime.wait_ready(instance, deadline_s=0.0)
            self._misses.pop(instance.id, None)
        except UnavailableError as error:
            self._last_error[instance.id] = str(error)
            return self._missed(instance.id, str(error))
        return None

    def _restarted(self, instance: Instance, found: Instance) -> bool:
        """Return whether an instance started later than known; a clock that was set moves start times, too."""
        later = found.started - instance.started
        by_clock = timedelta(seconds=self._clock.shift_s())
        return later > START_TIME_TOLERANCE and abs(later - by_clock) > START_TIME_TOLERANCE

    def _missed(self, what: str, reason: str) -> str | None:
        self._misses[what] = self._misses.get(what, 0) + 1
        failed = self._misses[what] >= FAILURE_THRESHOLD
        return f"{FAILURE_THRESHOLD} health checks in a row failed: {reason}" if failed else None

    def _log_tail(self, instance: Instance) -> str:
        try:
            lines = plain("\n".join(self._runtime.logs(instance, lines=LOG_LINES)))
        except PratiqueError as error:
            return f"its log cannot be read: {error}"
        return f"last log lines: {lines[-OUTPUT_LIMIT:]}" if lines else "no output"
