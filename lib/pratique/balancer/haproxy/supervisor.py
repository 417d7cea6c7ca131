"""`pratique balancer SERVICE` for HAProxy: it starts HAProxy, restarts it when it dies, and follows the desired state.

HAProxy does not depend on this process: if it is killed, HAProxy keeps running and enforces the lease.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pratique.balancer.base import Lease, Pool
from pratique.balancer.haproxy.desired_state import DesiredState, DesiredStateStore
from pratique.balancer.haproxy.instance import HAProxyInstance
from pratique.balancer.haproxy.setup import container_of, open_desired_state, open_local_instance, template_context
from pratique.balancer.haproxy.template import Paths
from pratique.balancer.haproxy.worker_status import WorkerStatus
from pratique.balancer.lease import State
from pratique.balancer.shares import same_shares
from pratique.config import HAProxySettings, Target
from pratique.errors import PratiqueError, UnavailableError

POLL_S = 0.2
FOLLOW_INTERVAL_S = 0.5
START_TIMEOUT_S = 10.0
SHUTDOWN_TIMEOUT_S = 5.0
"""How long requests in flight may take to finish when the balancer stops."""


class HAProxySupervisor:
    """Keep one HAProxy running."""

    def __init__(self, target: Target) -> None:
        self._settings = target.settings.balancer
        self._service = target.service
        self._container = container_of(target)
        self._desired = open_desired_state(target)
        self._paths = template_context(target).paths
        self.instance: HAProxyInstance = open_local_instance(target)
        self._process: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        """Return whether HAProxy answers, whoever started it."""
        with contextlib.suppress(PratiqueError):
            self.instance.status()
            return True
        return False

    def start(self) -> None:
        """Start HAProxy with the desired pool; if that is unknown, with the pool of its last configuration.

        Raises: UnavailableError. HAProxy's own error messages are in the log of this process.
        """
        desired = self._known_state()
        pool = desired.pool or self.instance.stored_pool() or Pool(self._service, {}, {})
        # the end of the lease is in the map file; without that file the lease has expired
        self.instance.prepare(State(pool, desired.lease, 0.0) if desired.lease else State(pool))
        pid_file = Path(f"{self._paths.directory}/haproxy.pid")
        pid_file.unlink(missing_ok=True)
        # `pratique down` finds this process by this variable, and must not find HAProxy
        env = {name: value for name, value in os.environ.items() if name != "PRATIQUE_PART"}
        command = self._command()
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        except OSError as error:
            raise UnavailableError(f"cannot start {command[0]!r}: {error.strerror}: install it") from error
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.alive():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise UnavailableError(f"HAProxy did not start at {self._settings.listen}: see its messages above")
            time.sleep(POLL_S / 4)

    def _known_state(self) -> DesiredState:
        """Return the desired state; an empty one if it cannot be read, or if an operator sets the pool over SSH."""
        if self._settings.haproxy.hosts:
            return DesiredState()
        try:
            return self._desired.get()
        except PratiqueError as error:
            if self.instance.stored_pool() is None:
                raise
            log(f"{error}; HAProxy of {self._service} starts with its last pool")
            return DesiredState()

    def ensure(self) -> None:
        """Restart HAProxy if it has died."""
        ended = self._process is not None and self._process.poll() is not None
        if (ended or self._process is None) and not self.alive():
            log(f"HAProxy of {self._service} is not running: starting it")
            self.start()

    def stop(self) -> None:
        """Stop HAProxy, after some seconds for its requests in flight."""
        pid = _pid(self._paths)
        if self._container:
            subprocess.run(
                ["docker", "stop", "-t", str(int(SHUTDOWN_TIMEOUT_S)), self._container],
                check=False,
                capture_output=True,
            )
        elif pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
            deadline = time.monotonic() + SHUTDOWN_TIMEOUT_S
            while _exists(pid, self._process) and time.monotonic() < deadline:
                time.sleep(POLL_S / 4)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(SHUTDOWN_TIMEOUT_S)

    def _command(self) -> list[str]:
        arguments = ["-W", "-db", "-S", f"{self._paths.master},mode,600", "-p", f"{self._paths.directory}/haproxy.pid"]
        arguments += ["-f", self._paths.configuration]
        if not self._container:
            return [self._settings.haproxy.binary, *arguments]
        return _in_container(self._settings.haproxy, self._container, self._paths, arguments)


def follow(store: DesiredStateStore, instance: HAProxyInstance, applied: DesiredState) -> DesiredState:
    """Apply the desired state to this host's HAProxy, and renew its lease while the holder lives; return that state.

    applied: the state of the last call.
    """
    with instance.host.locked():
        # read with the lock held: another process may have restored an older state
        desired, found = store.get(), instance.status()
        state = found.current
        if desired.pool is None:
            return desired
        if state.pool.servers != desired.pool.servers:
            instance.install(State(desired.pool, desired.lease, found.now + store.lease_left_s()))
        elif desired.lease is not None:
            is_new = desired.version != applied.version
            _follow_lease(instance, found, desired.pool, desired.lease, store.lease_left_s(), is_new=is_new)
        elif not same_shares(state.pool.weights, desired.pool.weights):
            instance.set_shares(State(desired.pool))
    return desired


def _follow_lease(
    instance: HAProxyInstance, found: WorkerStatus, pool: Pool, lease: Lease, left: float, *, is_new: bool
) -> None:
    """Set the shares of a lease while its holder lives, and the shares of the expired lease afterwards."""
    state = found.current
    if left > 0 and (is_new or state.lease is not None):
        instance.set_shares(State(pool, lease, found.now + left))
    elif left == 0 and state.lease is None:
        expired = State(pool, lease, found.now).at(found.now)
        if not same_shares(state.pool.weights, expired.pool.weights):
            instance.set_shares(expired)


def run_haproxy(target: Target) -> None:
    """Keep the HAProxy of a service running until SIGTERM or SIGINT. A HAProxy that already runs is used.

    Raises: UnavailableError when it cannot be started.
    """
    supervisor = HAProxySupervisor(target)
    store = open_desired_state(target)
    settings = target.settings.balancer.haproxy
    # with `hosts`, an operator sets the pool over SSH, and no other process may set it
    shared = bool(settings.state_url) and not settings.hosts
    stop: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: stop.append(number))
    if not supervisor.alive():
        supervisor.start()
    directory = supervisor.instance.host.paths.directory
    log(f"{target.service} at {target.settings.balancer.listen}, HAProxy's files in {directory}")
    applied, applied_at = DesiredState(), 0.0
    while not stop:
        try:
            supervisor.ensure()
            if shared and time.monotonic() - applied_at > FOLLOW_INTERVAL_S:
                store.report_version(applied.version)
                applied, applied_at = follow(store, supervisor.instance, applied), time.monotonic()
                store.report_version(applied.version)
        except PratiqueError as error:
            log(str(error))
            time.sleep(1)
        time.sleep(POLL_S)
    supervisor.stop()


def stop_unsupervised(target: Target) -> bool:
    """Stop a HAProxy that runs without its supervisor; return whether there was one."""
    supervisor = HAProxySupervisor(target)
    if not supervisor.alive():
        return False
    supervisor.stop()
    return True


def log(line: str) -> None:
    """Write a line to the log of this process."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _in_container(settings: HAProxySettings, name: str, paths: Paths, arguments: list[str]) -> list[str]:
    # the host's network: HAProxy connects to published ports, and clients reach it without another proxy
    mounts = ["-v", f"{paths.directory}:{paths.directory}"]
    if paths.certificate:
        folder = str(Path(paths.certificate).parent)
        mounts += ["-v", f"{folder}:{folder}:ro"]
    limits = [
        "--read-only",
        "--security-opt",
        "no-new-privileges",
        "--log-opt",
        "max-size=10m",
        "--log-driver",
        "json-file",
    ]
    limits += ["--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE", "--cap-add", "DAC_OVERRIDE"]
    return [
        *["docker", "run", "--rm", "--name", name, "--network", "host", "--user", "0", *limits, *mounts],
        *["--entrypoint", settings.binary, settings.image, *arguments],
    ]


def _pid(paths: Paths) -> int | None:
    """Return the process id of the pid file; None if that process is not this HAProxy: ids are reused."""
    try:
        pid = int(Path(f"{paths.directory}/haproxy.pid").read_text(encoding="ascii").split()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if paths.configuration.encode() in command else None


def _exists(pid: int, process: subprocess.Popen[bytes] | None) -> bool:
    if process is not None and process.pid == pid:
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
