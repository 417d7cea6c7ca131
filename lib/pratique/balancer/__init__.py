"""The balancer decides which revision gets a request: `open_balancer` opens the balancer of a service."""

from __future__ import annotations

from pratique.balancer.base import Balancer, Lease, Pool
from pratique.config import Target

__all__ = ["Balancer", "Lease", "Pool", "open_balancer"]


def open_balancer(target: Target) -> Balancer:
    """Open the client of a service's balancer, embedded or HAProxy. It starts nothing and sends no request."""
    if target.settings.balancer.kind == "haproxy":
        from pratique.balancer.haproxy.balancer import HAProxyBalancer  # noqa: PLC0415 - jinja2

        return HAProxyBalancer(target)
    from pratique.balancer.control_socket import control_path  # noqa: PLC0415 - an HTTP client
    from pratique.balancer.embedded import EmbeddedBalancer  # noqa: PLC0415 - an HTTP client

    return EmbeddedBalancer(control_path(target.state_dir, target.service))
