"""The state of a balancer: pool, shares, lease. Pure: time is handed in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pratique.balancer.base import Lease, Pool
from pratique.errors import MissingError, UsageError


@dataclass(frozen=True)
class State:
    """What a balancer serves. expires: monotonic time at which the lease lapses; lapses: how often one has."""

    pool: Pool
    lease: Lease | None = None
    expires: float = math.inf
    lapses: int = 0

    def at(self, now: float) -> State:
        """The state at a monotonic time: where the lease is over, its canary's share is the baseline's."""
        if self.lease is None or now < self.expires:
            return self
        shares = dict(self.pool.weights)
        given = shares.get(self.lease.canary, 0.0)
        shares[self.lease.canary] = 0.0
        shares[self.lease.baseline] = shares.get(self.lease.baseline, 0.0) + given
        return State(replace(self.pool, weights=shares), lapses=self.lapses + 1)

    def with_shares(self, shares: dict[str, float], lease: Lease | None, now: float) -> State:
        """Other shares of the same pool. Raises: UsageError, MissingError."""
        check_shares(shares)
        self._known(shares)
        if lease is not None:
            self._known({lease.canary: 0.0, lease.baseline: 0.0})
        pool = replace(self.pool, weights=dict.fromkeys(self.pool.servers, 0.0) | shares)
        return State(pool, lease, now + lease.ttl_s if lease else math.inf, self.lapses)

    def renewed(self, now: float) -> State:
        """The lease, from now for its whole time again. Raises: MissingError when there is none."""
        if self.lease is None:
            raise MissingError(
                f"{self.pool.service} has no lease to renew: it lapsed, the traffic is on the baseline: start the stage again"
            )
        return replace(self, expires=now + self.lease.ttl_s)

    def _known(self, revisions: dict[str, float]) -> None:
        unknown = sorted(set(revisions) - set(self.pool.servers))
        if unknown:
            raise MissingError(
                f"{unknown[0]!r} is not in the pool of {self.pool.service}, which has {', '.join(sorted(self.pool.servers))}"
            )


def check_pool(pool: Pool) -> None:
    """Raises: UsageError when shares do not sum to 1, or a revision with a share has no server."""
    check_shares(pool.weights)
    for revision, share in pool.weights.items():
        if share > 0 and not pool.servers.get(revision):
            raise UsageError(
                f"revision {revision!r} of {pool.service} is to get {share:.1%} and has no server: start it first"
            )


def check_shares(shares: dict[str, float]) -> None:
    """Raises: UsageError when a share is outside 0 to 1, or they do not sum to 1."""
    for revision, share in shares.items():
        if not 0.0 <= share <= 1.0:
            raise UsageError(f"the share of {revision!r} is {share!r}: a share is a number from 0 to 1")
    if abs(sum(shares.values()) - 1.0) > 1e-9:
        raise UsageError(f"the shares sum to {sum(shares.values()):.6g}, not to 1: {shares!r}")


def choose(pool: Pool, draw: float, second: float) -> tuple[str, str] | None:
    """The revision and server of a request; None when no revision with a share has a server.

    draw, second: independent uniform numbers in [0, 1). The share is the revision's: it is drawn first, then
    one of its servers, so that the number of servers changes nothing.
    """
    revision = None
    for name, share in pool.weights.items():
        if share > 0 and pool.servers.get(name):
            revision = name
            if draw < share:
                break
            draw -= share
    if revision is None:
        return None
    servers = pool.servers[revision]
    return revision, servers[int(second * len(servers))]
