"""The runtime starts and stops instances of releases: `open_runtime` opens the runtime of a service, `open_one_off` what runs once."""

from __future__ import annotations

from pratique.config import Target
from pratique.runtime.base import Instance, Runtime
from pratique.runtime.one_off import OneOffRunner

__all__ = ["Instance", "OneOffRunner", "Runtime", "open_one_off", "open_runtime"]


def open_runtime(target: Target) -> Runtime:
    """Open the runtime of a service: local processes, Docker engines, or a Swarm. It starts nothing."""
    settings = target.settings.runtime
    if settings.kind == "docker":
        from pratique.runtime.docker import DockerRuntime  # noqa: PLC0415 - docker

        return DockerRuntime(settings, target.base, collector=target.telemetry.collector_address)
    if settings.kind == "swarm":
        from pratique.runtime.swarm import SwarmRuntime  # noqa: PLC0415 - docker

        return SwarmRuntime(settings, target.base, collector=target.telemetry.collector_address)
    from pratique.runtime.process import ProcessRuntime  # noqa: PLC0415 - psutil

    return ProcessRuntime(settings, target.state_dir, target.base)


def open_one_off(target: Target, host: str = "") -> OneOffRunner:
    """Open the runner of a service's one-off containers. It starts nothing.

    host: the engine, one of runtime.docker.hosts; "" means the first of them. A service of local processes has one host.
    """
    settings = target.settings.runtime
    if settings.kind == "process":
        from pratique.runtime.one_off_process import ProcessOneOff  # noqa: PLC0415 - psutil

        return ProcessOneOff(settings, target.state_dir, target.base)
    from pratique.runtime.one_off_docker import DockerOneOff  # noqa: PLC0415 - docker

    return DockerOneOff(target, host or settings.docker.hosts[0])
