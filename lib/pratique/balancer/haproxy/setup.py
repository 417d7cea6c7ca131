"""Open the parts of a service's HAProxy from its settings: directory, template, instances, desired state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pratique.balancer.haproxy.desired_state import DesiredStateFile, DesiredStateRedis, DesiredStateStore
from pratique.balancer.haproxy.hosts import Host, LocalHost, SSHHost
from pratique.balancer.haproxy.instance import HAProxyInstance
from pratique.balancer.haproxy.template import Paths, TemplateContext
from pratique.config import Target


def directory_of(target: Target) -> Path:
    """Return the directory of a service's HAProxy: configuration, shares and sockets."""
    given = target.settings.balancer.haproxy.directory
    return (target.path(given) if given else target.state_dir / "haproxy" / target.service).absolute()


def container_of(target: Target) -> str:
    """Return the name of HAProxy's container; "" if HAProxy is a process of the host."""
    return f"pratique-haproxy-{target.service}" if target.settings.balancer.haproxy.image else ""


def template_context(target: Target) -> TemplateContext:
    """Return the values that the configuration of a service's HAProxy needs besides the pool."""
    settings = target.settings.balancer
    certificate = settings.haproxy.certificate
    paths = Paths(str(directory_of(target)), str(target.path(certificate).absolute()) if certificate else "")
    if settings.haproxy.template:
        haproxy = settings.haproxy.model_copy(update={"template": str(target.path(settings.haproxy.template))})
        settings = settings.model_copy(update={"haproxy": haproxy})
    return TemplateContext(settings, paths, target.telemetry.collector_address, target.settings.runtime.readiness_path)


def open_instances(target: Target) -> list[HAProxyInstance]:
    """Open the HAProxy of each balancer host. Raises: StorageError."""
    context = template_context(target)
    addresses = target.settings.balancer.haproxy.hosts
    hosts: list[Host] = [SSHHost(address, replace(context.paths)) for address in addresses]
    return [HAProxyInstance(host, context) for host in hosts] or [open_local_instance(target)]


def open_local_instance(target: Target) -> HAProxyInstance:
    """Open the HAProxy of this machine. Raises: StorageError."""
    context = template_context(target)
    return HAProxyInstance(LocalHost(context.paths, container_of(target)), context)


def open_desired_state(target: Target) -> DesiredStateStore:
    """Open the store of the desired state: Redis, or a file in the directory of HAProxy."""
    url = target.settings.balancer.haproxy.state_url
    # an older name, kept for the files that exist
    return DesiredStateRedis(url, target.service) if url else DesiredStateFile(directory_of(target) / "wanted.json")
