"""One-off containers on a Docker engine. The engine's refusal of a name that exists (409) is the lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from pratique.config import DockerSettings, Target
from pratique.errors import MissingError, UnavailableError
from pratique.release.docker_engine import engine
from pratique.release.image import load_image_release
from pratique.release.secrets import is_reference, mask, resolve_env
from pratique.runtime import secretfiles
from pratique.runtime.docker_request import DIGEST, PREFIX, REVISION, RUN, SERVICE
from pratique.runtime.limits import limits, mounts
from pratique.runtime.log_driver import log_config
from pratique.runtime.one_off import LOG_MOST_BYTES, LOST_LINE, NameTakenError, OneOff, OneOffRunner, OneOffState

TIMEOUT = PREFIX + "timeout_s"
LABEL = PREFIX + "one-off."
"""Before the names of the labels that a caller gives."""
OWN = (SERVICE, REVISION, RUN, TIMEOUT)
NAME_TAKEN = 409
NEVER = datetime(1, 1, 1, tzinfo=UTC)
LOG_LINES = 20_000


class DockerOneOff(OneOffRunner):
    """Runs containers once, on one engine, with everything that the service's own containers have, but no port."""

    def __init__(self, target: Target, host: str) -> None:
        """host: address of the engine, "" for that of the environment."""
        self._target = target
        self._settings = target.settings.runtime
        self._docker = target.settings.runtime.docker
        self._host = host

    @override
    def now(self) -> datetime:
        with engine(self._host) as client:
            return _time(client.info()["SystemTime"]) or datetime.now(UTC)

    @override
    def find(self, name: str) -> OneOffState | None:
        with self._container(name) as container:
            return _state(container) if container is not None else None

    @override
    def start(self, wanted: OneOff) -> OneOffState:
        release = wanted.release
        load_image_release(
            release.service, release.revision, self._settings, digest=release.digest, host=self._host
        )  # fmt: skip
        hidden = {key for key, value in release.env.items() if is_reference(value)}
        values = resolve_env(release.env, self._target.base)
        folder = self._write_secrets(wanted, {key: values[key] for key in sorted(hidden)}) if hidden else ""
        try:
            container = self._create(wanted, secretfiles.with_secret_files(values, hidden), folder)
        except BaseException:
            if folder:
                secretfiles.remove(self._host, folder)
            raise
        created = self._created(container, wanted)
        try:
            self.begin(created)
            return self.find(wanted.name) or created
        except UnavailableError:
            return created

    @override
    def begin(self, state: OneOffState) -> None:
        """Start a container that was created. One that the engine cannot start stays, and its state says why."""
        import docker.errors  # noqa: PLC0415 - slow to load

        with self._container(state.id) as container:
            try:
                if container is not None:
                    container.start()
            except docker.errors.APIError:
                container.reload()
                if not _state(container).error:
                    raise

    @override
    def stop(self, state: OneOffState, *, drain_s: float) -> None:
        with self._container(state.id, timeout_s=drain_s + 60.0) as container:
            if container is not None:
                container.stop(timeout=max(1, round(drain_s)))

    @override
    def log(self, state: OneOffState) -> str:
        with self._container(state.id) as container:
            if container is None:
                return ""
            kept, whole = _end_of(container.logs(stream=True, tail=LOG_LINES), LOG_MOST_BYTES)
        if not whole:
            # a line without its beginning could hold half a secret, which would not be masked
            kept = LOST_LINE.encode() + b"\n" + kept.partition(b"\n")[2]
        return mask(kept.decode("utf-8", "replace"), self._settings.env, self._target.base)

    @override
    def remove(self, state: OneOffState) -> None:
        import docker.errors  # noqa: PLC0415 - slow to load

        with self._container(state.id) as container:
            if container is None:
                return
            self._remove_secrets(container)
            try:
                container.remove(v=True)
            except docker.errors.APIError as error:
                if error.status_code not in {404, 409}:  # gone, being removed, or started by somebody meanwhile
                    raise

    @override
    def release_secrets(self, state: OneOffState) -> None:
        with self._container(state.id) as container:
            if container is not None:
                self._remove_secrets(container)

    def _create(self, wanted: OneOff, env: dict[str, str], folder: str) -> str:
        import docker.errors  # noqa: PLC0415 - slow to load

        request = container_request(self._docker, wanted, env, folder, self._target.telemetry.collector_address)
        with engine(self._host) as client:
            try:
                container = client.containers.create(**request)
            except docker.errors.APIError as error:
                if error.status_code != NAME_TAKEN:
                    raise
                raise NameTakenError(
                    f"a container {wanted.name!r} is on the engine already: wait until it ends"
                ) from None
            try:
                if self._docker.network and not self._docker.host_network_reason:
                    client.networks.get(self._docker.network).connect(container)
            except BaseException:
                container.remove(v=True)
                raise
            return str(container.id)

    @staticmethod
    def _created(identity: str, wanted: OneOff) -> OneOffState:
        """A container before its engine is asked to start it."""
        return OneOffState(
            id=identity, name=wanted.name, service=wanted.release.service, revision=wanted.release.revision,
            run=wanted.run, labels=dict(wanted.labels), created=datetime.now(UTC), started=None, ended=None,
            exit_code=None, oom=False, error="", timeout_s=wanted.timeout_s,
        )  # fmt: skip

    def _write_secrets(self, wanted: OneOff, secrets: dict[str, str]) -> str:
        with engine(self._host) as client:
            home = secretfiles.home(client.info()["ID"], wanted.release.service)
        # not the name alone: it may be that of one that runs
        where = f"{home}/{wanted.name}.{wanted.run}"
        folder = secretfiles.path_of(self._docker.secrets_dir, where)
        secretfiles.remove(self._host, folder)
        secretfiles.write(self._host, self._docker.secrets_dir, where, secrets)
        return folder

    def _remove_secrets(self, container: Any) -> None:
        for folder in secretfiles.folders_of(container.attrs["Mounts"], self._docker.secrets_dir):
            secretfiles.remove(self._host, folder)

    @contextlib.contextmanager
    def _container(self, name: str, *, timeout_s: float = 60.0) -> Iterator[Any]:
        """Give a container by name or id; None when the engine has none."""
        import docker.errors  # noqa: PLC0415 - slow to load

        try:
            with engine(self._host, timeout_s=timeout_s) as client:
                try:
                    found = client.containers.get(name)
                except docker.errors.NotFound:
                    found = None
                yield found
        except MissingError:
            return  # it was removed meanwhile


def container_request(
    settings: DockerSettings, wanted: OneOff, env: dict[str, str], secrets_folder: str, collector: str
) -> dict[str, Any]:
    """Return the arguments of `containers.create`. env: without secrets. secrets_folder: "" without secrets.

    It has no address, so nobody takes it for an instance, and the label of its service, so its secrets are not swept away.
    """
    release = wanted.release
    labels = {SERVICE: release.service, REVISION: release.revision, RUN: wanted.run, DIGEST: release.digest}
    own = {"PRATIQUE_SERVICE": release.service, "PRATIQUE_REVISION": release.revision, "PRATIQUE_RUN": wanted.run}
    network = {"network_mode": "host"} if settings.host_network_reason else {}
    return {
        "image": release.location,
        "command": list(wanted.command),
        "name": wanted.name,
        "labels": labels | {TIMEOUT: str(wanted.timeout_s)} | {LABEL + key: v for key, v in wanted.labels.items()},
        "environment": {**env, **own, **{f"PRATIQUE_{key.upper()}": value for key, value in wanted.labels.items()}},
        "mounts": mounts(settings, secrets_folder),
        "log_config": dict(zip(("Type", "Config"), log_config(settings, release, collector), strict=True)),
        "healthcheck": {"test": ["NONE"]},
        **limits(settings),
        **network,
    }


def _state(container: Any) -> OneOffState:
    labels, state = container.labels, container.attrs["State"]
    created = _time(container.attrs["Created"]) or NEVER
    started, ended = _time(state["StartedAt"]), _time(state["FinishedAt"])
    waits = state["Status"] == "created"
    over = state["Status"] in {"exited", "dead"}
    # the engine keeps the end of an earlier start while a container runs
    return OneOffState(
        id=container.id,
        name=container.name,
        service=labels.get(SERVICE, ""),
        revision=labels.get(REVISION, ""),
        run=labels.get(RUN, ""),
        labels={key.removeprefix(LABEL): value for key, value in labels.items() if key.startswith(LABEL)},
        created=created,
        started=started,
        ended=ended if over else None,
        exit_code=state["ExitCode"] if over or (waits and state["Error"]) else None,
        oom=bool(over and state.get("OOMKilled")),
        error=str(state["Error"])[:500] if waits else "",
        timeout_s=_number(labels.get(TIMEOUT, "")),
    )


def _time(text: str) -> datetime | None:
    """Return a time of the engine; None for its year 1, which means never."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.year > 1 else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _end_of(pieces: Iterable[bytes], most: int) -> tuple[bytes, bool]:
    """Return the last `most` bytes of a stream, and whether that is all that was printed."""
    kept, whole = b"", True
    for piece in pieces:
        kept += piece
        if len(kept) > 2 * most:
            kept, whole = kept[-most:], False
    return kept[-most:], whole and len(kept) <= most and kept.count(b"\n") < LOG_LINES
