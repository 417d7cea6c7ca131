"""The state of a balancer: pool, shares, lease. Pure: time is handed in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from pratique.balancer.base import Lease, Pool
from pratique.errors import MissingError, UsageError

SAME_SHARE = 3e-9
"""Two shares that differ by less are one: a balancer may keep them as whole numbers."""
LONGEST_LEASE_S = 8.0
"""So that a canary's traffic is back on the baseline within 10 s of the death of whoever released it."""


@dataclass(frozen=True)
class State:
    """What a balancer serves. All times are monotonic.

    expires: when the lease lapses. lapsed: when the last lease did; None once shares were set again.
    lapses: how often one has.
    """

    pool: Pool
    lease: Lease | None = None
    expires: float = math.inf
    lapsed: float | None = None
    lapses: int = 0

    def at(self, now: float) -> State:
        """The state at a time: where the lease is over, its canary's share is the baseline's."""
        if self.lease is None or now < self.expires:
            return self
        shares = dict(self.pool.weights)
        given = shares.get(self.lease.canary, 0.0)
        shares[self.lease.canary] = 0.0
        # shares may miss 1 by what floats do, one of them may not
        shares[self.lease.baseline] = min(1.0, shares.get(self.lease.baseline, 0.0) + given)
        return State(replace(self.pool, weights=shares), lapsed=self.expires, lapses=self.lapses + 1)

    def with_pool(self, pool: Pool) -> State:
        """Another pool. A lease goes on where its revisions and all shares are still the same."""
        check_pool(pool)
        lease = self.lease
        same = all(
            abs(pool.weights.get(name, 0.0) - self.pool.weights.get(name, 0.0)) < SAME_SHARE
            for name in pool.weights | self.pool.weights
        )
        if lease and same and {lease.canary, lease.baseline} <= set(pool.servers):
            return replace(self, pool=pool)
        return State(pool, lapses=self.lapses)

    def with_shares(self, shares: dict[str, float], lease: Lease | None, now: float) -> State:
        """Other shares of the same pool. Raises: UsageError, MissingError."""
        self._require(shares)
        if lease is not None:
            self._require({lease.canary: 0.0, lease.baseline: 0.0})
            check_lease(lease)
        pool = replace(self.pool, weights=dict.fromkeys(self.pool.servers, 0.0) | shares)
        check_pool(pool)
        return State(pool, lease, now + lease.ttl_s if lease else math.inf, lapses=self.lapses)

    def renewed(self, now: float) -> State:
        """The lease, from now for its whole time again. Raises: MissingError when there is none."""
        if self.lease is None:
            raise MissingError(
                f"{self.pool.service} has no lease to renew: it lapsed, the traffic is on the baseline: start the stage again"
            )
        return replace(self, expires=now + self.lease.ttl_s)

    def _require(self, revisions: dict[str, float]) -> None:
        unknown = sorted(set(revisions) - set(self.pool.servers))
        if unknown:
            raise MissingError(
                f"{unknown[0]!r} is not in the pool of {self.pool.service}, which has {', '.join(sorted(self.pool.servers))}"
            )


def check_lease(lease: Lease) -> None:
    """Raises: UsageError when it is not between two revisions, or too long."""
    if lease.canary == lease.baseline:
        raise UsageError(f"a lease from {lease.canary!r} to itself: name the canary and the baseline")
    if not 0.0 < lease.ttl_s <= LONGEST_LEASE_S:
        raise UsageError(f"a lease of {lease.ttl_s!r} s: give more than 0 and at most {LONGEST_LEASE_S:g} s")


def check_pool(pool: Pool) -> None:
    """Raises: UsageError when shares do not sum to 1, or a revision with a share has no server."""
    check_shares(pool.weights)
    for revision, share in pool.weights.items():
        if share > 0 and not pool.servers.get(revision):
            raise UsageError(
                f"revision {revision!r} of {pool.service} is to get {share:.1%} and has no server: start it first"
            )
    for revision, addresses in pool.servers.items():
        for address in addresses:
            _check_address(revision, address)


def check_shares(shares: dict[str, float]) -> None:
    """Raises: UsageError when a share is outside 0 to 1, or they do not sum to 1."""
    for revision, share in shares.items():
        if not 0.0 <= share <= 1.0:
            raise UsageError(f"the share of {revision!r} is {share!r}: a share is a number from 0 to 1")
    if abs(sum(shares.values()) - 1.0) > 1e-9:
        raise UsageError(f"the shares sum to {sum(shares.values()):.6g}, not to 1: {shares!r}")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of "host:port"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _check_address(revision: str, address: str) -> None:
    found = re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})", address)
    if found is None or not 0 < int(found.group(1)) < 1 << 16:
        raise UsageError(f"server {address[:80]!r} of {revision!r} is no address: write it as HOST:PORT")


def choose(pool: Pool, draw: float, second: float) -> tuple[str, tuple[str, ...]] | None:
    """The revision of a request and its servers, the one to ask first; None when nobody has a share.

    draw, second: independent uniform numbers in [0, 1). The share is the revision's: it is drawn first, then
    one of its servers, so that the number of servers changes nothing.
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
