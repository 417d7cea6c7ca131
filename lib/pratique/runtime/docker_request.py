"""The arguments with which Docker's client creates the container of an instance. Nothing here talks to an engine.

A container gets only what it needs: no capabilities, no new privileges, no writable root, no host paths; memory,
processors, processes and logs are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pratique.config import DockerSettings
from pratique.release.model import Release
from pratique.runtime import secretfiles
from pratique.runtime.base import Role
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
        "mounts": _mounts(settings, secrets_folder),
        "log_config": dict(zip(("Type", "Config"), log_config(settings, release, collector), strict=True)),
        **_limits(settings),
        **_network(settings, published),
    }


def _limits(settings: DockerSettings) -> dict[str, Any]:
    return {
        "cap_drop": ["ALL"],
        "cap_add": list(settings.cap_add),
        "security_opt": ["no-new-privileges"],
        "read_only": True,
        "tmpfs": {path: f"size={size},mode=1777" for path, size in settings.tmpfs.items()},
        "mem_limit": settings.memory,
        "memswap_limit": settings.memory,
        "nano_cpus": round(settings.cpus * 1e9),
        "pids_limit": settings.pids_limit,
        "init": True,
        "healthcheck": {"interval": HEALTHCHECK_INTERVAL_NS},
    }


def _mounts(settings: DockerSettings, secrets_folder: str) -> Sequence[Any]:
    from docker import types  # noqa: PLC0415 - slow to load

    # a mount of this type fails if its source does not exist, as after a reboot; `-v` would create an empty folder
    bound = [(secretfiles.MOUNT, secrets_folder, "bind", True)] if secrets_folder else []
    named = [(inside, volume, "volume", False) for volume, inside in settings.volumes.items()]
    return [
        types.Mount(target, source, type=kind, read_only=read_only) for target, source, kind, read_only in bound + named
    ]


def _network(settings: DockerSettings, published: PublishedPort) -> dict[str, Any]:
    if settings.host_network_reason:
        return {"network_mode": "host"}
    return {"ports": {f"{settings.port}/tcp": (published.bind, published.port)}}
