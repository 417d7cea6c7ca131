"""HAProxy as runbooks see it: pool, shares and lease on every balancer host, each change read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from pratique.balancer.base import Lease, Pool, Weights
from pratique.balancer.haproxy.desired import Wanted, WantedFile, WantedRedis, WantedState
from pratique.balancer.haproxy.hosts import LocalSite, Site, SshSite
from pratique.balancer.haproxy.instance import Node, Serving, same_shares
from pratique.balancer.haproxy.template import Paths, Surroundings
from pratique.balancer.shares import State, check_lease, check_pool, check_shares
from pratique.clock import utc_now
from pratique.config import Target
from pratique.errors import MissingError, PratiqueError, UnavailableError, UsageError


class HAProxyBalancer:
    """Set pool, shares and lease of the running HAProxys of a service.

    The canary's lease is HAProxy's own affair: it compares the lease's end with its clock at every request.
    """

    def __init__(self, target: Target) -> None:
        """Nothing is asked of HAProxy before the first call. Raises: UsageError, StorageError."""
        self._settings = target.settings.balancer
        self._service = target.service
        around = surroundings(target)
        self._nodes = [Node(site, around) for site in _sites(target, around.paths)]
        self._wanted = wanted_state(target)

    def apply(self, pool: Pool) -> None:
        """Make this the pool on every host; where one fails, all have the old one again.

        Raises: UsageError, BusyError (somebody else has changed the pool meanwhile), UnavailableError.
        """
        self._require(pool.service)
        check_pool(pool)
        before = self._wanted.get()
        found = self._first()
        # a lease goes on only where everything else stays as it is
        lease = found.state.at(found.now).with_pool(pool).lease if found.state.pool.servers else None
        after = self._wanted.put(before, pool, lease)
        done: list[tuple[Node, Serving]] = []
        try:
            for node in self._nodes:
                with node.site.locked():
                    was = node.in_force()
                    node.install(was.state.at(was.now).with_pool(pool) if was.state.pool.servers else State(pool))
                done.append((node, was))
            self._refuse_expired()
            self._wanted.followed(after.version)
        except Exception:
            try:
                _each([partial(_put_back, node, was) for node, was in done])
            finally:
                self._wanted.put(after, before.pool, before.lease)
            raise
        for node in self._nodes:
            if node.in_force().state.pool.servers != pool.servers:
                raise UnavailableError(f"HAProxy on {node.site.name} did not take the pool: look at its log")

    def pool(self, service: str) -> Pool | None:
        """The pool in force, None where there is none yet. Raises: UsageError (another service's), UnavailableError."""
        self._require(service)
        found = self._first()
        return found.state.at(found.now).pool if found.state.pool.servers else None

    def weights(self, service: str) -> Weights:
        """The shares in force now, after any lapse. Raises: UsageError (another service's), UnavailableError."""
        self._require(service)
        found = self._first()
        if not found.state.pool.servers:
            return Weights()
        state = found.state.at(found.now)
        left = None if state.lease is None else max(0.0, state.expires - found.now)
        lapsed = None
        if state.lapsed is not None:
            # told by our own clock: HAProxy's may be another one
            lapsed = utc_now() - timedelta(seconds=max(0.0, found.now - state.lapsed))
        return Weights(state.pool.weights, left, lapsed)

    def set_weights(self, service: str, shares: dict[str, float], *, lease: Lease | None = None) -> None:
        """Change the shares without a reload; with a lease they lapse unless renewed.

        Raises: UsageError, MissingError, BusyError, UnavailableError.
        """
        self._require(service)
        check_shares(shares)
        if lease is not None:
            check_lease(lease)
        before = self._wanted.get()
        found = self._first()
        if not found.state.pool.servers:
            raise MissingError(
                f"{service} has no pool yet: put a revision in place with: pratique up {service} REVISION"
            )
        pool = found.state.with_shares(shares, lease, found.now).pool
        if lease is not None:
            self._wanted.renew(lease.ttl_s)
        after = self._wanted.put(before, pool, lease)
        _each([partial(_set, node, shares, lease) for node in self._nodes])
        self._wanted.followed(after.version)

    def renew(self, service: str) -> None:
        """Renew the lease for its whole time again. Raises: MissingError when it has lapsed, UnavailableError."""
        self._require(service)
        _each([partial(_renew, node, service) for node in self._nodes])
        lease = self._first().state.lease
        if lease is not None:
            self._wanted.renew(lease.ttl_s)

    def drift(self, service: str) -> list[str]:
        """How what serves differs from what is wanted, and certificates that end soon; a sentence each."""
        self._require(service)
        wanted = self._wanted.get().pool
        said = [sentence for node in self._nodes for sentence in node.drift(wanted)]
        for node in self._nodes:
            left = _left(node)
            if left is not None and left < timedelta(days=self._settings.haproxy.certificate_warn_days):
                said.append(
                    f"{node.site.name}: the certificate ends in {left.total_seconds() / 86400:.1f} days: renew it"
                )
        return said

    def _first(self) -> Serving:
        return self._nodes[0].in_force()

    def _require(self, service: str) -> None:
        if service != self._service:
            raise UsageError(f"this balancer serves {self._service}, not {service}: check services.{service}.balancer")

    def _refuse_expired(self) -> None:
        for node in self._nodes:
            left = _left(node)
            if left is not None and left < timedelta(0):
                raise UnavailableError(
                    f"the certificate {self._settings.haproxy.certificate!r} has expired on {node.site.name}: renew it"
                )


def _each(changes: Sequence[Callable[[], None]]) -> None:
    """Make every change, whichever fails: a host that is away must not keep the others from theirs.

    Raises: the first error, a lapsed lease before all others.
    """
    errors: list[PratiqueError] = []
    for change in changes:
        try:
            change()
        except PratiqueError as error:
            errors.append(error)
    if errors:
        raise min(errors, key=lambda found: not isinstance(found, MissingError))


def _put_back(node: Node, was: Serving) -> None:
    with node.site.locked():
        node.install(was.state, proven=False)


def _set(node: Node, shares: dict[str, float], lease: Lease | None) -> None:
    with node.site.locked():
        was = node.in_force()
        node.set_shares(was.state.with_shares(shares, lease, was.now))
        is_now = node.in_force().state
    if not same_shares(is_now.pool.weights, shares) or (is_now.lease is None) != (lease is None):
        raise UnavailableError(
            f"HAProxy on {node.site.name} has shares {is_now.pool.weights!r} and not {shares!r}: look at its log"
        )


def _renew(node: Node, service: str) -> None:
    if not node.renew():
        raise MissingError(
            f"{service} has no lease to renew: it lapsed, the traffic is on the baseline: start the stage again"
        )


def _left(node: Node) -> timedelta | None:
    ends = node.expires()
    if ends is None:
        return None
    return datetime.strptime(ends, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC) - utc_now()


def directory_of(target: Target) -> Path:
    """The directory of a service's HAProxy: its configuration, shares and sockets."""
    given = target.settings.balancer.haproxy.directory
    return (target.path(given) if given else target.state_dir / "haproxy" / target.service).absolute()


def surroundings(target: Target) -> Surroundings:
    """What the configuration of a service's HAProxy needs to know beside its pool."""
    settings = target.settings.balancer
    certificate = settings.haproxy.certificate
    paths = Paths(str(directory_of(target)), str(target.path(certificate).absolute()) if certificate else "")
    template = settings.haproxy.template
    if template:
        named = settings.haproxy.model_copy(update={"template": str(target.path(template))})
        settings = settings.model_copy(update={"haproxy": named})
    return Surroundings(settings, paths, target.telemetry.collector_address, target.settings.runtime.readiness_path)


def wanted_state(target: Target) -> WantedState:
    """Where the wanted pool of a service is kept."""
    url = target.settings.balancer.haproxy.state_url
    return WantedRedis(url, target.service) if url else WantedFile(directory_of(target) / "wanted.json")


def local_node(target: Target) -> Node:
    """The HAProxy of this machine."""
    around = surroundings(target)
    return Node(LocalSite(around.paths, container_of(target)), around)


def container_of(target: Target) -> str:
    """The name of the container that HAProxy runs in; "" where it is a process of the host."""
    return f"pratique-haproxy-{target.service}" if target.settings.balancer.haproxy.image else ""


def _sites(target: Target, paths: Paths) -> list[Site]:
    settings = target.settings.balancer.haproxy
    if not settings.hosts:
        return [LocalSite(paths, container_of(target))]
    return [SshSite(host, replace(paths)) for host in settings.hosts]


__all__ = ["HAProxyBalancer", "Wanted", "directory_of", "local_node", "surroundings", "wanted_state"]
