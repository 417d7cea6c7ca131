"""The embedded balancer under load: requests a second, latency added, processor time a request.

    python tests/benchmarks/balancer.py          (about 30 s)

The balancer, its upstream and the load share the machine; the processor time of the balancer alone gives
the load that one dedicated core would carry. The peer is HAProxy in the same place, where it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from pratique.balancer import open_balancer
from pratique.balancer.base import Pool
from pratique.config import load
from pratique.errors import UnavailableError

BODY = b"x" * 512
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
GET = b"GET /product/%d HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST /cart/%d HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\nitem=1"


class Upstream(asyncio.Protocol):
    """The fastest server there can be: it answers each request without looking at it."""

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        # headers and body may come apart: a POST is answered when its body is there
        count = data.count(b" HTTP/1.1\r\n") if data.startswith(b"GET") else data.count(b"item=1")
        self._transport.write(ANSWER * count)


async def upstream(port):
    """Serve for ever."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


async def one(reader, writer, request):
    """Milliseconds that a request takes on a kept connection."""
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    await reader.readexactly(len(BODY))
    return (time.perf_counter() - began) * 1000


async def closed(port, seconds, request, connections=32):
    """As many requests as go: how many a second."""
    until, counts = time.perf_counter() + seconds, 0

    async def client():
        nonlocal counts
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < until:
            await one(reader, writer, request % counts)
            counts += 1
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return counts / seconds


async def steady(port, seconds, rate, request):
    """Latencies in ms at a steady rate."""
    streams = asyncio.LifoQueue()
    found = []

    async def send(number):
        reader, writer = await (streams.get() if streams.qsize() else asyncio.open_connection("127.0.0.1", port))
        found.append(await one(reader, writer, request % number))
        streams.put_nowait((reader, writer))

    began, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(send(number)))
    await asyncio.gather(*tasks)
    while streams.qsize():
        streams.get_nowait()[1].close()
    return found


def measure(name, port, process, seconds, rate):
    """Print one line of the table."""
    for kind, request in (("GET", GET), ("POST", POST)):
        before, began = _cpu(process), time.perf_counter()
        per_second = asyncio.run(closed(port, seconds, request))
        used = (_cpu(process) - before) / (per_second * (time.perf_counter() - began)) if process else 0.0
        latencies = sorted(asyncio.run(steady(port, seconds, rate, request)))
        print(
            f"{name:<10} {kind:<5} {per_second:>8,.0f}/s   processor {used * 1e6:>5.0f} µs a request   "
            f"at {rate}/s: median {statistics.median(latencies):.2f} ms, 99 % {latencies[int(len(latencies) * 0.99)]:.2f} ms",
            flush=True,
        )


def _cpu(process):
    return sum(process.cpu_times()[:2]) if process else 0.0


def free_ports(count):
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one_of in found:
            one_of.bind(("127.0.0.1", 0))
        return [one_of.getsockname()[1] for one_of in found]


def wait_for(condition):
    """Wait until it holds, at most 20 s."""
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("a part did not start")
        time.sleep(0.05)


def connects(port):
    """Whether somebody listens."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def start_embedded(folder, listen, control, syslog, server):
    """`pratique balancer` in front of the upstream."""
    config = folder / "pratique.toml"
    config.write_text(
        f'[telemetry]\nlisten = "127.0.0.1:{syslog}"\n[services.shop.balancer]\nlisten = "127.0.0.1:{listen}"\n'
    )
    process = subprocess.Popen([sys.executable, "-m", "pratique.cli", "balancer", "shop", "--config", config])
    balancer = open_balancer(load(config).target("shop"))

    def answers():
        with contextlib.suppress(UnavailableError):
            balancer.pool("shop")
            return True
        return False

    wait_for(answers)
    address = f"127.0.0.1:{server}"
    balancer.apply(Pool("shop", {"r1": (address,), "r2": (address,)}, {"r1": 0.9, "r2": 0.1}))
    return process


def start_haproxy(folder, listen, syslog, server):
    """HAProxy with one thread, logging every request as the embedded balancer does."""
    config = folder / "haproxy.cfg"
    config.write_text(
        f"global\n  nbthread 1\n  log 127.0.0.1:{syslog} local0\ndefaults\n  mode http\n  log global\n"
        "  option httplog\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n"
        f"frontend f\n  bind 127.0.0.1:{listen}\n  default_backend b\nbackend b\n"
        f"  server r1 127.0.0.1:{server} weight 90\n  server r2 127.0.0.1:{server} weight 10\n"
    )
    return subprocess.Popen(["haproxy", "-db", "-f", config])


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rate", type=int, default=300)
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.upstream:
        asyncio.run(upstream(arguments.upstream))
    server, listen, control, other = free_ports(4)
    with tempfile.TemporaryDirectory() as name, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        syslog = collector.getsockname()[1]
        processes = [subprocess.Popen([sys.executable, __file__, "--upstream", str(server)])]
        try:
            wait_for(lambda: connects(server))
            measure("direct", server, None, arguments.seconds, arguments.rate)
            processes.append(start_embedded(Path(name), listen, control, syslog, server))
            measure("embedded", listen, psutil.Process(processes[-1].pid), arguments.seconds, arguments.rate)
            if shutil.which("haproxy"):
                processes.append(start_haproxy(Path(name), other, syslog, server))
                wait_for(lambda: connects(other))
                measure("haproxy", other, psutil.Process(processes[-1].pid), arguments.seconds, arguments.rate)
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
