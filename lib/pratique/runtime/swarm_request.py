"""The arguments with which Docker's client creates the Swarm service of a release. Nothing here talks to an engine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pratique.config import DockerSettings, RuntimeSettings, SwarmSettings
from pratique.release.model import Release
from pratique.runtime.log_driver import log_config

PREFIX = "pratique."
RESTART_DELAY_NS = 2_000_000_000
NS_PER_S = 1_000_000_000


def prefixed(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels with the prefix that marks services, tasks and secrets as Pratique's."""
    return {PREFIX + key: value for key, value in labels.items()}


def service_request(
    release: Release,
    settings: RuntimeSettings,
    *,
    image: str,
    name: str,
    labels: Mapping[str, str],
    count: int,
    env: Mapping[str, str],
    secrets: Sequence[Any],
    collector: str,
) -> dict[str, Any]:
    """Return the arguments of `services.create`.

    labels: without the prefix. env: of the release, with files for secrets. secrets: references to Swarm secrets.
    collector: "host:port" that accepts syslog.
    """
    from docker import types  # noqa: PLC0415 - slow to load

    docker = settings.docker
    driver, options = log_config(docker, release, collector)
    arguments = [word.replace("{port}", str(docker.port)) for word in release.command]
    own = {f"PRATIQUE_{key.upper()}": labels[key] for key in ("service", "revision", "run", "role")}
    request = {
        "image": image,
        "name": name,
        "labels": prefixed(labels),
        "container_labels": prefixed(labels),
        "env": [f"{key}={value}" for key, value in {**env, **own, "PORT": str(docker.port)}.items()],
        "mode": types.ServiceMode("replicated", replicas=count),
        "constraints": list(settings.swarm.constraints),
        "secrets": list(secrets),
        "endpoint_spec": types.EndpointSpec(mode="dnsrr", ports=[_host_port(docker.port)]),
        "update_config": _update_config(settings.swarm),
        "restart_policy": types.RestartPolicy(condition="any", delay=RESTART_DELAY_NS),
        "stop_grace_period": math.ceil(settings.drain_s) * NS_PER_S,
        "log_driver": driver,
        "log_driver_options": options,
        "networks": [docker.network] if docker.network else [],
        **_limits(docker),
    }
    # without arguments, the command of the image itself
    return request | ({"args": arguments} if arguments else {})


def _limits(docker: DockerSettings) -> dict[str, Any]:
    from docker import types  # noqa: PLC0415 - slow to load

    return {
        "read_only": True,
        "init": True,
        "cap_drop": ["ALL"],
        "cap_add": list(docker.cap_add),
        "mounts": [
            *[types.Mount(path, None, type="tmpfs", tmpfs_size=_bytes(size)) for path, size in docker.tmpfs.items()],
            *[types.Mount(path, volume, type="volume") for volume, path in docker.volumes.items()],
        ],
        "resources": types.Resources(cpu_limit=round(docker.cpus * 1e9), mem_limit=_bytes(docker.memory)),
    }


def _update_config(swarm: SwarmSettings) -> Any:
    from docker import types  # noqa: PLC0415 - slow to load

    return types.UpdateConfig(
        parallelism=swarm.update_parallelism,
        delay=int(swarm.update_delay_s * NS_PER_S),
        order="start-first",
        failure_action="rollback",
    )


def _host_port(inside: int) -> dict[str, object]:
    return {"Protocol": "tcp", "TargetPort": inside, "PublishMode": "host"}


def _bytes(size: str) -> int:
    return int(size[:-1]) * {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[size[-1]]
