"""The embedded balancer as runbooks see it: a client of the control interface of `pratique balancer`."""

from __future__ import annotations

import http.client
import json
import time
from datetime import datetime
from typing import Any

from pratique.balancer.base import Lease, Pool, Weights
from pratique.balancer.shares import check_lease, check_pool, check_shares
from pratique.config import BalancerSettings
from pratique.errors import PratiqueError, UnavailableError, UsageError

TIMEOUT_S = 10.0
DRAIN_S = 5.0
"""How long servers that were taken out of the pool may take to finish their requests before `apply` returns."""
POLL_S = 0.05


class EmbeddedBalancer:
    """Set pool, shares and lease of a running `pratique balancer`; every change is read back."""

    def __init__(self, settings: BalancerSettings) -> None:
        """settings: of the service; nothing is asked of the balancer before the first call."""
        self._control = settings.control

    def apply(self, pool: Pool) -> None:
        """Make this the pool; the old one stays when a server does not accept connections.

        Returns when servers that were taken out have finished their requests, or after some seconds.
        Raises: UsageError, UnavailableError.
        """
        check_pool(pool)
        before = self.pool(pool.service)
        wanted = {"service": pool.service, "servers": pool.servers, "weights": pool.weights}
        self._call("PUT", "/pool", wanted)
        found = self.pool(pool.service)
        if found is None or found.servers != pool.servers or not _same(found.weights, pool.weights):
            raise UnavailableError(
                f"balancer at {self._control} did not take the pool of {pool.service}: look at its log"
            )
        self._drained(_addresses(before) - _addresses(pool))

    def pool(self, service: str) -> Pool | None:
        """The pool in force, None where there is none yet. Raises: UsageError (another service's), UnavailableError."""
        answer = self._call("GET", "/pool")
        if answer["service"] != service:
            raise UsageError(
                f"the balancer at {self._control} serves {answer['service']}, not {service}: check services.{service}.balancer"
            )
        found = answer["pool"]
        if found is None:
            return None
        servers = {revision: tuple(addresses) for revision, addresses in found["servers"].items()}
        return Pool(found["service"], servers, found["weights"])

    def weights(self, service: str) -> Weights:
        """The shares in force now, after any lapse. Raises: UsageError (another service's), UnavailableError."""
        self.pool(service)
        found = self._call("GET", "/weights")
        lapsed = datetime.fromisoformat(found["lapsed"]) if found["lapsed"] else None
        return Weights(found["shares"], found["lease_left_s"], lapsed)

    def set_weights(self, service: str, shares: dict[str, float], *, lease: Lease | None = None) -> None:
        """Change the shares; with a lease they lapse unless renewed. Raises: UsageError, MissingError, UnavailableError."""
        check_shares(shares)
        if lease is not None:
            check_lease(lease)
        self.pool(service)
        given = {"canary": lease.canary, "baseline": lease.baseline, "ttl_s": lease.ttl_s} if lease else None
        self._call("PUT", "/weights", {"shares": shares, "lease": given})
        found = self.weights(service)
        if not _same(found.shares, shares) or (found.lease_left_s is None) != (lease is None):
            raise UnavailableError(
                f"balancer at {self._control} has shares {found.shares!r} and not {shares!r}: look at its log"
            )

    def renew(self, service: str) -> None:
        """Renew the lease for its whole time again. Raises: MissingError when it has lapsed, UnavailableError."""
        self.pool(service)
        self._call("PUT", "/lease", {})

    def drift(self, service: str) -> list[str]:
        """None: what serves is the only record of what was set. Raises: UsageError, UnavailableError."""
        self.pool(service)
        return []

    def stats(self) -> dict[str, Any]:
        """Requests per revision since the balancer's start, requests in flight per server, access lines sent."""
        return self._call("GET", "/stats")

    def _drained(self, addresses: set[str]) -> None:
        deadline = time.monotonic() + DRAIN_S
        while addresses & set(self.stats()["in_flight"]) and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._control, timeout=TIMEOUT_S)
        try:
            body = json.dumps(content) if content is not None else None
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnavailableError(
                f"balancer does not answer at {self._control}: start it with: pratique up SERVICE REVISION"
            ) from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise _error(found)
        return found


_KINDS = {kind.__name__: kind for kind in PratiqueError.__subclasses__()}


def _error(found: dict[str, Any]) -> PratiqueError:
    kind: type[PratiqueError] = _KINDS.get(str(found.get("error")), UnavailableError)
    return kind(str(found.get("message")))


def _addresses(pool: Pool | None) -> set[str]:
    return {address for addresses in pool.servers.values() for address in addresses} if pool else set()


def _same(found: dict[str, float], wanted: dict[str, float]) -> bool:
    return all(abs(found.get(name, 0.0) - wanted.get(name, 0.0)) < 1e-9 for name in found | wanted)
