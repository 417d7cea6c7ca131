"""The client of HAProxy: it sets pool, shares and lease on every balancer host, and reads each change back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from typing_extensions import override

from pratique.balancer.base import ActiveWeights, Balancer, Lease, Pool
from pratique.balancer.haproxy.instance import HAProxyInstance
from pratique.balancer.haproxy.setup import open_desired_state, open_instances
from pratique.balancer.haproxy.worker_status import WorkerStatus
from pratique.balancer.lease import State, check_lease, no_lease
from pratique.balancer.shares import check_pool, check_shares, same_shares
from pratique.clock import utc_now
from pratique.config import Target
from pratique.errors import MissingError, PratiqueError, UnavailableError, UsageError


class HAProxyBalancer(Balancer):
    """Set pool, shares and lease of the running HAProxy instances of a service.

    HAProxy itself enforces the lease: it compares the end of the lease with its clock at every request.
    """

    def __init__(self, target: Target) -> None:
        """Keep the addresses. The first call connects. Raises: UsageError, StorageError."""
        self._settings = target.settings.balancer
        self._service = target.service
        self._instances = open_instances(target)
        self._desired = open_desired_state(target)

    @override
    def apply(self, pool: Pool) -> None:
        """Replace the pool on every host. If one host fails, all hosts get the old pool again.

        Raises: UsageError, BusyError (another process has changed the pool), UnavailableError.
        """
        self._require(pool.service)
        check_pool(pool)
        before = self._desired.get()
        found = self._first()
        # a lease continues only if nothing else changes
        lease = found.current.with_pool(pool).lease if found.state.pool.servers else None
        after = self._desired.put(before, pool, lease)
        done: list[tuple[HAProxyInstance, WorkerStatus]] = []
        try:
            for instance in self._instances:
                was = _install(instance, pool)
                done.append((instance, was))
            self._refuse_expired_certificate()
            self._desired.wait_followers(after.version)
        except Exception:
            try:
                _each([partial(_restore, instance, was) for instance, was in done])
            finally:
                self._desired.put(after, before.pool, before.lease)
            raise
        for instance in self._instances:
            if instance.status().state.pool.servers != pool.servers:
                raise UnavailableError(f"HAProxy on {instance.host.name} does not use the new pool: check its log")

    @override
    def pool(self, service: str) -> Pool | None:
        """Return the active pool. Raises: UsageError (balancer of another service), UnavailableError."""
        self._require(service)
        found = self._first()
        return found.current.pool if found.state.pool.servers else None

    @override
    def weights(self, service: str) -> ActiveWeights:
        """Return the active shares. Raises: UsageError (balancer of another service), UnavailableError."""
        self._require(service)
        found = _weights_of(self._first())
        # the canary has its share only if no host has lost the lease
        return found if found.lease_left_s is None else next(self._lost_elsewhere(found), found)

    @override
    def set_weights(
        self, service: str, shares: dict[str, float], *, lease: Lease | None = None, held: int | None = None
    ) -> None:
        """Set the shares on every host without a reload. With a lease they expire unless it is renewed.

        Raises: UsageError, MissingError, BusyError, UnavailableError.
        """
        self._require(service)
        check_shares(shares)
        if lease is not None:
            check_lease(lease)
        before = self._desired.get()
        found = self._first()
        if not found.state.pool.servers:
            raise MissingError(f"{service} has no pool yet: start a revision with pratique up {service} REVISION")
        pool = found.current.with_shares(shares, lease, found.now, held).pool
        if lease is not None:
            self._desired.renew_lease(lease.ttl_s)
        after = self._desired.put(before, pool, lease)
        _each([partial(_set_shares, instance, shares, lease, held) for instance in self._instances])
        self._desired.wait_followers(after.version)

    @override
    def renew(self, service: str) -> None:
        self._require(service)
        _each([partial(_renew, instance, service) for instance in self._instances])
        lease = self._first().state.lease
        if lease is not None:
            self._desired.renew_lease(lease.ttl_s)

    @override
    def drift(self, service: str) -> list[str]:
        self._require(service)
        desired = self._desired.get().pool
        found = [sentence for instance in self._instances for sentence in instance.drift(desired)]
        for instance in self._instances:
            left = _certificate_left(instance)
            if left is not None and left < timedelta(days=self._settings.haproxy.certificate_warn_days):
                days = left.total_seconds() / 86400
                found.append(f"{instance.host.name}: the certificate expires in {days:.1f} days: renew it")
        return found

    def _first(self) -> WorkerStatus:
        return self._instances[0].status()

    def _lost_elsewhere(self, first: ActiveWeights) -> Iterator[ActiveWeights]:
        """Yield the weights of each other host that does not have the lease of the first one."""
        for instance in self._instances[1:]:
            with contextlib.suppress(UnavailableError):
                found = _weights_of(instance.status())
                if found.lease_id != first.lease_id:
                    yield found

    def _require(self, service: str) -> None:
        if service != self._service:
            raise UsageError(f"this balancer serves {self._service}, not {service}: check services.{service}.balancer")

    def _refuse_expired_certificate(self) -> None:
        for instance in self._instances:
            left = _certificate_left(instance)
            if left is not None and left < timedelta(0):
                raise UnavailableError(
                    f"the certificate {self._settings.haproxy.certificate!r} has expired on {instance.host.name}: "
                    "renew it"
                )


def _weights_of(found: WorkerStatus) -> ActiveWeights:
    state = found.current
    if not state.pool.servers:
        return ActiveWeights()
    left = None if state.lease is None else max(0.0, state.expires - found.now)
    lapsed = None
    if state.lapsed is not None:
        # in the time of this machine: the clock of HAProxy may differ
        lapsed = utc_now() - timedelta(seconds=max(0.0, found.now - state.lapsed))
    return ActiveWeights(state.pool.weights, left, lapsed, state.lease.id if state.lease else None)


def _each(changes: Sequence[Callable[[], None]]) -> None:
    """Make every change, even if one fails: an unreachable host must not block the others.

    Raises: the first error, or an expired lease if there is one.
    """
    errors: list[PratiqueError] = []
    for change in changes:
        try:
            change()
        except PratiqueError as error:
            errors.append(error)
    if errors:
        raise min(errors, key=lambda found: not isinstance(found, MissingError))


def _install(instance: HAProxyInstance, pool: Pool) -> WorkerStatus:
    """Replace the pool of one HAProxy; return its status from before."""
    with instance.host.locked():
        was = instance.status()
        instance.install(was.current.with_pool(pool) if was.state.pool.servers else State(pool))
    return was


def _restore(instance: HAProxyInstance, was: WorkerStatus) -> None:
    with instance.host.locked():
        instance.install(was.state, check_servers=False)


def _set_shares(instance: HAProxyInstance, shares: dict[str, float], lease: Lease | None, held: int | None) -> None:
    with instance.host.locked():
        was = instance.status()
        instance.set_shares(was.current.with_shares(shares, lease, was.now, held))
        found = instance.status().state
    if not same_shares(found.pool.weights, shares) or (found.lease is None) != (lease is None):
        raise UnavailableError(
            f"HAProxy on {instance.host.name} has shares {found.pool.weights!r}, expected {shares!r}: check its log"
        )


def _renew(instance: HAProxyInstance, service: str) -> None:
    if not instance.renew():
        raise no_lease(service)


def _certificate_left(instance: HAProxyInstance) -> timedelta | None:
    expiry = instance.certificate_expiry()
    if expiry is None:
        return None
    return datetime.strptime(expiry, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC) - utc_now()
