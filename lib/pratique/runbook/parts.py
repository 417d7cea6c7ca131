"""The parts that a service file names: which runtime, balancer, store and collector a run works with."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pratique.balancer.base import Balancer
from pratique.config import Config
from pratique.errors import UnavailableError
from pratique.ledger.entry import canonical
from pratique.release.model import Release
from pratique.runtime.base import Runtime
from pratique.store.base import Store

if TYPE_CHECKING:
    from pratique.telemetry.collector import CollectorStatus


def make_runtime(config: Config, service: str) -> Runtime:
    """Where the service's releases run."""
    settings = config.service(service).runtime
    if settings.kind == "docker":
        from pratique.runtime.docker import DockerRuntime  # noqa: PLC0415 - docker

        return DockerRuntime(settings, config.path("."), collector=config.telemetry.target)
    if settings.kind == "swarm":
        from pratique.runtime.swarm import SwarmRuntime  # noqa: PLC0415 - docker

        return SwarmRuntime(settings, config.path("."), collector=config.telemetry.target)
    from pratique.runtime.process import ProcessRuntime  # noqa: PLC0415 - psutil

    return ProcessRuntime(settings, config.state_dir, config.path("."))


def make_balancer(config: Config, service: str) -> Balancer:
    """Who gives the service its traffic."""
    settings = config.service(service).balancer
    if settings.kind == "haproxy":
        from pratique.balancer.haproxy.balancer import HAProxyBalancer  # noqa: PLC0415 - jinja2

        return HAProxyBalancer(config, service)
    from pratique.balancer.embedded import EmbeddedBalancer  # noqa: PLC0415 - an HTTP client

    return EmbeddedBalancer(settings)


def make_store(config: Config) -> Store:
    """Where the service's rollups are kept.

    Raises: DeniedError, UnavailableError.
    """
    from pratique.store import open_store  # noqa: PLC0415 - duckdb

    url = config.store.url
    return open_store(url if "://" in url else str(config.path(url)), retention_days=config.store.retention_days)


def find_release(config: Config, service: str, revision: str, *, digest: str | None = None) -> Release:
    """The release of a revision, with its digest. digest: of a recorded release, exactly which is wanted.

    Raises: MissingError when there is none, DataError when it has another digest.
    """
    settings = config.service(service).runtime
    if settings.kind != "process":
        from pratique.release.image import load_image_release  # noqa: PLC0415 - docker

        return load_image_release(service, revision, settings, digest=digest)
    from pratique.release import load_release  # noqa: PLC0415 - hashes a directory

    return load_release(service, revision, settings, config.path("."))


def configuration_digest(release: Release) -> str:
    """The digest of what is put into a release: its command, and its environment by reference."""
    content = canonical({"command": list(release.command), "env": release.env})
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def require_collector(config: Config, *, may_restart: bool = False) -> CollectorStatus:
    """The status of the collector. may_restart: one that was stopped a moment ago will do.

    Raises: UnavailableError when it is dead: without it a canary would be judged on nothing.
    """
    from pratique.telemetry.collector import collector_status  # noqa: PLC0415 - pyarrow

    status = collector_status(config.state_dir)
    if status is None or not (status.fresh if may_restart else status.alive):
        raise UnavailableError(
            "the collector does not run, so that nothing is measured: start it with: pratique up, or pratique collect"
        )
    return status
