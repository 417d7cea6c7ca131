"""Releases as local processes.

The process table is the only record of the running instances. Their labels are environment variables of their supervisor,
which count only on a supervisor that runs as this user.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
from typing_extensions import override

from pratique.clock import utc_now
from pratique.config import RuntimeSettings
from pratique.errors import MissingError, StorageError, UnavailableError
from pratique.files import make_private_folder
from pratique.own_processes import own_processes, runs_as_us
from pratique.release.model import Release
from pratique.release.secrets import mask, resolve_env
from pratique.runtime import supervise
from pratique.runtime.base import PORTS, Instance, Role, Runtime, no_free_port
from pratique.runtime.probe import probe
from pratique.runtime.readiness import EXCERPT_LINES, Check, log_excerpt, wait_ready

PASSED_ON = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR")
"""What an instance gets of the environment of its starter, and every LC_… variable; everything else is declared."""
SUPERVISOR = "runtime/supervise.py"
LABELS = ("SERVICE", "REVISION", "RUN", "ROLE", "PORT")
SUPERVISOR_START_TIMEOUT_S = 10.0
POLL_S = 0.05
KILL_TIMEOUT_S = 5.0
LOG_TAIL_BYTES = 1 << 16


class ProcessRuntime(Runtime):
    """Start instances as detached processes that outlive the process which started them."""

    def __init__(self, settings: RuntimeSettings, state_dir: Path, base: Path) -> None:
        """state_dir: folder of the logs, and the label of its instances. base: folder of relative paths."""
        self._settings = settings
        self._state = Path(state_dir).resolve()
        self._base = base

    @property
    @override
    def hosts(self) -> tuple[str, ...]:
        return ("",)

    @override
    def start(
        self, release: Release, *, run: str, role: Role, count: int = 1, hosts: Sequence[str] | None = None
    ) -> list[Instance]:
        """Start `count` instances on this machine, as Runtime.start says.

        Raises: MissingError (no release directory, a secret that is not set), UnavailableError (an instance cannot
        be started; the instances that this call started are stopped), StorageError.
        """
        if not Path(release.location).is_dir():
            raise MissingError(f"release directory {release.location!r} does not exist: restore it")
        labels = (release.revision, run, role)
        running = [i for i in self.list(release.service) if (i.revision, i.run, i.role) == labels]
        started: list[Instance] = []
        try:
            while len(running) + len(started) < count:
                started.append(self._start_one(release, run, role))
        except BaseException:
            for instance in started:
                self.stop(instance, drain_s=0)
            raise
        return [*running, *started][:count]

    @override
    def wait_ready(self, instance: Instance, *, deadline_s: float) -> None:
        logs = partial(self.logs, instance, lines=EXCERPT_LINES)
        wait_ready(instance, partial(self._check, instance), logs, deadline_s=deadline_s, poll_s=POLL_S)

    def _check(self, instance: Instance) -> Check:
        path = self._settings.readiness_path
        answer = probe(instance.address, path)
        # checked after the probe: if another process has taken its port, that process has answered
        exited = self._process(instance) is None
        return Check(ready=answer == "200", answer=answer, expected=f"{path} with 200", exited=exited)

    @override
    def stop(self, instance: Instance, *, drain_s: float) -> None:
        process = self._process(instance)
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
        self._wait_gone(instance, drain_s)
        # the group includes processes that the instance started and left running
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._wait_gone(instance, KILL_TIMEOUT_S)

    def _wait_gone(self, instance: Instance, seconds: float) -> None:
        # a zombie counts as gone: init reaps it, and in a container there may be no init
        deadline = time.monotonic() + seconds
        while self._process(instance) is not None and time.monotonic() < deadline:
            time.sleep(POLL_S / 2)

    @override
    def list(self, service: str | None = None) -> Sequence[Instance]:
        """Return the running instances of this state folder, oldest first."""
        found = [self._instance(process) for process in own_processes(SUPERVISOR)]
        known = [i for i in found if i is not None and (service is None or i.service == service)]
        return sorted(known, key=lambda instance: (instance.started, instance.address))

    @override
    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        text = _tail(self._log(instance)).decode("utf-8", "replace")
        return mask(text, self._settings.env, self._base).splitlines()[-lines:]

    @override
    def exited(self, service: str) -> Sequence[Instance]:
        """Return nothing: the process table keeps no exited instances."""
        return []

    @override
    def remove_exited(self, service: str, run: str, *, keep: str = "") -> None:
        """Do nothing: the process table keeps no exited instances."""

    def _start_one(self, release: Release, run: str, role: Role) -> Instance:
        port = _free_port([i.address for i in self.list()])
        values = {"port": str(port), "dir": release.location, "python": sys.executable}
        labels = dict(zip(LABELS, (release.service, release.revision, run, role, str(port)), strict=True))
        env = passed_on() | resolve_env(release.env, self._base) | {"PORT": str(port)}
        env |= {f"PRATIQUE_{name}": value for name, value in labels.items()} | {supervise.STATE_LABEL: str(self._state)}
        instance = Instance("", release.service, release.revision, run, role, f"127.0.0.1:{port}", utc_now())
        pid = _supervised(
            [filled(word, values) for word in release.command], release.location, env, self._log(instance)
        )
        found = self._instance(psutil.Process(pid)) if psutil.pid_exists(pid) else None
        if found is None:
            logs = self.logs(instance, lines=EXCERPT_LINES)
            raise UnavailableError(f"{instance} exited immediately: {log_excerpt(logs)}")
        return found

    def _instance(self, process: psutil.Process) -> Instance | None:
        try:
            labels = process.environ()
            # an older version wrote the path as it was given
            if os.path.realpath(labels[supervise.STATE_LABEL]) != str(self._state):
                return None
            service, revision, run, role, port = (labels[f"PRATIQUE_{name}"] for name in LABELS)
            identity, started = f"{process.pid}:{_start_ticks(process.pid)}", process.create_time()
        except (psutil.Error, KeyError, OSError):
            return None
        return Instance(
            id=identity,
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
        except psutil.Error:
            return None
        found = self._instance(process) if runs_as_us(process, SUPERVISOR) else None
        return process if found is not None and found.id == instance.id else None

    def _log(self, instance: Instance) -> Path:
        port = instance.address.rpartition(":")[2]
        return self._state / "processes" / f"{instance.service}-{instance.revision}-{port}.log"


def passed_on() -> dict[str, str]:
    """Return what a process of a release gets of our environment."""
    return {name: value for name, value in os.environ.items() if name in PASSED_ON or name.startswith("LC_")}


def _supervised(command: Sequence[str], folder: str, env: dict[str, str], log: Path) -> int:
    """Start a command under a supervisor process; return the process id of the supervisor."""
    try:
        make_private_folder(log.parent)
    except OSError as error:
        raise StorageError(f"cannot write logs to {str(log.parent)!r}: {error.strerror}") from error
    try:
        answer = subprocess.run(
            [sys.executable, "-I", "-S", supervise.__file__, str(log), *command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SUPERVISOR_START_TIMEOUT_S,
            check=False,
        ).stdout.decode()
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"cannot start {command[0]!r} in {folder!r}: {type(error).__name__}") from error
    if not answer.isdigit():
        reason = answer[1:] or "its supervisor did not start"
        raise UnavailableError(f"cannot start {command[0]!r} in {folder!r}: {reason}")
    return int(answer)


def _start_ticks(pid: int) -> str:
    """Return the start time in clock ticks since boot. Unlike a date, it does not change when the clock is set."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]


def _tail(log: Path) -> bytes:
    """Return the end of a log and its older half. It begins with a complete line: half a secret would not be masked."""
    end = b"".join(_end(path) for path in (log.with_name(log.name + ".1"), log))[-LOG_TAIL_BYTES:]
    return end if len(end) < LOG_TAIL_BYTES else end.partition(b"\n")[2]


def _end(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
            return file.read()
    except FileNotFoundError:
        return b""


def filled(word: str, values: dict[str, str]) -> str:
    """Return a word of a command with its {names} replaced."""
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


def _free_port(taken: Collection[str]) -> int:
    """Return a port that no process listens on. taken: addresses of instances that may not listen yet."""
    for port in random.sample(PORTS, 100):
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            if f"127.0.0.1:{port}" not in taken:
                return port
    raise no_free_port()
