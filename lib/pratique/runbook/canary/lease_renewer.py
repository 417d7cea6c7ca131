"""Renewing a canary's lease, only while the judge is alive."""

from __future__ import annotations

import threading

from pratique.balancer.base import Balancer
from pratique.clock import elapsed_s
from pratique.errors import MissingError, PratiqueError

HEARTBEAT_TIMEOUT_S = 10.0
"""How long the judge may be silent. A look takes well under a second; with a slow store, a few."""


class LeaseRenewer:
    """A thread that renews a service's lease, and stops without calls of `heartbeat`.

    The judge calls `heartbeat` at least every second. When it hangs, the lease expires and the balancer returns
    the traffic to the baseline.
    """

    def __init__(
        self, balancer: Balancer, service: str, ttl_s: float, *, timeout_s: float = HEARTBEAT_TIMEOUT_S
    ) -> None:
        """Prepare; `start` begins to renew. timeout_s: without a heartbeat.

        `proved_s` is the time of `elapsed_s` at which the balancer last confirmed the lease.
        """
        self._balancer = balancer
        self._service = service
        self._every_s = ttl_s / 3
        self._timeout_s = timeout_s
        self._last_heartbeat = self.proved_s = elapsed_s()
        self._stop = threading.Event()
        self._expired = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start renewing a lease that was just granted. A running thread continues."""
        self.heartbeat()
        self.proved()
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._expired.clear()
            self._thread = threading.Thread(target=self._renew, name="pratique-lease", daemon=True)
            self._thread.start()

    def heartbeat(self) -> None:
        """Report that the judge is alive."""
        self._last_heartbeat = elapsed_s()

    def proved(self) -> None:
        """Report that the balancer has just confirmed the lease."""
        self.proved_s = elapsed_s()

    @property
    def expired(self) -> bool:
        """Whether the lease has expired: the baseline has the traffic."""
        died = self._thread is not None and not self._thread.is_alive() and not self._stop.is_set()
        return self._expired.is_set() or died

    def stop(self) -> None:
        """Stop renewing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _renew(self) -> None:
        while not self._stop.wait(self._every_s):
            if elapsed_s() - self._last_heartbeat > self._timeout_s:
                continue
            try:
                self._balancer.renew(self._service)
                self.proved()
            except MissingError:
                self._expired.set()
                return
            except PratiqueError:
                continue  # the balancer may return before the lease expires
