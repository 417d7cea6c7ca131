"""`pratique balancer` in its own process, with a state folder, addresses and a socket that stands for the collector."""

import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

from pratique.balancer.base import Pool
from pratique.balancer.control_socket import control_path
from pratique.balancer.embedded import EmbeddedBalancer
from pratique.errors import UnavailableError
from pratique.telemetry.accesslog import decode
from support.ports import free_port
from support.waiting import eventually


class Place:
    """A balancer process with its own state folder, and the socket of its collector."""

    def __init__(self, folder, *, timeout_s=30.0):
        self.folder = folder
        self.url = f"127.0.0.1:{free_port()}"
        self.control = control_path(folder / ".pratique", "shop")
        self.collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.collector.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.collector.bind(("127.0.0.1", 0))
        self.config = folder / "pratique.toml"
        self.config.write_text(
            f'[telemetry]\nlisten = "127.0.0.1:{self.collector.getsockname()[1]}"\n[services.shop.balancer]\n'
            f'listen = "{self.url}"\ntimeout_s = {timeout_s}\n'
        )
        self.balancer = self.again()
        self.process = None
        self.start()

    def again(self):
        return EmbeddedBalancer(self.control)

    def no_balancer(self):
        return EmbeddedBalancer(self.control.with_name("nobody.socket"))

    def start(self):
        with (self.folder / "balancer.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        eventually(self.answers)

    @property
    def command(self):
        return [sys.executable, "-m", "pratique.cli", "balancer", "shop", "--config", str(self.config)]

    @property
    def holder(self):
        return f"""
import time
from pathlib import Path
from pratique.balancer.base import Lease
from pratique.balancer.control_socket import control_path
from pratique.balancer.embedded import EmbeddedBalancer
balancer = EmbeddedBalancer(Path({str(self.control)!r}))
balancer.set_weights("shop", {{"r1": 0.0, "r2": 1.0}}, lease=Lease("r2", "r1", 2.0))
print("renewing", flush=True)
while True:
    time.sleep(0.5)
    balancer.renew("shop")
"""

    def answers(self):
        try:
            self.balancer.stats()
        except UnavailableError:
            assert self.process.poll() is None, self.log()
            return False
        return True

    def restart(self, down_s=0.0):
        self.process.kill()
        self.process.wait()
        time.sleep(down_s)
        self.start()

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)

    def log(self):
        return (self.folder / "balancer.log").read_text()

    def lines(self, count, deadline_s=60.0):
        """The next access lines."""
        self.collector.settimeout(deadline_s)
        return [decode(self.collector.recv(65536)) for _ in range(count)]

    def forget(self):
        """Wait until requests of an earlier test have ended, and discard their lines."""
        eventually(lambda: not self.balancer.stats()["in_flight"])
        self.collector.setblocking(False)
        with suppress(BlockingIOError):
            while self.collector.recv(65536):
                pass

    def serve(self, *upstreams, **weights):
        """Put servers into the pool, each under its name; the first has all traffic unless `weights` says otherwise."""
        addresses = {}
        for upstream in upstreams:
            addresses[upstream.name] = (*addresses.get(upstream.name, ()), upstream.address)
        shares = dict.fromkeys(addresses, 0.0) | (weights or {upstreams[0].name: 1.0})
        self.balancer.apply(Pool("shop", addresses, shares))
        for upstream in upstreams:
            upstream.received.clear()


@contextmanager
def running(folder, **settings):
    """A running balancer; asserts that it exits with status 0 and logs no traceback."""
    place = Place(folder, **settings)
    try:
        yield place
    finally:
        status = place.stop() if place.process.poll() is None else 0
        place.collector.close()
    assert status == 0, place.log()
    assert "Traceback" not in place.log(), place.log()
