"""Releases as Swarm services: one service for each revision, run and role, whose tasks are the instances.

Each task publishes a port of its own node, chosen by the engine, so that the balancer sees every task. The engine
places, replaces and updates them; an instance is stopped together with its service.
"""

from __future__ import annotations

import contextlib
import math
import secrets as random
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pratique.config import RuntimeSettings
from pratique.errors import DataError, UnavailableError
from pratique.release.engine import engine
from pratique.release.image import load_image_release
from pratique.release.model import Release
from pratique.release.secrets import is_reference, mask, resolve_env
from pratique.runtime.base import Instance, Role
from pratique.runtime.containerlog import log_config
from pratique.runtime.probe import probe, waited

PREFIX = "pratique."
LABELS = ("service", "revision", "run", "role", "digest")
OVER = {"complete", "failed", "shutdown", "rejected", "orphaned", "remove"}
PLACED_S = 30.0
POLL_S = 0.1
LAST_WORDS = 600
RESTART_DELAY_NS = 2_000_000_000
NS = 1_000_000_000


class SwarmRuntime:
    """Start, watch and stop Swarm services, through the manager at `runtime.docker.hosts[0]`."""

    def __init__(self, settings: RuntimeSettings, base: Path, *, collector: str = "127.0.0.1:5514") -> None:
        """settings: of the service. base: of relative paths. collector: takes the logs where they go by syslog."""
        self._settings = settings
        self._docker = settings.docker
        self._base = base
        self._collector = collector
        self._host = settings.docker.hosts[0]

    @property
    def hosts(self) -> tuple[str, ...]:
        """One: Swarm itself places what it runs."""
        return ("",)

    def start(
        self,
        release: Release,
        *,
        run: str,
        role: Role,
        count: int = 1,
        hosts: Sequence[str] | None = None,  # noqa: ARG002 - there is only one
    ) -> list[Instance]:
        """Have `count` tasks of a service; return when the engine has started them.

        Raises: MissingError (a secret that is not there), UnavailableError (no node takes them, one has ended).
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
                return [*self._placed(client, service, count)]
            except UnavailableError:
                # one that was there may serve
                if not found:
                    self._remove(service, 0.0)
                elif before != count:
                    _scale(service, before)
                raise

    def ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until its readiness probe gets 200.

        Raises: UnavailableError with its last log lines, as soon as it ends or when the deadline passes. Its service is
        left as it is, and the engine starts another one: other tasks of it may serve.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            answer = probe(instance.address, self._settings.readiness_path)
            with engine(self._host) as client:
                task = _task(client, instance.id)
                if task is None or task["Status"]["State"] in OVER:
                    raise UnavailableError(f"{_named(instance)} ended before it was ready: {self._evidence(instance)}")
            if answer == "200":
                return
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{_named(instance)} did not answer {self._settings.readiness_path} with 200{waited(deadline_s)} "
                    f"(last: {answer}): {self._evidence(instance)}"
                )
            time.sleep(POLL_S)

    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Scale its service to nothing, wait for its tasks, and remove it with its secrets.

        How long a task may take is `runtime.drain_s`, with which the service was created.
        """
        wanted = {
            "service": instance.service,
            "revision": instance.revision,
            "run": instance.run,
            "role": instance.role,
        }
        with engine(self._host, timeout_s=drain_s + 60) as client:
            for service in _services(client, wanted):
                self._remove(service, drain_s)

    def list(self, service: str | None = None) -> Sequence[Instance]:
        """The tasks that run now, oldest first, whoever started them."""
        with engine(self._host) as client:
            found = [
                instance
                for known in _services(client, {"service": service} if service is not None else {})
                for instance in self._instances(client, known)
            ]
        return sorted(found, key=lambda instance: (instance.started, instance.address))

    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """The last log lines of its service, secrets masked; none when it is gone."""
        wanted = {
            "service": instance.service,
            "revision": instance.revision,
            "run": instance.run,
            "role": instance.role,
        }
        with engine(self._host) as client:
            chunks = [
                chunk
                for known in _services(client, wanted)
                for chunk in known.logs(stdout=True, stderr=True, tail=lines)
            ]
        text = mask(b"".join(chunks).decode("utf-8", "replace"), self._settings.env, self._base)
        return text.splitlines()[-lines:]

    def ended(self, service: str) -> Sequence[Instance]:
        """The services of which no task runs now, each as one instance, without an address; it may be that the engine
        is about to start them again.
        """
        with engine(self._host) as client:
            return [
                self._instance(known, id=known.id, address="", started=known.attrs["CreatedAt"])
                for known in _services(client, {"service": service})
                if not self._instances(client, known)
            ]

    def tidy(self, service: str, run: str, *, keep: str = "") -> None:
        """Remove the services of a run that have no task running any more. keep: a revision whose service stays."""
        with engine(self._host) as client:
            for known in _services(client, {"service": service, "run": run}):
                kept = known.attrs["Spec"]["Labels"].get(PREFIX + "revision") == keep
                if not kept and not self._instances(client, known):
                    self._remove(known, 0.0)
            _remove_secrets(client, run)

    def _create(self, client: Any, release: Release, labels: dict[str, str], count: int) -> Any:
        from docker import types  # noqa: PLC0415 - slow to load

        # Swarm's names take no dot and few letters: the labels say the rest
        name = f"pratique-{random.token_hex(8)}"
        hidden = {key: value for key, value in release.env.items() if is_reference(value)}
        values = resolve_env(release.env, self._base)
        env = {key: value for key, value in values.items() if key not in hidden}
        env |= {f"{key}_FILE": f"/run/secrets/{key}" for key in hidden}
        env |= {f"PRATIQUE_{key.upper()}": labels[key] for key in ("service", "revision", "run", "role")}
        env |= {"PORT": str(self._docker.port)}
        marked = {PREFIX + key: value for key, value in labels.items()}
        references: Sequence[Any] = []
        for key in sorted(hidden):
            secret_name = f"{name}-{len(references)}"
            secret = client.secrets.create(name=secret_name, data=values[key].encode(), labels=marked)
            references = [*references, types.SecretReference(secret.id, secret_name, filename=key, mode=0o444)]
        swarm, docker = self._settings.swarm, self._docker
        arguments = [word.replace("{port}", str(docker.port)) for word in release.command]
        return client.services.create(
            self._image(release),
            # the image's own command where there is none
            **({"args": arguments} if arguments else {}),
            name=name,
            labels=marked,
            container_labels=marked,
            env=[f"{key}={value}" for key, value in env.items()],
            mode=types.ServiceMode("replicated", replicas=count),
            constraints=list(swarm.constraints),
            secrets=references,
            endpoint_spec=types.EndpointSpec(mode="dnsrr", ports=[_port(docker.port)]),
            update_config=types.UpdateConfig(
                parallelism=swarm.update_parallelism,
                delay=int(swarm.update_delay_s * NS),
                order="start-first",
                failure_action="rollback",
            ),
            restart_policy=types.RestartPolicy(condition="any", delay=RESTART_DELAY_NS),
            stop_grace_period=math.ceil(self._settings.drain_s) * NS,
            read_only=True,
            init=True,
            cap_drop=["ALL"],
            cap_add=list(docker.cap_add),
            mounts=[
                *[
                    types.Mount(path, None, type="tmpfs", tmpfs_size=_bytes(size))
                    for path, size in docker.tmpfs.items()
                ],
                *[types.Mount(path, volume, type="volume") for volume, path in docker.volumes.items()],
            ],
            resources=types.Resources(cpu_limit=round(docker.cpus * 1e9), mem_limit=_bytes(docker.memory)),
            **dict(
                zip(("log_driver", "log_driver_options"), log_config(docker, release, self._collector), strict=True)
            ),
            networks=[docker.network] if docker.network else [],
        )

    def _image(self, release: Release) -> str:
        """The image by its digest; one of the engine's own has no such name, and its tag must still stand for it."""
        if "@" in release.location:
            return release.location
        load_image_release(release.service, release.revision, self._settings, digest=release.digest)
        now = load_image_release(release.service, release.revision, self._settings).digest
        if now != release.digest:
            raise DataError(
                f"{self._docker.image}:{release.revision} is another image by now ({now[:19]}…, not "
                f"{release.digest[:19]}…): tag the right one, or use a registry"
            )
        return f"{self._docker.image}:{release.revision}"

    def _placed(self, client: Any, service: Any, count: int) -> Sequence[Instance]:
        deadline = time.monotonic() + PLACED_S
        while True:
            service.reload()
            instances = self._instances(client, service)
            if len(instances) >= count:
                return instances[:count]
            ended = [
                task["Status"].get("Err", "")
                for task in service.tasks()
                if task["Status"]["State"] in {"failed", "rejected"}
            ]
            running = {task["Status"]["State"] for task in service.tasks()}
            if (ended and not instances) or time.monotonic() > deadline:
                said = mask(
                    b"".join(service.logs(stdout=True, stderr=True, tail=8)).decode("utf-8", "replace"),
                    self._settings.env,
                    self._base,
                )
                words = " | ".join(line.strip() for line in said.splitlines())[-LAST_WORDS:]
                raise UnavailableError(
                    f"{service.name} has {len(instances)} of {count} tasks running ({', '.join(sorted(running))}; "
                    f"{'; '.join(filter(None, ended)) or 'no error'}): its last words: {words}"
                )
            time.sleep(POLL_S)

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
        return "127.0.0.1" if found in {"", "0.0.0.0"} else found  # noqa: S104 - what the engine says of itself

    def _remove(self, service: Any, drain_s: float) -> None:
        import docker.errors  # noqa: PLC0415 - slow to load

        with contextlib.suppress(docker.errors.NotFound):
            _scale(service, 0)
            deadline = time.monotonic() + max(drain_s, self._settings.drain_s) + 10
            while any(task["Status"]["State"] not in OVER for task in service.tasks()) and time.monotonic() < deadline:
                time.sleep(POLL_S)
            service.remove()
            _remove_secrets(service.client, service.attrs["Spec"]["Labels"].get(PREFIX + "run", ""))

    def _evidence(self, instance: Instance) -> str:
        said = [line.strip() for line in self.logs(instance, lines=8) if line.strip()]
        return f"its last words: {' | '.join(said)[-LAST_WORDS:]}" if said else "it said nothing"


def _scale(service: Any, count: int) -> None:
    """Set how many tasks it has, and change nothing else.

    `service.scale` of the package docker sends the engine's defaults along, which makes it replace every task.
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


def _services(client: Any, labels: dict[str, str]) -> Sequence[Any]:
    filters = [f"{PREFIX}{name}={value}" for name, value in labels.items()] or [f"{PREFIX}service"]
    return list(client.services.list(filters={"label": filters}))


def _remove_secrets(client: Any, run: str) -> None:
    """Remove the secrets of a run that no service has."""
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


def _port(inside: int) -> dict[str, object]:
    return {"Protocol": "tcp", "TargetPort": inside, "PublishMode": "host"}


def _bytes(size: str) -> int:
    return int(size[:-1]) * {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[size[-1]]


def _named(instance: Instance) -> str:
    return f"{instance.service} {instance.revision} at {instance.address}"
