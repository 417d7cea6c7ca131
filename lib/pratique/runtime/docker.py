"""Releases as containers. Their labels are the only record of what runs.

A container gets nothing that it does not need: no capability, no new privilege, no writable root, no path of the
host; memory, processors, processes and logs are bounded.
"""

from __future__ import annotations

import contextlib
import math
import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pratique.clock import utc_now
from pratique.config import RuntimeSettings
from pratique.errors import MissingError, UnavailableError
from pratique.release.engine import engine
from pratique.release.image import load_image_release
from pratique.release.model import Release
from pratique.release.secrets import is_reference, mask, resolve_env
from pratique.runtime import secretfiles
from pratique.runtime.base import Instance, Role
from pratique.runtime.containerlog import log_config
from pratique.runtime.probe import probe, waited

PREFIX = "pratique."
SERVICE, REVISION, RUN, ROLE, ADDRESS, DIGEST = (
    PREFIX + name for name in ("service", "revision", "run", "role", "address", "digest")
)
ALIVE, ENDED = ("running", "restarting", "paused"), ("exited", "dead", "created")
KEPT = "unless-stopped"
POLL_S = 0.1
LAST_WORDS = 600
TRIES = 20
PORTS = range(18000, 32000)
HEALTH_EVERY_NS = 2_000_000_000


class DockerRuntime:
    """Start, watch and stop containers of one or several engines."""

    def __init__(self, settings: RuntimeSettings, base: Path, *, collector: str = "127.0.0.1:5514") -> None:
        """settings: of the service. base: of relative paths. collector: takes the logs where they go by syslog."""
        self._settings = settings
        self._docker = settings.docker
        self._base = base
        self._collector = collector

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses of its engines."""
        return self._docker.hosts

    def start(
        self, release: Release, *, run: str, role: Role, count: int = 1, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` containers on each engine; those of the same run, revision and role that run are kept.

        Raises: MissingError (no such image, a secret that is not there), UnavailableError (then none that this
        call started is left), DataError (another image than the release's).
        """
        wanted = (release.service, release.revision, run, role)
        instances, started = [], []
        try:
            for host in self.hosts if hosts is None else hosts:
                self.tidy(release.service, run)
                there = self._list(host, release.service)
                running = [i for i in there if (i.service, i.revision, i.run, i.role) == wanted]
                load_image_release(
                    release.service, release.revision, self._settings, digest=release.digest, host=host
                )  # fmt: skip
                while len(running) < count:
                    running.append(self._start_one(host, release, run, role))
                    started.append(running[-1])
                instances += running[:count]
        except BaseException:
            for instance in started:
                self.stop(instance, drain_s=0)
            raise
        return instances

    def ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until its HEALTHCHECK says healthy, or without one until its readiness probe gets 200.

        From then on the engine starts it again when it ends. Raises: UnavailableError with its last log lines and
        its health log, as soon as it ends or when the deadline passes; one that ended is removed.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            state = self._state(instance)
            if state is None or not state["Running"] or state.get("Restarting"):
                code = f" with {state['ExitCode']}" if state else ""
                evidence = self._evidence(instance, state)
                self.stop(instance, drain_s=0)
                raise UnavailableError(f"{_named(instance)} ended{code} before it was ready: {evidence}")
            health = state.get("Health", {}).get("Status")
            answer = health or probe(instance.address, self._settings.readiness_path)
            if answer in {"200", "healthy"}:
                self._keep_running(instance)
                return
            if time.monotonic() > deadline:
                asked = "its HEALTHCHECK" if health else f"{self._settings.readiness_path} with 200"
                raise UnavailableError(
                    f"{_named(instance)} did not answer {asked}{waited(deadline_s)} (last: {answer}): "
                    f"{self._evidence(instance, state)}"
                )
            time.sleep(POLL_S)

    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Send the image's stop signal, wait at most `drain_s` (whole seconds), kill, and remove the container."""
        for host in self._docker.hosts:
            with contextlib.suppress(MissingError), engine(host, timeout_s=drain_s + 60) as client:
                container = _get(client, instance.id)
                if container is None:
                    continue
                try:
                    container.stop(timeout=math.ceil(drain_s))
                    _remove(container)
                finally:
                    self._remove_secrets(host, container)
                return

    def list(self, service: str | None = None) -> Sequence[Instance]:
        """What runs now on all engines, oldest first, whoever started it."""
        found = [instance for host in self._docker.hosts for instance in self._list(host, service)]
        return sorted(found, key=lambda instance: (instance.started, instance.address))

    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """Its last log lines, secrets masked; none when it is gone."""
        for host in self._docker.hosts:
            with engine(host) as client:
                container = _get(client, instance.id)
                if container is not None:
                    text = container.logs(tail=lines).decode("utf-8", "replace")
                    return mask(text, self._settings.env, self._base).splitlines()
        return []

    def ended(self, service: str) -> Sequence[Instance]:
        """The containers that have ended and are not removed, on all hosts."""
        return [instance for host in self._docker.hosts for instance in self._list(host, service, ENDED)]

    def tidy(self, service: str, run: str, *, keep: str = "") -> None:  # noqa: ARG002 - what has ended is not started again
        """Remove what is left of containers of a run that have ended."""
        for host in self._docker.hosts:
            with engine(host) as client:
                labels = [f"{SERVICE}={service}", f"{RUN}={run}"]
                filters = {"label": labels, "status": list(ENDED)}
                for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
                    _remove(container)
                    self._remove_secrets(host, container)
                if any(is_reference(value) for value in self._settings.env.values()):
                    mine = {"label": f"{SERVICE}={service}"}
                    living = {
                        found.name for found in client.containers.list(all=True, filters=mine, ignore_removed=True)
                    }
                    home = secretfiles.home(client.info()["ID"], service)
                    secretfiles.sweep(host, self._docker.secrets_dir, home, living)

    def _list(self, host: str, service: str | None, states: Sequence[str] = ALIVE) -> Sequence[Instance]:
        label = f"{SERVICE}={service}" if service is not None else SERVICE
        with engine(host) as client:
            filters = {"label": label, "status": list(states)}
            found = client.containers.list(all=True, filters=filters, ignore_removed=True)
        return [instance for instance in map(_instance, found) if instance is not None]

    def _start_one(self, host: str, release: Release, run: str, role: Role) -> Instance:
        name = f"pratique-{release.service}-{release.revision}-{secrets.token_hex(4)}"
        hidden = {key for key, value in release.env.items() if is_reference(value)}
        resolved = resolve_env(release.env, self._base)
        env = {key: value for key, value in resolved.items() if key not in hidden}
        env |= {f"{key}_FILE": f"{secretfiles.MOUNT}/{key}" for key in hidden}
        folder = ""
        try:
            if hidden:
                with engine(host) as client:
                    where = f"{secretfiles.home(client.info()['ID'], release.service)}/{name}"
                folder = secretfiles.path_of(self._docker.secrets_dir, where)
                secretfiles.place(host, self._docker.secrets_dir, where, {key: resolved[key] for key in sorted(hidden)})
            return self._run(host, release, name, env, folder, run, role)
        except BaseException:
            if folder:
                secretfiles.remove(host, folder)
            with contextlib.suppress(MissingError), engine(host) as client:
                container = _get(client, name)
                if container is not None:
                    _remove(container)
            raise

    def _run(
        self,
        host: str,
        release: Release,
        name: str,
        env: dict[str, str],
        secrets_folder: str,
        run: str,
        role: Role,
    ) -> Instance:
        bind, reach = self._published(host)
        taken = {instance.address for instance in self._list(host, None)}
        for _ in range(TRIES):
            port = PORTS[secrets.randbelow(len(PORTS))]
            address = f"{reach}:{port}"
            if address in taken:
                continue
            labels = {SERVICE: release.service, REVISION: release.revision, RUN: run, ROLE: role}
            labels |= {ADDRESS: address, DIGEST: release.digest}
            told = {f"PRATIQUE_{key}": labels[PREFIX + key.lower()] for key in ("SERVICE", "REVISION", "RUN", "ROLE")}
            inside = port if self._docker.host_network_reason else self._docker.port
            with engine(host) as client:
                container = client.containers.create(
                    release.location,
                    [word.replace("{port}", str(inside)) for word in release.command] or None,
                    name=name,
                    labels=labels,
                    environment=env | told | {"PORT": str(inside)},
                    mounts=self._mounts(secrets_folder),
                    **self._limits(release),
                    **self._network(bind, port),
                )
                try:
                    container.start()
                except Exception as error:
                    if "already" in str(error) and ("allocated" in str(error) or "in use" in str(error)):
                        _remove(container)
                        continue
                    raise
                if self._docker.network and not self._docker.host_network_reason:
                    client.networks.get(self._docker.network).connect(container)
                return Instance(container.id, release.service, release.revision, run, role, address, utc_now())
        raise UnavailableError(f"no free port found from {PORTS.start} to {PORTS.stop}: stop what takes them")

    def _limits(self, release: Release) -> dict[str, Any]:
        settings = self._docker
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
            "log_config": dict(zip(("Type", "Config"), log_config(settings, release, self._collector), strict=True)),
            "healthcheck": {"interval": HEALTH_EVERY_NS},
        }

    def _mounts(self, secrets_folder: str) -> Sequence[Any]:
        from docker import types  # noqa: PLC0415 - slow to load

        # a bind of this kind is refused where its source is gone, as after a reboot, and not made up empty
        bound = [(secretfiles.MOUNT, secrets_folder, "bind", True)] if secrets_folder else []
        named = [(inside, volume, "volume", False) for volume, inside in self._docker.volumes.items()]
        return [types.Mount(to, what, type=kind, read_only=fixed) for to, what, kind, fixed in bound + named]

    def _remove_secrets(self, host: str, container: Any) -> None:
        root = secretfiles.path_of(self._docker.secrets_dir, "")
        for mount in container.attrs["Mounts"]:
            if mount["Destination"] == secretfiles.MOUNT and mount["Source"].startswith(root):
                secretfiles.remove(host, mount["Source"])

    def _network(self, bind: str, port: int) -> dict[str, Any]:
        if self._docker.host_network_reason:
            return {"network_mode": "host"}
        return {"ports": {f"{self._docker.port}/tcp": (bind, port)}}

    def _published(self, host: str) -> tuple[str, str]:
        """Where ports are bound, and where they are reached."""
        given = self._docker.publish_address
        if host.startswith("ssh://"):
            return (given if given[:1].isdigit() else "0.0.0.0"), given or str(urlsplit(host).hostname)  # noqa: S104
        return given or "127.0.0.1", given or "127.0.0.1"

    def _state(self, instance: Instance) -> dict[str, Any] | None:
        for host in self._docker.hosts:
            with engine(host) as client:
                container = _get(client, instance.id)
                if container is not None:
                    return dict(container.attrs["State"])
        return None

    def _keep_running(self, instance: Instance) -> None:
        """Only now: one that never got ready must not be started again and again."""
        for host in self._docker.hosts:
            with engine(host) as client:
                container = _get(client, instance.id)
                if container is not None and container.attrs["HostConfig"]["RestartPolicy"]["Name"] != KEPT:
                    container.update(restart_policy={"Name": KEPT})

    def _evidence(self, instance: Instance, state: dict[str, Any] | None) -> str:
        said = [line.strip() for line in self.logs(instance, lines=8) if line.strip()]
        words = f"its last words: {' | '.join(said)[-LAST_WORDS:]}" if said else "it said nothing"
        checks = [entry["Output"].strip() for entry in ((state or {}).get("Health") or {}).get("Log") or ()]
        checked = mask(" | ".join(checks[-2:]), self._settings.env, self._base)[-LAST_WORDS:]
        return f"{words}; its health log: {checked}" if checked else words


def _get(client: Any, name: str) -> Any:
    import docker.errors  # noqa: PLC0415 - slow to load

    try:
        return client.containers.get(name)
    except docker.errors.NotFound:
        return None


def _remove(container: Any) -> None:
    """Remove it with its anonymous volumes; that it is gone or going already is no error."""
    import docker.errors  # noqa: PLC0415 - slow to load

    try:
        container.remove(force=True, v=True)
    except docker.errors.APIError as error:
        if error.status_code not in {404, 409}:
            raise


def _instance(container: Any) -> Instance | None:
    labels = container.labels
    if not {SERVICE, REVISION, RUN, ROLE, ADDRESS} <= labels.keys():
        return None
    started = container.attrs["State"]["StartedAt"]
    return Instance(
        id=container.id,
        service=labels[SERVICE],
        revision=labels[REVISION],
        run=labels[RUN],
        role="canary" if labels[ROLE] == "canary" else "baseline",
        address=labels[ADDRESS],
        started=datetime.fromisoformat(started),
    )


def _named(instance: Instance) -> str:
    return f"{instance.service} {instance.revision} at {instance.address}"
