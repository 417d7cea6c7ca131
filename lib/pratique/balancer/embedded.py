"""The client of the embedded balancer: it calls the control interface of `pratique balancer`."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from typing_extensions import override

from pratique.balancer.base import ActiveWeights, Balancer, Lease, Pool
from pratique.balancer.control_socket import ControlConnection
from pratique.balancer.lease import check_lease
from pratique.balancer.shares import check_pool, check_shares
from pratique.errors import PratiqueError, UnavailableError, UsageError

CALL_TIMEOUT_S = 10.0
LONGEST_ANSWER = 1 << 20
"""Bytes of an answer that are read."""
DRAIN_TIMEOUT_S = 5.0
"""How long `apply` waits for removed servers to finish their requests."""
POLL_S = 0.05


class EmbeddedBalancer(Balancer):
    """Set pool, shares and lease of a running `pratique balancer`. Every change is read back."""

    def __init__(self, control: Path) -> None:
        """control: the path of the control socket, from `control_path`. The first call connects."""
        self._control = control

    @override
    def apply(self, pool: Pool) -> None:
        check_pool(pool)
        before = self.pool(pool.service)
        self._call("PUT", "/pool", {"service": pool.service, "servers": pool.servers, "weights": pool.weights})
        found = self.pool(pool.service)
        if found is None or found.servers != pool.servers or not _same(found.weights, pool.weights):
            raise UnavailableError(
                f"balancer at {self._control} does not use the new pool of {pool.service}: check its log"
            )
        self._wait_drained(_addresses(before) - _addresses(pool))

    @override
    def pool(self, service: str) -> Pool | None:
        """Return the active pool. Raises: UsageError (balancer of another service), UnavailableError."""
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

    @override
    def weights(self, service: str) -> ActiveWeights:
        """Return the active shares. Raises: UsageError (balancer of another service), UnavailableError."""
        self.pool(service)
        found = self._call("GET", "/weights")
        lapsed = datetime.fromisoformat(found["lapsed"]) if found["lapsed"] else None
        return ActiveWeights(found["shares"], found["lease_left_s"], lapsed, found.get("lease_id"))

    @override
    def set_weights(
        self, service: str, shares: dict[str, float], *, lease: Lease | None = None, held: int | None = None
    ) -> None:
        check_shares(shares)
        if lease is not None:
            check_lease(lease)
        self.pool(service)
        self._call("PUT", "/weights", {"shares": shares, "lease": asdict(lease) if lease else None, "held": held})
        found = self.weights(service)
        if not _same(found.shares, shares) or (found.lease_left_s is None) != (lease is None):
            raise UnavailableError(
                f"balancer at {self._control} has shares {found.shares!r}, expected {shares!r}: check its log"
            )

    @override
    def renew(self, service: str) -> None:
        self.pool(service)
        self._call("PUT", "/lease", {})

    @override
    def drift(self, service: str) -> list[str]:
        """Return nothing: the running balancer is the only record of the last change."""
        self.pool(service)
        return []

    def stats(self) -> dict[str, Any]:
        """Return requests per revision since the balancer started, requests in flight per server, access lines sent."""
        return self._call("GET", "/stats")

    def _wait_drained(self, addresses: set[str]) -> None:
        deadline = time.monotonic() + DRAIN_TIMEOUT_S
        while addresses & set(self.stats()["in_flight"]) and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _call(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = ControlConnection(self._control, CALL_TIMEOUT_S)
        try:
            body = json.dumps(content) if content is not None else None
            connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            found: dict[str, Any] = json.loads(answer.read(LONGEST_ANSWER))
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise UnavailableError(
                f"balancer does not answer at {self._control}: start it with pratique up SERVICE REVISION"
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


def _same(found: dict[str, float], expected: dict[str, float]) -> bool:
    return all(abs(found.get(name, 0.0) - expected.get(name, 0.0)) < 1e-9 for name in found | expected)
