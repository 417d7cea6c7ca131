"""The renewing of a canary's lease: only while the judge is alive."""

from __future__ import annotations

import threading
import time

from pratique.balancer.base import Balancer
from pratique.errors import MissingError, PratiqueError

HANG_S = 10.0
"""How long the judge may be silent. A look takes well under a second; a store that is slow, a few."""


class Renewer:
    """A thread that renews a service's lease, and stops doing so when nobody calls `beat`.

    The judge calls `beat` at least every second. When it hangs, the lease runs out and the balancer
    gives the traffic back to the baseline.
    """

    def __init__(self, balancer: Balancer, service: str, ttl_s: float, *, hang_s: float = HANG_S) -> None:
        """Prepare; `start` begins to renew."""
        self._balancer = balancer
        self._service = service
        self._every_s = ttl_s / 3
        self._hang_s = hang_s
        self._beat = time.monotonic()
        self._stop = threading.Event()
        self._lapsed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to renew a lease that has just been given; a renewer at work goes on."""
        self.beat()
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._lapsed.clear()
            self._thread = threading.Thread(target=self._renew, name="pratique-lease", daemon=True)
            self._thread.start()

    def beat(self) -> None:
        """Say that the judge is alive."""
        self._beat = time.monotonic()

    @property
    def lapsed(self) -> bool:
        """Whether the lease has run out: the traffic is on the baseline."""
        died = self._thread is not None and not self._thread.is_alive() and not self._stop.is_set()
        return self._lapsed.is_set() or died

    def stop(self) -> None:
        """Stop renewing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _renew(self) -> None:
        while not self._stop.wait(self._every_s):
            if time.monotonic() - self._beat > self._hang_s:
                continue
            try:
                self._balancer.renew(self._service)
            except MissingError:
                self._lapsed.set()
                return
            except PratiqueError:
                continue  # the balancer may come back before the lease runs out
