"""The canary's share: set under a lease, renewed while the judge is alive, and proved by the balancer to have held."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pratique.balancer.base import Lease, new_lease_id
from pratique.clock import elapsed_s, stamp, utc_now
from pratique.errors import MissingError, UnavailableError
from pratique.runbook.canary.lease_renewer import LeaseRenewer
from pratique.runbook.canary.traffic_split import Arms
from pratique.runbook.service.context import ServiceContext


class LeaseExpiredError(Exception):
    """The lease did not hold: for a time the baseline had the canary's traffic."""


class LeasedShare:
    """Set and keep the canary's share of one rollout."""

    def __init__(self, context: ServiceContext[Any], arms: Arms, ttl_s: float) -> None:
        """ttl_s: of the lease. Nothing is set yet."""
        self._context = context
        self._balancer = context.balancer
        self._service = context.service
        self._arms = arms
        self._ttl_s = ttl_s
        self._id: int | None = None
        self._renewer = LeaseRenewer(context.balancer, context.service, ttl_s)

    def set(self, percent: float) -> datetime:
        """Give the canary `percent` of the traffic under a new lease, and record both times; return the confirmed one.

        Raises: LeaseExpiredError when the lease of the share before did not hold until now; UnavailableError.
        """
        shares, asked = self._arms.at(percent), utc_now()
        lease = Lease(self._arms.canary, self._arms.baseline, self._ttl_s, new_lease_id())
        try:
            self._balancer.set_weights(self._service, shares, lease=lease, held=self._id)
        except MissingError:
            self.held()
            raise
        confirmed = utc_now()
        self._id = lease.id
        self._renewer.start()
        data = {"shares": shares, "stage": percent, "lease_s": self._ttl_s}
        times = {"asked": stamp(asked), "confirmed": stamp(confirmed)}
        self._context.outbox.record("weight", data | times, revision=self._arms.canary)
        return confirmed

    def keep(self) -> None:
        """Report that the judge is alive; ask the balancer if no renewal has succeeded for the time of a lease.

        Raises: LeaseExpiredError.
        """
        self._renewer.heartbeat()
        if self._renewer.expired or self.silent_s > self._ttl_s:
            self.held()

    def held(self) -> bool:
        """Ask the balancer whether the lease has held since the share was set. False: it does not answer.

        The renewer's own memory is no proof: in a process that stood still, it does not know yet that the lease expired.
        Raises: LeaseExpiredError.
        """
        if self._id is None:
            return False
        try:
            found = self._balancer.weights(self._service)
        except UnavailableError:
            return False
        if found.lease_left_s is None or found.lease_id != self._id:
            raise LeaseExpiredError
        self._renewer.proved()
        return True

    @property
    def silent_s(self) -> float:
        """The seconds since the lease was last known to hold."""
        return elapsed_s() - self._renewer.proved_s

    @property
    def last_held(self) -> datetime:
        """When the lease was last known to hold, UTC."""
        return utc_now() - timedelta(seconds=self.silent_s)

    def stop(self) -> None:
        """Stop renewing, and forget the lease: the next share is set whatever became of this one."""
        self._renewer.stop()
        self._id = None
