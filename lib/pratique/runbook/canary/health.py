"""Whether the canary is alive: a look at its instances twice a second, beside the judge."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import timedelta

from pratique.errors import PratiqueError, UnavailableError
from pratique.runbook.engine.run import describe
from pratique.runbook.service.acceptance import plain
from pratique.runtime.base import Instance, Runtime

EVERY_S = 0.5
IN_A_ROW = 3
"""How often an instance may be unready, or the engine silent, one time after another."""
SAME_START = timedelta(seconds=1)
"""How far a start time may move without a start: the system's clock is set, and some engines count from that."""
WORDS = 8
LAST_WORDS = 600


class Vitals:
    """A thread that looks after instances; `trouble` says what has become of one of them."""

    def __init__(self, runtime: Runtime, service: str, addresses: Collection[str], *, every_s: float = EVERY_S) -> None:
        """addresses: of the instances to look after."""
        self._runtime = runtime
        self._service = service
        self._addresses = set(addresses)
        self._every_s = every_s
        self._misses: dict[str, int] = {}
        self._said: dict[str, str] = {}
        self._trouble: str | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def trouble(self) -> str | None:
        """Which instance has ended or become unready, with its last words; None while all are well."""
        return self._trouble

    @property
    def doubt(self) -> bool:
        """Whether the last look found something, which may pass: no time for more traffic."""
        return bool(self._misses)

    def start(self) -> None:
        """Begin to look.

        Raises: UnavailableError when the engine does not answer.
        """
        known = {i.address: i for i in self._runtime.list(self._service) if i.address in self._addresses}
        gone = sorted(self._addresses - set(known))
        if gone:
            self._trouble = f"{self._service} at {gone[0]} has ended before the rollout began"
            return
        self._thread = threading.Thread(target=self._look_on, args=([*known.values()],), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)

    def _look_on(self, instances: Sequence[Instance]) -> None:
        while self._trouble is None and not self._stop.wait(self._every_s):
            try:
                self._trouble = self._look(instances)
            except Exception as error:  # noqa: BLE001 - a canary that cannot be looked after must not go on
                self._trouble = self._missed("", f"the canary cannot be looked after: {describe(error)}")

    def _look(self, instances: Sequence[Instance]) -> str | None:
        running = {instance.id: instance for instance in self._runtime.list(self._service)}
        self._misses.pop("", None)
        for instance in instances:
            now = running.get(instance.id)
            if now is not None and now.started - instance.started > SAME_START:
                return f"{instance} had ended, and its engine started it again: {self._last_words(instance)}"
            if now is None:
                # what was told of it before it went says more than an engine that has forgotten it
                told = self._said.get(instance.id) or self._last_words(instance)
                return f"{instance} has ended: {told}"
            try:
                self._runtime.wait_ready(instance, deadline_s=0.0)
                self._misses.pop(instance.id, None)
            except UnavailableError as error:
                self._said[instance.id] = str(error)
                trouble = self._missed(instance.id, str(error))
                if trouble:
                    return trouble
        return None

    def _missed(self, what: str, reason: str) -> str | None:
        self._misses[what] = self._misses.get(what, 0) + 1
        return f"{IN_A_ROW} times in a row: {reason}" if self._misses[what] >= IN_A_ROW else None

    def _last_words(self, instance: Instance) -> str:
        try:
            said = plain("\n".join(self._runtime.logs(instance, lines=WORDS)))
        except PratiqueError as error:
            return f"its last words cannot be read: {error}"
        return f"its last words: {said[-LAST_WORDS:]}" if said else "it said nothing"
