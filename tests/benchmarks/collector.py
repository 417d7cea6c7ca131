"""How many of HAProxy's access lines a second the collector takes over UDP without losing one, beside socat.

    python tests/benchmarks/collector.py [--seconds 30]

socat writes the same datagrams to a file: it is what a syslog daemon does at the least, and counts nothing. Each rate
is held for some seconds, looked for upwards, and the highest is confirmed for the whole time.
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from pratique.telemetry.collector_status import collector_status

LINE = {"s": "shop", "r": "r2", "m": "GET", "c": 200, "Ti": 0, "TR": 0, "Tw": 0, "Tc": 1, "Tr": 12, "Td": 0, "Ta": 13}
LINE |= {"ts": "----", "B": 1834, "U": 211, "i": "10.0.0.7:18080"}
BURST_S = 0.002
SENDER = """
import json, socket, sys, time
port, rate, seconds, actions, first = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
line = json.loads(sys.argv[6])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.connect(("127.0.0.1", port))
head = b'<134>1 2026-11-21T01:54:19.138489+00:00 web1 haproxy 31507 - - {"t":'
bodies = [b"," + json.dumps({**line, "p": f"/action{n:04d}/page"}, separators=(",", ":"))[1:-1].encode() + b',"b":"web1.1","q":'
          for n in range(actions)]
total, sent, began = int(rate * seconds), 0, time.perf_counter()
while sent < total:
    due = min(total, int((time.perf_counter() - began) * rate) + 1)
    start = head + str(time.time_ns() // 1_000_000).encode()
    for number in range(sent, due):
        out.send(start + bodies[number % actions] + b"%d}" % (first + number))
    sent = due
    time.sleep(0.001)
print(sent, time.perf_counter() - began)
"""


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def send(port, rate, seconds, actions=10, first=10**9):
    """Send in a separate process; return the rate that it reached."""
    words = [
        sys.executable,
        "-c",
        SENDER,
        str(port),
        str(rate),
        str(seconds),
        str(actions),
        str(first),
        json.dumps(LINE),
    ]
    sent, took = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return int(sent), int(sent) / float(took)


class Collector:
    """`pratique collect` with its own folder."""

    name = "pratique collect"

    def __init__(self, actions=10):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.port = free_port()
        rules = "".join(f'  {{ path = "/action{number:04d}/page" }},\n' for number in range(actions))
        file = self.folder / "pratique.toml"
        file.write_text(
            f'[telemetry]\nlisten = "127.0.0.1:{self.port}"\nwindow_s = 10\n[services.shop]\nactions = [\n{rules}]\n'
        )
        self.process = subprocess.Popen([sys.executable, "-m", "pratique.cli", "collect", "--config", file])
        self.first = 10**9
        while collector_status(self.folder / ".pratique") is None:
            time.sleep(0.05)

    def run(self, rate, seconds, actions=10):
        """How many of how many were taken in, at what rate they were sent."""
        before = self.received()
        sent, real = send(self.port, rate, seconds, actions, self.first)
        self.first += sent
        deadline = time.monotonic() + 20
        while self.received() - before < sent and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.received() - before, sent, real

    def received(self):
        return collector_status(self.folder / ".pratique").received

    def memory_mb(self):
        return psutil.Process(self.process.pid).memory_info().rss / 1e6

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Socat:
    """socat, from a socket to a file."""

    name = "socat"

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-"))
        self.port = free_port()
        self.file = self.folder / "log"
        self.file.touch()
        words = ["socat", "-u", f"UDP-RECV:{self.port},bind=127.0.0.1,rcvbuf-late=33554432", f"OPEN:{self.file},append"]
        self.process = subprocess.Popen(words)
        time.sleep(0.5)

    def run(self, rate, seconds):
        """How many of how many were written, at what rate they were sent."""
        self.file.open("w").close()
        sent, real = send(self.port, rate, seconds)
        time.sleep(1.0)
        with self.file.open("rb") as file:
            written = sum(chunk.count(b"<134>1 ") for chunk in iter(lambda: file.read(1 << 24), b""))
        return written, sent, real

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


def highest(make, seconds):
    """The highest rate at which nothing was lost for `seconds`."""
    low, high, rate = 0.0, None, 10_000.0
    while high is None or high / low > 1.1:
        good, real = held(make, rate, 4)
        limited = real < 0.9 * rate
        print(f"  {make.name}: {rate:,.0f}/s {'held' if good else 'lost some'}"
              f"{' (the sender gives no more)' if limited else ''}", flush=True)  # fmt: skip
        if good:
            low = real
            if limited:
                break
        else:
            high = rate
        rate = rate * 2 if high is None else (low + high) / 2
        if low == 0.0 and rate < 1000:
            return 0.0
    rate = low
    while True:
        good, real = held(make, rate, seconds)
        if good:
            return real
        rate *= 0.9


def held(make, rate, seconds):
    """Whether a fresh one takes everything at this rate; and the rate that was sent."""
    taker = make()
    try:
        taken, sent, real = taker.run(rate, seconds)
        return taken == sent, real
    finally:
        taker.close()


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    if shutil.which("socat") is None:
        sys.exit("socat is not installed: apt-get install socat")
    ours, theirs = highest(Collector, seconds), highest(Socat, seconds)
    print(
        f"events/s for {seconds:g} s without a loss: collector {ours:,.0f}, socat {theirs:,.0f}, ratio {ours / theirs:.2f}"
    )
    for actions in (10, 100, 1000):
        taker = Collector(actions)
        try:
            taken, sent, _ = taker.run(3000, 25, actions)
            print(
                f"{actions:>5} actions: {taker.memory_mb():.0f} MB resident after {taken:,} of {sent:,} events",
                flush=True,
            )
        finally:
            taker.close()


if __name__ == "__main__":
    main()
