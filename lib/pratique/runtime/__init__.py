"""The runtime starts and stops instances of releases: `open_runtime` opens the runtime of a service."""

from __future__ import annotations

from pratique.config import Target
from pratique.runtime.base import Instance, Runtime

__all__ = ["Instance", "Runtime", "open_runtime"]


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
