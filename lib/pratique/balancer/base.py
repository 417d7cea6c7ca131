"""The interface of a balancer, which splits traffic between revisions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Pool:
    """The servers of each revision of a service, and the share of traffic of each revision.

    servers: revision → addresses ("host:port"). weights: revision → share of traffic, a number from 0
    to 1; they sum to 1. A share belongs to the revision, whatever its number of servers.
    """

    service: str
    servers: dict[str, tuple[str, ...]]
    weights: dict[str, float]


@dataclass(frozen=True)
class Lease:
    """A canary's share that expires: unless it is renewed within `ttl_s`, `baseline` gets the traffic of `canary`.

    id: distinguishes this lease from every other. An expired lease cannot be renewed, so a balancer that reports this
    id proves that the canary has kept its share since the lease was granted. 0: not distinguished.
    """

    canary: str
    baseline: str
    ttl_s: float
    id: int = 0


def new_lease_id() -> int:
    """Return an id that no other lease has; HAProxy keeps it as a 32-bit integer."""
    return 1 + secrets.randbelow(2**31 - 1)


@dataclass(frozen=True)
class ActiveWeights:
    """The active shares, and the seconds left of the lease (None: no lease, the shares are permanent).

    lapsed: when the last lease expired, UTC; None if no lease has expired since the shares were last set.
    lease_id: the id of the lease that is in force; None without a lease.
    """

    shares: dict[str, float] = field(default_factory=dict)
    lease_left_s: float | None = None
    lapsed: datetime | None = None
    lease_id: int | None = None


class Balancer(Protocol):
    """Set which revisions get requests. Every change is read back before the call returns."""

    def apply(self, pool: Pool) -> None:
        """Replace the pool. If any part of the change fails, the balancer keeps or restores the old pool.

        When the call returns, removed servers have finished their requests, or had some seconds to do so.
        Raises: UsageError (weights do not sum to 1, a revision without servers), UnavailableError.
        """

    def pool(self, service: str) -> Pool | None:
        """Return the active pool; None if the service has none."""

    def weights(self, service: str) -> ActiveWeights:
        """Return the active shares. After a lease has expired, the baseline has the canary's share."""

    def set_weights(
        self, service: str, shares: dict[str, float], *, lease: Lease | None = None, held: int | None = None
    ) -> None:
        """Set the shares of the revisions in the pool. With a lease they expire unless it is renewed.

        held: the id of the lease that must have held until now; otherwise nothing is changed.
        Raises: UsageError, MissingError (no such pool or revision, `held` has expired), UnavailableError.
        """

    def renew(self, service: str) -> None:
        """Renew the lease for its full time.

        Raises: MissingError when it has expired: the baseline has the traffic, and the run must take that into account.
        """

    def drift(self, service: str) -> Sequence[str]:
        """Return one sentence for each difference from the last change, such as manual changes or an expiring certificate."""
