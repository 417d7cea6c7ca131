"""Checks of releases that run as containers or Swarm services: engines, images, networks, secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial

from pratique.check.finding import Check
from pratique.check.processes import revisions_text
from pratique.check.programs import run_on
from pratique.config import Target
from pratique.errors import MissingError, StorageError, UnavailableError
from pratique.release.docker_engine import engine
from pratique.release.image import list_releases
from pratique.release.secrets import is_reference

IN_MEMORY = {"tmpfs", "ramfs"}
ENGINE_TIMEOUT_S = 10.0


def container_checks(target: Target) -> Iterator[Check]:
    """Yield the checks of the engines, the image, the network and the folder of secrets."""
    settings, key = target.settings.runtime, f"services.{target.service}.runtime.docker"
    docker = settings.docker
    for host in docker.hosts:
        yield Check(f"{key}.hosts", partial(_engine, host, swarm=settings.kind == "swarm"))
        if docker.network:
            yield Check(f"{key}.network", partial(_network, host, docker.network))
        if settings.kind == "docker" and any(map(is_reference, settings.env.values())):
            yield Check(f"{key}.secrets_dir", partial(_in_memory, host, docker.secrets_dir))
    yield Check(f"{key}.image", lambda: f"{docker.image} has {revisions_text(list_releases(settings))}")


def _named(host: str) -> str:
    return f"the Docker engine at {host}" if host else "the Docker engine"


def _engine(host: str, *, swarm: bool) -> str:
    with engine(host, timeout_s=ENGINE_TIMEOUT_S) as client:
        found = client.info()
    if swarm and not found.get("Swarm", {}).get("ControlAvailable"):
        raise UnavailableError(f"{_named(host)} is not a Swarm manager: run docker swarm init there")
    return f"{_named(host)} answers, version {found.get('ServerVersion')}{', a Swarm manager' if swarm else ''}"


def _network(host: str, name: str) -> str:
    with engine(host, timeout_s=ENGINE_TIMEOUT_S) as client:
        if name not in {network.name for network in client.networks.list(names=[name])}:
            raise MissingError(f"{_named(host)} has no network {name!r}: run docker network create {name}")
    return f"{_named(host)} has the network {name}"


def _in_memory(host: str, folder: str) -> str:
    words = ["stat", "-f", "-c", "%T", folder]
    if host.startswith("ssh://"):
        kind = run_on(host, words).strip()
    else:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        kind = done.stdout.strip()
        if done.returncode != 0:
            raise MissingError(f"{folder!r} does not exist: name a folder of a tmpfs")
    if kind not in IN_MEMORY:
        raise StorageError(f"{folder!r} is on {kind}, not in memory: name a folder of a tmpfs")
    return f"{folder} is in memory"
