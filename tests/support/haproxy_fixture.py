"""HAProxy under `pratique balancer`, with a folder, an address and a socket that stands for the collector."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pratique.balancer.base import Pool
from pratique.balancer.haproxy.balancer import HAProxyBalancer
from pratique.config import load
from pratique.errors import UnavailableError
from pratique.telemetry.accesslog import decode
from support.ports import free_port
from support.waiting import eventually

needs_haproxy = pytest.mark.haproxy


class HAProxyPlace:
    """One HAProxy with its own files; `more`: lines of [services.shop.balancer.haproxy]."""

    def __init__(self, more="", *, listen=None):
        # a socket's path is short, pytest's folders are not
        self.folder = Path(tempfile.mkdtemp(prefix="hap-"))
        self.url = listen or f"127.0.0.1:{free_port()}"
        self.collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.collector.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.collector.bind(("127.0.0.1", 0))
        self.config = self.folder / "pratique.toml"
        self.config.write_text(
            f'[telemetry]\nlisten = "127.0.0.1:{self.collector.getsockname()[1]}"\n'
            f'[services.shop.balancer]\nkind = "haproxy"\nlisten = "{self.url}"\n'
            f"[services.shop.balancer.haproxy]\n{more}\n"
        )
        self.directory = self.folder / ".pratique" / "haproxy" / "shop"
        self.balancer = self.again()
        self.process = None

    def again(self):
        return HAProxyBalancer(load(self.config).target("shop"))

    def no_balancer(self):
        other = self.folder / "other" / "pratique.toml"
        other.parent.mkdir(exist_ok=True)
        other.write_text(self.config.read_text())
        return HAProxyBalancer(load(other).target("shop"))

    @property
    def holder(self):
        return f"""
import time
from pratique.balancer.base import Lease
from pratique.balancer.haproxy.balancer import HAProxyBalancer
from pratique.config import load
balancer = HAProxyBalancer(load({str(self.config)!r}).target("shop"))
balancer.set_weights("shop", {{"r1": 0.0, "r2": 1.0}}, lease=Lease("r2", "r1", 2.0))
print("renewing", flush=True)
while True:
    time.sleep(0.5)
    balancer.renew("shop")
"""

    def start(self):
        (self.folder / "balancer.log").unlink(missing_ok=True)
        with (self.folder / "balancer.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pratique.cli", "balancer", "shop", "--config", str(self.config)],
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self.answers() and "HAProxy's files" in self.log())

    def answers(self):
        try:
            self.balancer.pool("shop")
        except UnavailableError:
            assert self.process is None or self.process.poll() is None, self.log()
            return False
        return True

    def haproxy_pid(self):
        return int((self.directory / "haproxy.pid").read_text().split()[0])

    def kill_haproxy(self):
        """Kill the master and its workers."""
        master = self.haproxy_pid()
        workers = subprocess.run(
            ["pgrep", "-P", str(master)], check=False, capture_output=True, text=True
        ).stdout.split()
        for pid in (master, *map(int, workers)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return master

    def restart(self, down_s=0.0):
        self.process.send_signal(signal.SIGSTOP)
        master = self.kill_haproxy()
        time.sleep(down_s)
        self.process.send_signal(signal.SIGCONT)
        eventually(lambda: self.answers() and self.haproxy_pid() != master)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            return self.process.wait(60)
        return 0

    def log(self):
        return (self.folder / "balancer.log").read_text()

    def lines(self, count, deadline_s=60.0):
        self.collector.settimeout(deadline_s)
        return [decode(self.collector.recv(65536)) for _ in range(count)]

    def talk(self, command):
        """Send a command to HAProxy's runtime interface, as an operator does."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.directory / "stats.sock"))
            connection.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

    def serve(self, *upstreams, **weights):
        addresses = {}
        for upstream in upstreams:
            addresses[upstream.name] = (*addresses.get(upstream.name, ()), upstream.address)
        shares = dict.fromkeys(addresses, 0.0) | (weights or {upstreams[0].name: 1.0})
        self.balancer.apply(Pool("shop", addresses, shares))


@contextmanager
def haproxy_running(more="", **settings):
    place = HAProxyPlace(more, **settings)
    try:
        place.start()
        yield place
        status = place.stop()
        assert status == 0, place.log()
        assert "Traceback" not in place.log(), place.log()
    finally:
        place.stop()
        place.collector.close()
        shutil.rmtree(place.folder, ignore_errors=True)
