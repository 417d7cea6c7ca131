"""A collector as a process, with a sender of lines and its store."""

import os
import socket
import subprocess
import sys
import time
from collections import Counter

from pratique.balancer.accessline import Access, encode
from pratique.config import load
from pratique.store import open_store
from pratique.telemetry.collector_status import collector_status


class Sender:
    """A balancer's side of it: lines with a sequence, sent to the collector's port."""

    def __init__(self, port):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._target = ("127.0.0.1", port)
        self.boot = f"boot{os.getpid()}{time.monotonic_ns()}"
        self.sequence = 0

    def datagram(self, *, revision="r1", code=200, age_ms=0):
        access = Access(time.time_ns() // 1_000_000 - age_ms, "shop", revision, "GET", "/cart", code, 12.5, "x:1")
        self.sequence += 1
        return encode(access, host="h", boot=self.boot, sequence=self.sequence - 1)

    def close(self):
        self._socket.close()

    def send(self, count, **kwargs):
        for _ in range(count):
            self.raw(self.datagram(**kwargs))

    def raw(self, datagram):
        self._socket.sendto(datagram, self._target)


class Stack:
    """A state folder, its collector, and what the store says of it."""

    def __init__(self, folder, port, late_s=60):
        self.folder, self.port = folder, port
        self.file = folder / "pratique.toml"
        self.file.write_text(f'[telemetry]\nwindow_s = 1\nlate_s = {late_s}\nlisten = "127.0.0.1:{port}"\n')
        self.config = load(self.file)
        self.process = None

    def start(self):
        before = time.time()
        self.process = subprocess.Popen([sys.executable, "-m", "pratique.cli", "collect", "--config", self.file])
        self.until(lambda s: s is not None and s.updated_at.timestamp() > before)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def until(self, holds):
        deadline = time.monotonic() + 120
        while not holds(status := collector_status(self.config.state_dir)):
            assert time.monotonic() < deadline, status
            assert self.process.poll() is None
            time.sleep(0.02)
        return status

    def until_durable(self, received):
        """Wait until so many lines were received, and survive a kill: they are synchronised more often than reported."""
        reported = self.until(lambda status: status.received >= received).updated_at
        return self.until(lambda status: status.updated_at > reported)

    def counts(self):
        rows = open_store(str(self.config.path(self.config.store.url))).read("shop", ["r1", "r2"]).table.to_pylist()
        found = Counter()
        for row in rows:
            assert sum(row["count"]) == row["n"]
            found[row["revision"], row["code"]] += row["n"]
        return found
