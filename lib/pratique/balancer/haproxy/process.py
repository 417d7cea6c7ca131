"""`pratique balancer SERVICE` for HAProxy: it starts HAProxy, starts it again when it dies, and follows the wanted pool.

HAProxy does not need it: when this process is killed, HAProxy serves on, and its lease holds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pratique.balancer.base import Pool
from pratique.balancer.haproxy.balancer import container_of, local_node, surroundings, wanted_state
from pratique.balancer.haproxy.desired import Wanted, WantedState
from pratique.balancer.haproxy.instance import Node, same_shares
from pratique.balancer.haproxy.template import Paths
from pratique.balancer.shares import State
from pratique.config import HAProxySettings, Target
from pratique.errors import PratiqueError, UnavailableError

POLL_S = 0.2
FOLLOW_S = 0.5
START_S = 10.0
FINISH_S = 5.0
"""How long requests in flight may take to finish when the balancer is told to end."""


class Supervisor:
    """Keeps one HAProxy running."""

    def __init__(self, target: Target) -> None:
        self._settings = target.settings.balancer
        self._service = target.service
        self._container = container_of(target)
        self._wanted = wanted_state(target)
        self._paths = surroundings(target).paths
        self.node: Node = local_node(target)
        self._process: subprocess.Popen[bytes] | None = None

    def alive(self) -> bool:
        """Whether HAProxy answers, whoever started it."""
        with contextlib.suppress(PratiqueError):
            self.node.in_force()
            return True
        return False

    def start(self) -> None:
        """Start HAProxy on the wanted pool, or on the one it had last, where nothing else can be known.

        Raises: UnavailableError with HAProxy's own words.
        """
        wanted = self._known()
        pool = wanted.pool or self.node.kept() or Pool(self._service, {}, {})
        # whether a lease still holds is told by its end, in the file that stands there; without one it does not
        self.node.prepare(State(pool, wanted.lease, 0.0) if wanted.lease else State(pool))
        pid_file = Path(f"{self._paths.directory}/haproxy.pid")
        pid_file.unlink(missing_ok=True)
        # `pratique down` looks for this process by its environment, and not for HAProxy
        env = {name: value for name, value in os.environ.items() if name != "PRATIQUE_PART"}
        command = self._command()
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        except OSError as error:
            raise UnavailableError(f"{command[0]!r} cannot be started: {error.strerror}: install it") from error
        deadline = time.monotonic() + START_S
        while not self.alive():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise UnavailableError(
                    f"HAProxy did not start at {self._settings.listen}: what is wrong stands in the lines above"
                )
            time.sleep(POLL_S / 4)

    def _known(self) -> Wanted:
        """What is wanted, as far as this host can tell: not where an operator brings the pool over SSH."""
        if self._settings.haproxy.hosts:
            return Wanted()
        try:
            return self._wanted.get()
        except PratiqueError as error:
            if self.node.kept() is None:
                raise
            say(f"{error}; HAProxy of {self._service} begins with the pool it had last")
            return Wanted()

    def ensure(self) -> None:
        """Start it again when it has died."""
        ended = self._process is not None and self._process.poll() is not None
        if (ended or self._process is None) and not self.alive():
            say(f"HAProxy of {self._service} is not there: starting it")
            self.start()

    def stop(self) -> None:
        """Let it finish its requests, for a few seconds."""
        pid = _pid(self._paths)
        if self._container:
            subprocess.run(
                ["docker", "stop", "-t", str(int(FINISH_S)), self._container], check=False, capture_output=True
            )
        elif pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
            deadline = time.monotonic() + FINISH_S
            while _exists(pid, self._process) and time.monotonic() < deadline:
                time.sleep(POLL_S / 4)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(FINISH_S)

    def _command(self) -> list[str]:
        arguments = ["-W", "-db", "-S", f"{self._paths.master},mode,600", "-p", f"{self._paths.directory}/haproxy.pid"]
        arguments += ["-f", self._paths.configuration]
        if not self._container:
            return [self._settings.haproxy.binary, *arguments]
        return _in_container(self._settings.haproxy, self._container, self._paths, arguments)


def follow(wanted: WantedState, node: Node, seen: Wanted) -> Wanted:
    """Bring this host's HAProxy to the wanted state, and keep its lease as long as the holder lives; return that state."""
    with node.site.locked():
        # asked within the lock: what somebody else has just put back must not be brought again
        now, found = wanted.get(), node.in_force()
        state = found.state.at(found.now)
        if now.pool is None:
            return now
        if state.pool.servers != now.pool.servers:
            node.install(State(now.pool, now.lease, found.now + wanted.lease_left_s()))
        elif now.lease is not None:
            left = wanted.lease_left_s()
            if left > 0 and (now.version != seen.version or state.lease is not None):
                node.set_shares(State(now.pool, now.lease, found.now + left))
            elif left == 0 and state.lease is None:
                over = State(now.pool, now.lease, found.now).at(found.now)
                if not same_shares(state.pool.weights, over.pool.weights):
                    node.set_shares(over)
        elif not same_shares(state.pool.weights, now.pool.weights):
            node.set_shares(State(now.pool))
    return now


def run_haproxy(target: Target) -> None:
    """Keep the HAProxy of a service running until SIGTERM or SIGINT; where one runs already, that one is kept.

    Raises: UnavailableError when it cannot be started.
    """
    supervisor = Supervisor(target)
    wanted = wanted_state(target)
    settings = target.settings.balancer.haproxy
    # where an operator brings the pool over SSH, nobody else must
    shared = bool(settings.state_url) and not settings.hosts
    stop: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: stop.append(number))
    if not supervisor.alive():
        supervisor.start()
    say(
        f"{target.service} at {target.settings.balancer.listen}, HAProxy's files in {supervisor.node.site.paths.directory}"
    )
    seen, followed = Wanted(), 0.0
    while not stop:
        try:
            supervisor.ensure()
            if shared and time.monotonic() - followed > FOLLOW_S:
                wanted.seen(seen.version)
                seen, followed = follow(wanted, supervisor.node, seen), time.monotonic()
                wanted.seen(seen.version)
        except PratiqueError as error:
            say(str(error))
            time.sleep(1)
        time.sleep(POLL_S)
    supervisor.stop()


def end_left_over(target: Target) -> bool:
    """End a HAProxy that has lost its supervisor; whether there was one."""
    supervisor = Supervisor(target)
    if not supervisor.alive():
        return False
    supervisor.stop()
    return True


def say(line: str) -> None:
    """A line of the process's own log."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _in_container(settings: HAProxySettings, name: str, paths: Paths, arguments: list[str]) -> list[str]:
    # the host's network: HAProxy stands in front of published ports, and users must reach it without a hop more
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
    """The process of the pid file, when it is that HAProxy and not another one that has its number by now."""
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
