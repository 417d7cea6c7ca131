"""The balancer's contract: who gets the traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Pool:
    """Which addresses stand for which revision of a service, and the share of each revision.

    servers: revision → addresses ("host:port"). weights: revision → share of traffic, a number from 0
    to 1; they sum to 1. A share belongs to the revision, not to its number of servers.
    """

    service: str
    servers: dict[str, tuple[str, ...]]
    weights: dict[str, float]


@dataclass(frozen=True)
class Lease:
    """A share that lapses: unless renewed within `ttl_s`, the traffic of `canary` goes back to `baseline`."""

    canary: str
    baseline: str
    ttl_s: float


@dataclass(frozen=True)
class Weights:
    """The shares in force, and the seconds left of the lease (None: no lease, the shares are permanent).

    lapsed: when the last lease lapsed, UTC; None where none has since the shares were last set.
    """

    shares: dict[str, float] = field(default_factory=dict)
    lease_left_s: float | None = None
    lapsed: datetime | None = None


class Balancer(Protocol):
    """Send requests to revisions by weight. Every change is read back before the call returns."""

    def apply(self, pool: Pool) -> None:
        """Make this the pool: write, verify, replace, reload; put the old one back if anything fails.

        Servers that it takes out have finished their requests when the call returns, or had some seconds to.
        Raises: UsageError (weights do not sum to 1, a revision without servers), UnavailableError.
        """

    def pool(self, service: str) -> Pool | None:
        """The pool in force, None where the service has none."""

    def weights(self, service: str) -> Weights:
        """The shares in force now, after any lapse of the lease."""

    def set_weights(self, service: str, shares: dict[str, float], *, lease: Lease | None = None) -> None:
        """Change the shares of revisions in the pool; with a lease they lapse unless renewed.

        Raises: UsageError, MissingError (no such pool or revision), UnavailableError.
        """

    def renew(self, service: str) -> None:
        """Renew the lease for its whole time again.

        Raises: MissingError when it has lapsed already: the traffic is on the baseline, the run must not go on as if not.
        """

    def drift(self, service: str) -> Sequence[str]:
        """How what serves differs from what was set last, a sentence each: changes by hand, a certificate that ends."""
