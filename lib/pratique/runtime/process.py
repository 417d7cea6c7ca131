"""Releases as local processes. The process table is the only record of what runs: labels are environment variables."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pratique.config import RuntimeSettings
from pratique.errors import MissingError, UnavailableError
from pratique.release.model import Release
from pratique.release.secrets import resolve_env
from pratique.runtime.base import Instance, Role

LABELS = ("SERVICE", "REVISION", "RUN", "ROLE", "PORT", "STATE")
PROBE_S = 1.0
LABELLED_S = 2.0
LOG_BYTES = 1 << 20
"""An instance's log is cut to its last half when it has grown beyond this by the time another is started."""


_STARTED: list[psutil.Popen] = []
"""Handles of what this process has started, kept so that what ends is reaped and nothing is said of what outlives us."""


class ProcessRuntime:
    """Start instances as detached processes that outlive the notebook which started them."""

    def __init__(self, settings: RuntimeSettings, state_dir: Path, base: Path) -> None:
        """settings: of the service. state_dir: logs, and the label that tells our instances. base: of relative paths."""
        self._settings = settings
        self._state = state_dir.absolute()
        self._base = base

    def start(self, release: Release, *, run: str, role: Role, count: int = 1) -> list[Instance]:
        """Start `count` instances and return at once; those of the same run, revision and role that run are kept.

        Raises: MissingError (no such directory, a secret that is not there), UnavailableError (it cannot be started).
        """
        if not Path(release.location).is_dir():
            raise MissingError(f"release directory {release.location!r} is gone: restore it")
        wanted = (release.revision, run, role)
        running = [i for i in self.list(release.service) if (i.revision, i.run, i.role) == wanted]
        while len(running) < count:
            running.append(self._start_one(release, run, role))
        return running[:count]

    def ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until the instance answers its readiness probe with 200.

        Raises: UnavailableError with its last log lines, when it exits or the deadline passes.
        """
        deadline = time.monotonic() + deadline_s
        while not _probe(instance.address, self._settings.ready):
            if self._process(instance) is None:
                raise UnavailableError(f"{_named(instance)} exited before it was ready: {self._evidence(instance)}")
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"{_named(instance)} did not answer {self._settings.ready} with 200 within {deadline_s:g} s: "
                    f"{self._evidence(instance)}"
                )
            time.sleep(0.05)

    def stop(self, instance: Instance, *, drain_s: float) -> None:
        """Send SIGTERM, wait at most `drain_s` for it to finish its requests, then end its process group."""
        process = self._process(instance)
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
            psutil.wait_procs([process], timeout=drain_s)
        # whatever it left behind of its own is ended with it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(psutil.Error):
            psutil.wait_procs([process], timeout=5.0)

    def list(self, service: str | None = None) -> Sequence[Instance]:
        """What runs now below this state folder, oldest first."""
        _STARTED[:] = [process for process in _STARTED if process.poll() is None]
        found = [self._instance(process) for process in psutil.process_iter()]
        mine = [i for i in found if i is not None and (service is None or i.service == service)]
        return sorted(mine, key=lambda instance: instance.started)

    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """The instance's last log lines; none when its log is gone."""
        try:
            with self._log(instance.service, instance.revision, instance.address.rpartition(":")[2]).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))
                return file.read().decode("utf-8", "replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def _start_one(self, release: Release, run: str, role: Role) -> Instance:
        port = _free_port()
        values = {"port": str(port), "dir": release.location, "python": sys.executable}
        command = [_filled(word, values) for word in release.command]
        labels = dict(
            zip(LABELS, (release.service, release.revision, run, role, str(port), str(self._state)), strict=True)
        )
        env = os.environ | resolve_env(release.env, self._base)
        env |= {f"PRATIQUE_{name}": value for name, value in labels.items()} | {"PORT": str(port)}
        env.pop("PRATIQUE_PART", None)
        log = self._log(release.service, release.revision, str(port))
        log.parent.mkdir(parents=True, exist_ok=True)
        process = _spawn(command, release.location, env, log)
        instance = self._labelled(process)
        if instance is None:
            raise UnavailableError(f"{release.service} {release.revision} exited at once: {_last(log)} (log: {log})")
        return instance

    def _labelled(self, process: psutil.Process) -> Instance | None:
        """The instance just started; its environment cannot be read for a moment while it is being executed."""
        deadline = time.monotonic() + LABELLED_S
        while (instance := self._instance(process)) is None and time.monotonic() < deadline:
            if psutil.pid_exists(process.pid) and _STARTED[-1].poll() is None:
                time.sleep(0.01)
            else:
                return None
        return instance

    def _instance(self, process: psutil.Process) -> Instance | None:
        try:
            labels = process.environ()
            # a child of an instance inherits the labels; the instance is the leader of its session
            if labels.get("PRATIQUE_STATE") != str(self._state) or os.getsid(process.pid) != process.pid:
                return None
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            started = process.create_time()
            values = [labels[f"PRATIQUE_{name}"] for name in ("SERVICE", "REVISION", "RUN", "ROLE", "PORT")]
        except (psutil.Error, KeyError, ProcessLookupError):
            return None
        service, revision, run, role, port = values
        return Instance(
            id=f"{process.pid}:{started:.2f}",
            service=service,
            revision=revision,
            run=run,
            role="canary" if role == "canary" else "baseline",
            address=f"127.0.0.1:{port}",
            started=datetime.fromtimestamp(started, UTC),
        )

    def _process(self, instance: Instance) -> psutil.Process | None:
        try:
            process = psutil.Process(int(instance.id.partition(":")[0]))
            found = self._instance(process)
        except psutil.Error:
            return None
        return process if found is not None and found.id == instance.id else None

    def _log(self, service: str, revision: str, port: str) -> Path:
        return self._state / "processes" / f"{service}-{revision}-{port}.log"

    def _evidence(self, instance: Instance) -> str:
        said = [line.strip() for line in self.logs(instance, lines=8) if line.strip()]
        return f"its last words: {' | '.join(said)[-600:]}" if said else "it said nothing"


def _spawn(command: Sequence[str], folder: str, env: dict[str, str], log: Path) -> psutil.Process:
    _bound(log)
    with log.open("ab") as output:
        try:
            process = psutil.Popen(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            raise UnavailableError(f"cannot start {command[0]!r} in {folder!r}: {error.strerror}") from error
    _STARTED.append(process)
    return psutil.Process(process.pid)


def _bound(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.write_bytes(log.read_bytes()[-LOG_BYTES // 2 :])


def _last(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1][:300] if lines else "it said nothing"


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _probe(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=PROBE_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _named(instance: Instance) -> str:
    return f"{instance.service} {instance.revision} at {instance.address}"
