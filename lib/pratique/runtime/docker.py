"""Releases as containers. Their labels are the only record of the running instances."""

from __future__ import annotations

import contextlib
import math
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import override

from pratique.clock import utc_now
from pratique.config import RuntimeSettings
from pratique.errors import MissingError
from pratique.release.docker_engine import engine
from pratique.release.image import load_image_release
from pratique.release.model import Release
from pratique.release.secrets import is_reference, mask, resolve_env
from pratique.runtime import secretfiles
from pratique.runtime.base import PORTS, Instance, Role, Runtime, no_free_port
from pratique.runtime.docker_request import (
    ADDRESS,
    REVISION,
    ROLE,
    RUN,
    SERVICE,
    container_request,
    published_at,
)
from pratique.runtime.probe import probe
from pratique.runtime.readiness import EXCERPT_LINES, Check, wait_ready

RUNNING_STATES, EXITED_STATES = ("running", "restarting", "paused"), ("exited", "dead", "created")
RESTART_POLICY = "unless-stopped"
PORT_ATTEMPTS = 20
ENGINE_TIMEOUT_S = 60.0


class DockerRuntime(Runtime):
    """Start, list and stop containers on one or several engines."""

    def __init__(self, settings: RuntimeSettings, base: Path, *, collector: str = "127.0.0.1:5514") -> None:
        """base: folder of relative paths. collector: "host:port" that receives the logs of the syslog driver."""
        self._settings = settings
        self._docker = settings.docker
        self._base = base
        self._collector = collector

    @property
    @override
    def hosts(self) -> tuple[str, ...]:
        return self._docker.hosts

    @override
    def start(
        self, release: Release, *, run: str, role: Role, count: int = 1, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` containers on each engine, as Runtime.start says.

        Raises: MissingError (no such image, a secret that is not set), UnavailableError (the containers that this
        call started are removed), DataError (the image is not the image of the release).
        """
        labels = (release.service, release.revision, run, role)
        instances, started = [], []
        try:
            for host in self.hosts if hosts is None else hosts:
                self.remove_exited(release.service, run)
                found = self._list(host, release.service)
                running = [i for i in found if (i.service, i.revision, i.run, i.role) == labels]
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

    @override
    def wait_ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until the HEALTHCHECK is healthy or, without a HEALTHCHECK, until the readiness probe gets 200.

        From then on the engine restarts the container when it exits.
        Raises: UnavailableError with its last log lines and its health check log, when it exits or the deadline
        passes. A container that exited is removed.
        """
        wait_ready(
            instance,
            partial(self._check, instance),
            partial(self.logs, instance, lines=EXCERPT_LINES),
            deadline_s=deadline_s,
            on_exit=partial(self.stop, instance, drain_s=0),
        )
        self._restart_on_exit(instance)

    def _check(self, instance: Instance) -> Check:
        state = self._state(instance)
        if state is None:
            return Check(exited=True)
        details = self._health_log(state)
        if not state["Running"] or state.get("Restarting"):
            return Check(exited=True, exit_code=state["ExitCode"], details=details)
        health = state.get("Health", {}).get("Status")
        path = self._settings.readiness_path
        answer = health or probe(instance.address, path)
        expected = "its HEALTHCHECK" if health else f"{path} with 200"
        return Check(ready=answer in {"200", "healthy"}, answer=answer, expected=expected, details=details)

    def _health_log(self, state: dict[str, Any]) -> str:
        outputs = [entry["Output"].strip() for entry in (state.get("Health") or {}).get("Log") or ()]
        text = " | ".join(outputs[-2:])
        return f"health check log: {mask(text, self._settings.env, self._base)}" if text else ""

    @override
    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Send the image's stop signal, wait at most `drain_s` (rounded up to whole seconds), kill and remove."""
        for host in self._docker.hosts:
            with contextlib.suppress(MissingError), engine(host, timeout_s=drain_s + ENGINE_TIMEOUT_S) as client:
                container = _get(client, instance.id)
                if container is None:
                    continue
                try:
                    container.stop(timeout=math.ceil(drain_s))
                    _remove(container)
                finally:
                    self._remove_secrets(host, container)
                return

    @override
    def list(self, service: str | None = None) -> Sequence[Instance]:
        """Return the running containers of all engines, oldest first, whoever started them."""
        found = [instance for host in self._docker.hosts for instance in self._list(host, service)]
        return sorted(found, key=lambda instance: (instance.started, instance.address))

    @override
    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        with self._container(instance) as container:
            if container is None:
                return []
            text = container.logs(tail=lines).decode("utf-8", "replace")
        return mask(text, self._settings.env, self._base).splitlines()

    @override
    def exited(self, service: str) -> Sequence[Instance]:
        return [instance for host in self._docker.hosts for instance in self._list(host, service, EXITED_STATES)]

    @override
    def remove_exited(self, service: str, run: str, *, keep: str = "") -> None:
        """Remove the exited containers of a run; `keep` is ignored, because the engine does not replace containers."""
        for host in self._docker.hosts:
            with engine(host) as client:
                labels = [f"{SERVICE}={service}", f"{RUN}={run}"]
                filters = {"label": labels, "status": list(EXITED_STATES)}
                for container in client.containers.list(all=True, filters=filters, ignore_removed=True):
                    _remove(container)
                    self._remove_secrets(host, container)
                if any(is_reference(value) for value in self._settings.env.values()):
                    self._sweep_secrets(host, client, service)

    def _list(self, host: str, service: str | None, states: Sequence[str] = RUNNING_STATES) -> Sequence[Instance]:
        label = f"{SERVICE}={service}" if service is not None else SERVICE
        with engine(host) as client:
            filters = {"label": label, "status": list(states)}
            found = client.containers.list(all=True, filters=filters, ignore_removed=True)
        return [instance for instance in map(_instance, found) if instance is not None]

    def _start_one(self, host: str, release: Release, run: str, role: Role) -> Instance:
        name = f"pratique-{release.service}-{release.revision}-{secrets.token_hex(4)}"
        hidden = {key for key, value in release.env.items() if is_reference(value)}
        values = resolve_env(release.env, self._base)
        env = secretfiles.with_secret_files(values, hidden)
        folder = ""
        try:
            if hidden:
                where = f"{self._secrets_home(host, release.service)}/{name}"
                folder = secretfiles.path_of(self._docker.secrets_dir, where)
                secretfiles.write(host, self._docker.secrets_dir, where, {key: values[key] for key in sorted(hidden)})
            return self._run_on_free_port(host, release, name=name, run=run, role=role, env=env, folder=folder)
        except BaseException:
            if folder:
                secretfiles.remove(host, folder)
            with contextlib.suppress(MissingError), engine(host) as client:
                container = _get(client, name)
                if container is not None:
                    _remove(container)
            raise

    def _run_on_free_port(
        self, host: str, release: Release, *, name: str, run: str, role: Role, env: dict[str, str], folder: str
    ) -> Instance:
        taken = {instance.address for instance in self._list(host, None)}
        for _ in range(PORT_ATTEMPTS):
            published = published_at(host, self._docker, PORTS[secrets.randbelow(len(PORTS))])
            if published.address in taken:
                continue
            request = container_request(
                release,
                self._docker,
                name=name,
                run=run,
                role=role,
                published=published,
                env=env,
                secrets_folder=folder,
                collector=self._collector,
            )
            container = self._run(host, request)
            if container:
                address = published.address
                return Instance(container, release.service, release.revision, run, role, address, utc_now())
        raise no_free_port()

    def _run(self, host: str, request: dict[str, Any]) -> str:
        """Create and start a container; return its id, or "" if its port is taken."""
        with engine(host) as client:
            container = client.containers.create(**request)
            try:
                container.start()
            except Exception as error:
                if not _port_is_taken(error):
                    raise
                _remove(container)
                return ""
            if self._docker.network and not self._docker.host_network_reason:
                client.networks.get(self._docker.network).connect(container)
            return str(container.id)

    def _secrets_home(self, host: str, service: str) -> str:
        with engine(host) as client:
            return secretfiles.home(client.info()["ID"], service)

    def _remove_secrets(self, host: str, container: Any) -> None:
        for folder in secretfiles.folders_of(container.attrs["Mounts"], self._docker.secrets_dir):
            secretfiles.remove(host, folder)

    def _sweep_secrets(self, host: str, client: Any, service: str) -> None:
        filters = {"label": f"{SERVICE}={service}"}
        there = client.containers.list(all=True, filters=filters, ignore_removed=True)
        used = [secretfiles.folders_of(found.attrs["Mounts"], self._docker.secrets_dir) for found in there]
        # a container that is being created is not listed with its mounts yet
        names = {found.name for found in there} | {Path(folder).name for folders in used for folder in folders}
        home = secretfiles.home(client.info()["ID"], service)
        secretfiles.sweep(host, self._docker.secrets_dir, home, names)

    @contextlib.contextmanager
    def _container(self, instance: Instance) -> Iterator[Any]:
        """Give the container of an instance; None when no engine has it."""
        for host in self._docker.hosts:
            with engine(host) as client:
                container = _get(client, instance.id)
                if container is not None:
                    yield container
                    return
        yield None

    def _state(self, instance: Instance) -> dict[str, Any] | None:
        with self._container(instance) as container:
            return dict(container.attrs["State"]) if container is not None else None

    def _restart_on_exit(self, instance: Instance) -> None:
        """Set the restart policy. Earlier, the engine would restart an instance that never became ready."""
        with self._container(instance) as container:
            if container is None or container.attrs["HostConfig"]["RestartPolicy"]["Name"] == RESTART_POLICY:
                return
            container.update(restart_policy={"Name": RESTART_POLICY})


def _port_is_taken(error: Exception) -> bool:
    text = str(error)
    return "already" in text and ("allocated" in text or "in use" in text)


def _get(client: Any, name: str) -> Any:
    import docker.errors  # noqa: PLC0415 - slow to load

    try:
        return client.containers.get(name)
    except docker.errors.NotFound:
        return None


def _remove(container: Any) -> None:
    """Remove a container with its anonymous volumes. It is not an error if it is already removed or being removed."""
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
