"""Releases as Swarm services: one service for each revision, run and role, whose tasks are the instances.

Each task publishes a port of its node, which the engine chooses, and the balancer connects to every task directly.
The engine places, replaces and updates tasks. An instance stops together with its service.
"""

from __future__ import annotations

import contextlib
import secrets as random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from typing_extensions import override

from pratique.config import RuntimeSettings
from pratique.errors import DataError, UnavailableError
from pratique.release.docker_engine import engine
from pratique.release.image import load_image_release
from pratique.release.model import Release
from pratique.release.secrets import is_reference, mask, resolve_env
from pratique.runtime.base import Instance, Role, Runtime
from pratique.runtime.probe import probe
from pratique.runtime.readiness import EXCERPT_LINES, Check, log_excerpt, wait_ready
from pratique.runtime.secretfiles import with_secret_files
from pratique.runtime.swarm_request import PREFIX, prefixed, service_request

LABELS = ("service", "revision", "run", "role", "digest")
FINAL_STATES = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}
PLACEMENT_TIMEOUT_S = 30.0
ENGINE_TIMEOUT_S = 60.0
POLL_S = 0.1


class SwarmRuntime(Runtime):
    """Start, list and stop Swarm services, through the manager at `runtime.docker.hosts[0]`."""

    def __init__(self, settings: RuntimeSettings, base: Path, *, collector: str = "127.0.0.1:5514") -> None:
        """base: folder of relative paths. collector: "host:port" that receives the logs of the syslog driver."""
        self._settings = settings
        self._docker = settings.docker
        self._base = base
        self._collector = collector
        self._host = settings.docker.hosts[0]

    @property
    @override
    def hosts(self) -> tuple[str, ...]:
        """Return one entry: Swarm itself places the tasks."""
        return ("",)

    @override
    def start(
        self, release: Release, *, run: str, role: Role, count: int = 1, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Create or scale a service of `count` tasks; return when all of them run.

        Raises: MissingError (a secret that is not set), UnavailableError (no node accepts the tasks, or a task
        exited; tasks that ran before the call keep running).
        """
        labels = dict(zip(LABELS, (release.service, release.revision, run, role, release.digest), strict=True))
        with engine(self._host) as client:
            found = _services(client, {name: labels[name] for name in ("service", "revision", "run", "role")})
            try:
                service = found[0] if found else self._create(client, release, labels, count)
            except BaseException:
                _remove_secrets(client, labels["run"])
                raise
            before = service.attrs["Spec"]["Mode"]["Replicated"]["Replicas"]
            if before != count:
                _scale(service, count)
            try:
                return [*self._wait_running(client, service, count)]
            except UnavailableError:
                # a service that existed before may receive traffic
                if not found:
                    self._remove(service, 0.0)
                elif before != count:
                    _scale(service, before)
                raise

    @override
    def wait_ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until the readiness probe gets 200.

        Raises: UnavailableError with its last log lines, when it exits or the deadline passes. The service is not
        removed: other tasks of it may receive traffic, and the engine replaces the one that exited.
        """
        logs = partial(self.logs, instance, lines=EXCERPT_LINES)
        wait_ready(instance, partial(self._check, instance), logs, deadline_s=deadline_s)

    def _check(self, instance: Instance) -> Check:
        path = self._settings.readiness_path
        answer = probe(instance.address, path)
        with engine(self._host) as client:
            task = _task(client, instance.id)
        exited = task is None or task["Status"]["State"] in FINAL_STATES
        return Check(ready=answer == "200", answer=answer, expected=f"{path} with 200", exited=exited)

    @override
    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Scale the service to zero, wait for its tasks, and remove the service with its secrets.

        The engine gives each task `runtime.drain_s`, as it was when the service was created.
        """
        with engine(self._host, timeout_s=drain_s + ENGINE_TIMEOUT_S) as client:
            for service in _services(client, _labels_of(instance)):
                self._remove(service, drain_s)

    @override
    def list(self, service: str | None = None) -> Sequence[Instance]:
        """Return the running tasks, oldest first, whoever started them."""
        with engine(self._host) as client:
            found = [
                instance
                for known in _services(client, {"service": service} if service is not None else {})
                for instance in self._instances(client, known)
            ]
        return sorted(found, key=lambda instance: (instance.started, instance.address))

    @override
    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """Return the last log lines of its whole service, with secrets masked."""
        with engine(self._host) as client:
            return [
                line for known in _services(client, _labels_of(instance)) for line in self._log_lines(known, lines)
            ][-lines:]

    @override
    def exited(self, service: str) -> Sequence[Instance]:
        """Return the services without a running task, each as one instance without an address.

        The engine may be about to restart them.
        """
        with engine(self._host) as client:
            return [
                self._instance(known, id=known.id, address="", started=known.attrs["CreatedAt"])
                for known in _services(client, {"service": service})
                if not self._instances(client, known)
            ]

    @override
    def remove_exited(self, service: str, run: str, *, keep: str = "") -> None:
        """Remove the services of a run that have no running task. keep: a revision whose service is not removed."""
        with engine(self._host) as client:
            for known in _services(client, {"service": service, "run": run}):
                kept = known.attrs["Spec"]["Labels"].get(PREFIX + "revision") == keep
                if not kept and not self._instances(client, known):
                    self._remove(known, 0.0)
            _remove_secrets(client, run)

    def _create(self, client: Any, release: Release, labels: Mapping[str, str], count: int) -> Any:
        # a service name allows neither dots nor long names, so the labels carry the details
        name = f"pratique-{random.token_hex(8)}"
        hidden = {key for key, value in release.env.items() if is_reference(value)}
        values = resolve_env(release.env, self._base)
        request = service_request(
            release,
            self._settings,
            image=self._image(release),
            name=name,
            labels=labels,
            count=count,
            env=with_secret_files(values, hidden),
            secrets=_create_secrets(client, name, {key: values[key] for key in sorted(hidden)}, labels),
            collector=self._collector,
        )
        return client.services.create(**request)

    def _image(self, release: Release) -> str:
        """Return the image by digest. A local image has no such name: its tag must still point to the digest."""
        if "@" in release.location:
            return release.location
        load_image_release(release.service, release.revision, self._settings, digest=release.digest)
        found = load_image_release(release.service, release.revision, self._settings).digest
        if found != release.digest:
            raise DataError(
                f"{self._docker.image}:{release.revision} points to another image ({found[:19]}…, expected "
                f"{release.digest[:19]}…): tag the right image, or use a registry"
            )
        return f"{self._docker.image}:{release.revision}"

    def _wait_running(self, client: Any, service: Any, count: int) -> Sequence[Instance]:
        deadline = time.monotonic() + PLACEMENT_TIMEOUT_S
        while True:
            service.reload()
            instances = self._instances(client, service)
            if len(instances) >= count:
                return instances[:count]
            status = [task["Status"] for task in service.tasks()]
            errors = [found.get("Err", "") for found in status if found["State"] in {"failed", "rejected"}]
            if (errors and not instances) or time.monotonic() > deadline:
                states = ", ".join(sorted({found["State"] for found in status}))
                raise UnavailableError(
                    f"{service.name} has {len(instances)} of {count} tasks running ({states}; "
                    f"{'; '.join(filter(None, errors)) or 'no error'}): "
                    f"{log_excerpt(self._log_lines(service, EXCERPT_LINES))}"
                )
            time.sleep(POLL_S)

    def _log_lines(self, service: Any, lines: int) -> Sequence[str]:
        text = b"".join(service.logs(stdout=True, stderr=True, tail=lines)).decode("utf-8", "replace")
        return mask(text, self._settings.env, self._base).splitlines()

    def _instances(self, client: Any, service: Any) -> Sequence[Instance]:
        found = []
        for task in service.tasks(filters={"desired-state": "running"}):
            ports = task["Status"].get("PortStatus", {}).get("Ports") or []
            if task["Status"]["State"] != "running" or not ports:
                continue
            address = f"{self._address(client, task['NodeID'])}:{ports[0]['PublishedPort']}"
            found.append(self._instance(service, id=task["ID"], address=address, started=task["CreatedAt"]))
        return found

    def _instance(self, service: Any, *, id: str, address: str, started: str) -> Instance:  # noqa: A002
        labels = {key: service.attrs["Spec"]["Labels"].get(PREFIX + key, "") for key in LABELS}
        return Instance(
            id=id,
            service=labels["service"],
            revision=labels["revision"],
            run=labels["run"],
            role="canary" if labels["role"] == "canary" else "baseline",
            address=address,
            started=datetime.fromisoformat(started),
            group=service.id,
        )

    def _address(self, client: Any, node: str) -> str:
        if self._docker.publish_address:
            return self._docker.publish_address
        found = str(client.nodes.get(node).attrs["Status"]["Addr"])
        return "127.0.0.1" if found in {"", "0.0.0.0"} else found  # noqa: S104 - the engine's address of itself

    def _remove(self, service: Any, drain_s: float) -> None:
        import docker.errors  # noqa: PLC0415 - slow to load

        with contextlib.suppress(docker.errors.NotFound):
            _scale(service, 0)
            deadline = time.monotonic() + max(drain_s, self._settings.drain_s) + 10
            while (
                any(task["Status"]["State"] not in FINAL_STATES for task in service.tasks())
                and time.monotonic() < deadline
            ):
                time.sleep(POLL_S)
            service.remove()
            _remove_secrets(service.client, service.attrs["Spec"]["Labels"].get(PREFIX + "run", ""))


def _scale(service: Any, count: int) -> None:
    """Set the number of tasks, and change nothing else.

    `service.scale` of the package docker also sends default settings, which makes the engine replace every task.
    """
    service.reload()
    spec = service.attrs["Spec"]
    service.client.api.update_service(
        service.id,
        service.version,
        task_template=spec["TaskTemplate"],
        name=spec["Name"],
        labels=spec["Labels"],
        mode={"Replicated": {"Replicas": count}},
        update_config=spec.get("UpdateConfig"),
        rollback_config=spec.get("RollbackConfig"),
        endpoint_spec=spec.get("EndpointSpec"),
    )


def _labels_of(instance: Instance) -> dict[str, str]:
    return {
        "service": instance.service,
        "revision": instance.revision,
        "run": instance.run,
        "role": instance.role,
    }


def _services(client: Any, labels: dict[str, str]) -> Sequence[Any]:
    filters = [f"{PREFIX}{name}={value}" for name, value in labels.items()] or [f"{PREFIX}service"]
    return list(client.services.list(filters={"label": filters}))


def _create_secrets(client: Any, name: str, values: Mapping[str, str], labels: Mapping[str, str]) -> Sequence[Any]:
    """Create a secret for each value; return the references with which tasks get them as files."""
    from docker import types  # noqa: PLC0415 - slow to load

    references: list[Any] = []
    for key, value in values.items():
        secret_name = f"{name}-{len(references)}"
        secret = client.secrets.create(name=secret_name, data=value.encode(), labels=prefixed(labels))
        references.append(types.SecretReference(secret.id, secret_name, filename=key, mode=0o444))
    return references


def _remove_secrets(client: Any, run: str) -> None:
    """Remove the secrets of a run that no service uses."""
    used = {service.name for service in client.services.list()}
    for secret in client.secrets.list(filters={"label": f"{PREFIX}run={run}"}):
        if secret.name.rpartition("-")[0] not in used:
            secret.remove()


def _task(client: Any, identity: str) -> dict[str, Any] | None:
    import docker.errors  # noqa: PLC0415 - slow to load

    try:
        return dict(client.api.inspect_task(identity))
    except docker.errors.NotFound:
        return None
