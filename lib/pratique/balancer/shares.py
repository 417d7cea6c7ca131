"""The state of a balancer: pool, shares and lease. These functions are pure: callers pass the time in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from pratique.balancer.base import Lease, Pool
from pratique.errors import MissingError, UsageError

SHARE_TOLERANCE = 3e-9
"""Two shares that differ by less are equal: a balancer may store them as integers."""
LEASE_MAX_S = 8.0
"""With this limit, the baseline has all traffic within 10 s after the releasing process dies."""


@dataclass(frozen=True)
class State:
    """The state of a balancer. All times are monotonic.

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

    def with_shares(self, shares: dict[str, float], lease: Lease | None, now: float) -> State:
        """Set the shares of the same pool. Raises: UsageError, MissingError."""
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


def same_shares(found: dict[str, float], expected: dict[str, float]) -> bool:
    """Return whether two splits of traffic are equal within SHARE_TOLERANCE."""
    return all(abs(found.get(name, 0.0) - expected.get(name, 0.0)) < SHARE_TOLERANCE for name in found | expected)


def check_lease(lease: Lease) -> None:
    """Check a lease. Raises: UsageError when it is not between two revisions, or too long."""
    if lease.canary == lease.baseline:
        raise UsageError(f"the lease has {lease.canary!r} as canary and as baseline: give two different revisions")
    if not 0.0 < lease.ttl_s <= LEASE_MAX_S:
        raise UsageError(f"the lease has ttl_s {lease.ttl_s!r}: give more than 0 and at most {LEASE_MAX_S:g} s")


def check_pool(pool: Pool) -> None:
    """Check a pool. Raises: UsageError when shares do not sum to 1, or a revision with a share has no server."""
    check_shares(pool.weights)
    for revision, share in pool.weights.items():
        if share > 0 and not pool.servers.get(revision):
            raise UsageError(
                f"revision {revision!r} of {pool.service} has a share of {share:.1%} but no server: start it first"
            )
    for revision, addresses in pool.servers.items():
        for address in addresses:
            _check_address(revision, address)


def check_shares(shares: dict[str, float]) -> None:
    """Check shares. Raises: UsageError when a share is outside 0 to 1, or they do not sum to 1."""
    for revision, share in shares.items():
        if not 0.0 <= share <= 1.0:
            raise UsageError(f"the share of {revision!r} is {share!r}: a share is a number from 0 to 1")
    if abs(sum(shares.values()) - 1.0) > 1e-9:
        raise UsageError(f"the shares {shares!r} sum to {sum(shares.values()):.6g}: they must sum to 1")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of "host:port"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _check_address(revision: str, address: str) -> None:
    found = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", address)
    if found is None or not 0 < int(found.group(1)) < 1 << 16:
        raise UsageError(f"server {address[:80]!r} of {revision!r} is not an address: write it as HOST:PORT")


def choose(pool: Pool, draw: float, second: float) -> tuple[str, tuple[str, ...]] | None:
    """Choose the revision of a request; return it with its servers in the order to try them. None without shares.

    draw, second: independent uniform numbers in [0, 1). The first chooses the revision, the second its first server:
    the number of servers does not change a revision's share.
    """
    revision = None
    for name, share in pool.weights.items():
        if share > 0:
            revision = name
            if draw < share:
                break
            draw -= share
    if revision is None:
        return None
    servers = pool.servers[revision]
    first = int(second * len(servers))
    return revision, (*servers[first:], *servers[:first])
