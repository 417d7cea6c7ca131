"""Releases as local processes. The process table is the only record of what runs: labels are environment variables."""

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
from pathlib import Path

import psutil

from pratique.clock import utc_now
from pratique.config import RuntimeSettings
from pratique.errors import MissingError, StorageError, UnavailableError
from pratique.release.model import Release
from pratique.release.secrets import mask, resolve_env
from pratique.runtime import supervise
from pratique.runtime.base import Instance, Role
from pratique.runtime.probe import probe, waited

LABELS = ("SERVICE", "REVISION", "RUN", "ROLE", "PORT")
START_S = 10.0
POLL_S = 0.05
KILLED_S = 5.0
LAST_WORDS = 600
TAIL_BYTES = 1 << 16

# below the range that the kernel takes the ports of outgoing connections from, of which a balancer has many
PORTS = range(18000, 32000)


class ProcessRuntime:
    """Start instances as detached processes that outlive the notebook which started them."""

    def __init__(self, settings: RuntimeSettings, state_dir: Path, base: Path) -> None:
        """settings: of the service. state_dir: logs, and the label that tells our instances. base: of relative paths."""
        self._settings = settings
        self._state = Path(state_dir).absolute()
        self._base = base

    @property
    def hosts(self) -> tuple[str, ...]:
        """One: this machine."""
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
        """Start `count` instances and return at once; those of the same run, revision and role that run are kept.

        Raises: MissingError (no such directory, a secret that is not there), UnavailableError (it cannot be
        started; then none that this call started is left), StorageError.
        """
        if not Path(release.location).is_dir():
            raise MissingError(f"release directory {release.location!r} is gone: restore it")
        wanted = (release.revision, run, role)
        running = [i for i in self.list(release.service) if (i.revision, i.run, i.role) == wanted]
        started: list[Instance] = []
        try:
            while len(running) + len(started) < count:
                started.append(self._start_one(release, run, role))
        except BaseException:
            for instance in started:
                self.stop(instance, drain_s=0)
            raise
        return [*running, *started][:count]

    def ready(self, instance: Instance, *, deadline_s: float) -> None:
        """Wait until the instance answers its readiness probe with 200.

        Raises: UnavailableError with its last log lines, as soon as it exits or when the deadline passes.
        """
        deadline = time.monotonic() + deadline_s
        while True:
            answer = probe(instance.address, self._settings.readiness_path)
            if self._process(instance) is None:
                # asked after the probe: where it has lost its port to another process, that one has answered
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
        """Send SIGTERM, wait at most `drain_s` for it to finish its requests, then end its process group."""
        process = self._process(instance)
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
        self._wait_gone(instance, drain_s)
        # whatever it left behind of its own is ended with it
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._wait_gone(instance, KILLED_S)

    def _wait_gone(self, instance: Instance, seconds: float) -> None:
        # not until the process is reaped: that is init's affair, and in a container there may be none
        deadline = time.monotonic() + seconds
        while self._process(instance) is not None and time.monotonic() < deadline:
            time.sleep(POLL_S / 2)

    def list(self, service: str | None = None) -> Sequence[Instance]:
        """What runs now below this state folder, oldest first."""
        found = [self._instance(process) for process in psutil.process_iter()]
        mine = [i for i in found if i is not None and (service is None or i.service == service)]
        return sorted(mine, key=lambda instance: (instance.started, instance.address))

    def logs(self, instance: Instance, *, lines: int = 50) -> Sequence[str]:
        """The instance's last log lines, secrets masked; none when its log is gone."""
        text = _tail(self._log(instance)).decode("utf-8", "replace")
        return mask(text, self._settings.env, self._base).splitlines()[-lines:]

    def ended(self, service: str) -> Sequence[Instance]:  # noqa: ARG002 - of all services alike
        """Nothing is left of a process that has ended."""
        return []

    def tidy(self, service: str, run: str, *, keep: str = "") -> None:
        """Nothing is left of a process that has ended."""

    def _start_one(self, release: Release, run: str, role: Role) -> Instance:
        port = _free_port([i.address for i in self.list()])
        values = {"port": str(port), "dir": release.location, "python": sys.executable}
        labels = dict(zip(LABELS, (release.service, release.revision, run, role, str(port)), strict=True))
        env = os.environ | resolve_env(release.env, self._base) | {"PORT": str(port)}
        env |= {f"PRATIQUE_{name}": value for name, value in labels.items()} | {supervise.STATE_LABEL: str(self._state)}
        env.pop("PRATIQUE_PART", None)
        instance = Instance("", release.service, release.revision, run, role, f"127.0.0.1:{port}", utc_now())
        pid = _supervised(
            [_filled(word, values) for word in release.command], release.location, env, self._log(instance)
        )
        found = self._instance(psutil.Process(pid)) if psutil.pid_exists(pid) else None
        if found is None:
            raise UnavailableError(f"{_named(instance)} ended at once: {self._evidence(instance)}")
        return found

    def _instance(self, process: psutil.Process) -> Instance | None:
        try:
            labels = process.environ()
            if labels.get(supervise.STATE_LABEL) != str(self._state) or process.status() == psutil.STATUS_ZOMBIE:
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
        found = self._instance(process)
        return process if found is not None and found.id == instance.id else None

    def _log(self, instance: Instance) -> Path:
        port = instance.address.rpartition(":")[2]
        return self._state / "processes" / f"{instance.service}-{instance.revision}-{port}.log"

    def _evidence(self, instance: Instance) -> str:
        said = [line.strip() for line in self.logs(instance, lines=8) if line.strip()]
        return f"its last words: {' | '.join(said)[-LAST_WORDS:]}" if said else "it said nothing"


def _supervised(command: Sequence[str], folder: str, env: dict[str, str], log: Path) -> int:
    """Start a command under a supervisor; return the supervisor's process id."""
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot keep logs in {str(log.parent)!r}: {error.strerror}") from error
    try:
        told = subprocess.run(
            [sys.executable, "-I", "-S", supervise.__file__, str(log), *command],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_S,
            check=False,
        ).stdout.decode()
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"cannot start {command[0]!r} in {folder!r}: {type(error).__name__}") from error
    if not told.isdigit():
        raise UnavailableError(f"cannot start {command[0]!r} in {folder!r}: {told[1:] or 'no supervisor'}")
    return int(told)


def _start_ticks(pid: int) -> str:
    """The start time in clock ticks since boot: unlike a date it is not moved when the clock is set."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]


def _tail(log: Path) -> bytes:
    """The end of a log and of its older half, from the beginning of a line: half a secret would not be masked."""
    end = b"".join(_end(path) for path in (log.with_name(log.name + ".1"), log))[-TAIL_BYTES:]
    return end if len(end) < TAIL_BYTES else end.partition(b"\n")[2]


def _end(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return file.read()
    except FileNotFoundError:
        return b""


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace("{" + name + "}", value)
    return word


def _free_port(taken: Collection[str]) -> int:
    """A port that nobody listens at, nor is about to: an instance of ours may not have come so far yet."""
    for port in random.sample(PORTS, 100):
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            if f"127.0.0.1:{port}" not in taken:
                return port
    raise UnavailableError(f"no free port found from {PORTS.start} to {PORTS.stop}: stop what takes them")


def _named(instance: Instance) -> str:
    return f"{instance.service} {instance.revision} at {instance.address}"
