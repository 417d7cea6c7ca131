"""The lease on a canary's share, as a balancer enforces it: when it expires, the baseline has the traffic.

Pure: callers pass the time in. The embedded balancer keeps this state in state_file.py; HAProxy compares the same end time
with its own clock at every request (haproxy/haproxy.cfg.j2). runbook/canary/lease_renewer.py renews the lease.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pratique.balancer.base import Lease, Pool
from pratique.balancer.shares import check_pool, same_shares
from pratique.errors import MissingError, UsageError

LEASE_MAX_S = 8.0
"""With this limit, the baseline has all traffic within 10 s after the releasing process dies."""


@dataclass(frozen=True)
class State:
    """The state of a balancer. All times are of one clock.

    expires: when the lease expires. lapsed: when the last lease expired; None after shares were set again.
    lapses: the number of leases that have expired.
    """

    pool: Pool
    lease: Lease | None = None
    expires: float = math.inf
    lapsed: float | None = None
    lapses: int = 0

    def at(self, now: float) -> State:
        """Return the state at a time: when the lease has expired, the baseline has the canary's share."""
        if self.lease is None or now < self.expires:
            return self
        shares = dict(self.pool.weights)
        given = shares.get(self.lease.canary, 0.0)
        shares[self.lease.canary] = 0.0
        # the sum of shares may exceed 1 by rounding, but a single share must not
        shares[self.lease.baseline] = min(1.0, shares.get(self.lease.baseline, 0.0) + given)
        return State(replace(self.pool, weights=shares), lapsed=self.expires, lapses=self.lapses + 1)

    def with_pool(self, pool: Pool) -> State:
        """Replace the pool. The lease continues if its revisions are still in the pool and all shares are unchanged."""
        check_pool(pool)
        lease = self.lease
        if (
            lease
            and same_shares(pool.weights, self.pool.weights)
            and {lease.canary, lease.baseline} <= set(pool.servers)
        ):
            return replace(self, pool=pool)
        return State(pool, lapses=self.lapses)

    def with_shares(self, shares: dict[str, float], lease: Lease | None, now: float, held: int | None = None) -> State:
        """Set the shares of the same pool. held: the id of the lease that must be in force.

        Raises: UsageError, MissingError.
        """
        if held is not None and (self.lease is None or self.lease.id != held):
            raise no_lease(self.pool.service)
        self._require(shares)
        if lease is not None:
            self._require({lease.canary: 0.0, lease.baseline: 0.0})
            check_lease(lease)
        pool = replace(self.pool, weights=dict.fromkeys(self.pool.servers, 0.0) | shares)
        check_pool(pool)
        return State(pool, lease, now + lease.ttl_s if lease else math.inf, lapses=self.lapses)

    def renewed(self, now: float) -> State:
        """Renew the lease for its full time, from now. Raises: MissingError when there is none."""
        if self.lease is None:
            raise no_lease(self.pool.service)
        return replace(self, expires=now + self.lease.ttl_s)

    def _require(self, revisions: dict[str, float]) -> None:
        unknown = sorted(set(revisions) - set(self.pool.servers))
        if unknown:
            raise MissingError.unknown(
                "revision", unknown[0], sorted(self.pool.servers), where=f"in the pool of {self.pool.service}"
            )


def no_lease(service: str) -> MissingError:
    """Return the error for a lease that cannot be renewed."""
    return MissingError(
        f"{service} has no lease to renew: it expired, and the baseline has the traffic: start the stage again"
    )


def check_lease(lease: Lease) -> None:
    """Check a lease. Raises: UsageError when it is not between two revisions, or too long."""
    if lease.canary == lease.baseline:
        raise UsageError(f"the lease names {lease.canary!r} as both canary and baseline: name two different revisions")
    if not 0.0 < lease.ttl_s <= LEASE_MAX_S:
        raise UsageError(f"the lease has ttl_s {lease.ttl_s!r}: use a value above 0 and at most {LEASE_MAX_S:g} s")
