"""What every container of a service gets and does not get: bounds, rights and mounts. Nothing here talks to an engine.

A container gets only what it needs: no capabilities, no new privileges, no writable root, no host paths; memory,
processors and processes are bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pratique.config import DockerSettings
from pratique.runtime import secretfiles


def limits(settings: DockerSettings) -> dict[str, Any]:
    """Return the arguments of `containers.create` that bound a container."""
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
    }


def mounts(settings: DockerSettings, secrets_folder: str) -> Sequence[Any]:
    """Return the named volumes and the folder of secrets; secrets_folder: on the engine's host, "" without secrets."""
    from docker import types  # noqa: PLC0415 - slow to load

    # a mount of this type fails if its source does not exist, as after a reboot; `-v` would create an empty folder
    bound = [(secretfiles.MOUNT, secrets_folder, "bind", True)] if secrets_folder else []
    named = [(inside, volume, "volume", False) for volume, inside in settings.volumes.items()]
    return [
        types.Mount(target, source, type=kind, read_only=read_only) for target, source, kind, read_only in bound + named
    ]
