"""The arguments with which Docker's client creates the container of an instance. Nothing here talks to an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pratique.config import DockerSettings
from pratique.release.model import Release
from pratique.runtime.base import Role
from pratique.runtime.limits import limits, mounts
from pratique.runtime.log_driver import log_config

PREFIX = "pratique."
SERVICE, REVISION, RUN, ROLE, ADDRESS, DIGEST = (
    PREFIX + name for name in ("service", "revision", "run", "role", "address", "digest")
)
HEALTHCHECK_INTERVAL_NS = 2_000_000_000


@dataclass(frozen=True)
class PublishedPort:
    """A port of an engine's host. bind: the host's address that it is bound to; host: the address to connect to."""

    bind: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """The "host:port" that the balancer connects to."""
        return f"{self.host}:{self.port}"


def published_at(engine: str, settings: DockerSettings, port: int) -> PublishedPort:
    """Return where an engine publishes a port: on loopback, or of an engine over SSH on its host's address."""
    given = settings.publish_address
    if engine.startswith("ssh://"):
        bind = given if given[:1].isdigit() else "0.0.0.0"  # noqa: S104 - the balancer is on another host
        return PublishedPort(bind, given or str(urlsplit(engine).hostname), port)
    return PublishedPort(given or "127.0.0.1", given or "127.0.0.1", port)


def container_request(
    release: Release,
    settings: DockerSettings,
    *,
    name: str,
    run: str,
    role: Role,
    published: PublishedPort,
    env: Mapping[str, str],
    secrets_folder: str,
    collector: str,
) -> dict[str, Any]:
    """Return the arguments of `containers.create` for one instance.

    env: of the release, without secrets. secrets_folder: on the engine's host; "" without secrets.
    collector: "host:port" that accepts syslog.
    """
    labels = {SERVICE: release.service, REVISION: release.revision, RUN: run, ROLE: role}
    own = {f"PRATIQUE_{key.removeprefix(PREFIX).upper()}": value for key, value in labels.items()}
    labels |= {ADDRESS: published.address, DIGEST: release.digest}
    inside = published.port if settings.host_network_reason else settings.port
    return {
        "image": release.location,
        # None: the command of the image itself
        "command": [word.replace("{port}", str(inside)) for word in release.command] or None,
        "name": name,
        "labels": labels,
        "environment": {**env, **own, "PORT": str(inside)},
        "mounts": mounts(settings, secrets_folder),
        "log_config": dict(zip(("Type", "Config"), log_config(settings, release, collector), strict=True)),
        "healthcheck": {"interval": HEALTHCHECK_INTERVAL_NS},
        **limits(settings),
        **_network(settings, published),
    }


def _network(settings: DockerSettings, published: PublishedPort) -> dict[str, Any]:
    if settings.host_network_reason:
        return {"network_mode": "host"}
    return {"ports": {f"{settings.port}/tcp": (published.bind, published.port)}}
