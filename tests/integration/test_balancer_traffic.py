"""The embedded balancer under the load of the example, and with bodies larger than its buffers."""

import contextlib
import hashlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from contract.balancer_contract import FIVE_SIGMA, LONG_S, four_servers, unlikely
from pratique.balancer.base import Lease, Pool
from pratique.telemetry.accesslog import decode
from support.balancer_fixture import running
from support.upstream import Upstream
from support.waiting import eventually

pytestmark = pytest.mark.server

LOAD = Path(__file__).parents[2] / "examples/shop/load.py"
RATE = 100
MEGABYTE = 1 << 20


@pytest.fixture
def place(tmp_path):
    with running(tmp_path) as place:
        yield place


@pytest.fixture
def collected(place):
    """The access lines, received by a thread: a receive buffer is too small for a load."""
    lines, done = [], threading.Event()
    place.collector.settimeout(0.1)

    def receive():
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                lines.append(decode(place.collector.recv(65536)))

    thread = threading.Thread(target=receive)
    thread.start()
    yield lines
    done.set()
    thread.join()


@contextlib.contextmanager
def load(place, answers):
    """Run the load of the example in a process; at its end `answers` counts the statuses of the requests that were sent."""
    command = [sys.executable, LOAD, "--url", f"http://{place.url}", "--rate", str(RATE), "--seconds", "60"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield
        process.send_signal(signal.SIGTERM)
        answers.update(json.loads(process.communicate(timeout=60)[0]))
        answers.pop("skipped", None)
    finally:
        process.kill()
        process.communicate()


def in_force(change, collected, meanwhile=lambda: None, requests=350):
    """Make a change and wait for some requests; return a period in which it was active, in epoch ms."""
    change()
    began, before = time.time_ns() // 1_000_000 + 1, len(collected)

    def enough():
        meanwhile()
        return len(collected) >= before + requests

    eventually(enough)
    return began, time.time_ns() // 1_000_000 - 1


def test_under_load_every_request_is_answered_and_logged_once_with_its_revision(place, collected):
    answers = {}
    with four_servers() as servers:
        address = {name: (server.address,) for name, server in servers.items()}
        two = {"r1": address["r1"], "r2": address["r2"]}
        more = {"r1": address["r1"] + address["r1b"], "r2": address["r2"]}
        other = {"r2": address["r2"], "r3": address["r3"]}
        set_weights, apply = place.balancer.set_weights, place.balancer.apply
        apply(Pool("shop", two, {"r1": 1.0, "r2": 0.0}))
        phases = [
            ("r2", 0.1, lambda: set_weights("shop", {"r1": 0.9, "r2": 0.1}, lease=Lease("r2", "r1", LONG_S))),
            ("r2", 0.5, lambda: set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", LONG_S))),
            ("r2", 0.5, lambda: apply(Pool("shop", more, {"r1": 0.5, "r2": 0.5}))),
            ("r2", 1.0, lambda: set_weights("shop", {"r1": 0.0, "r2": 1.0})),
            ("r3", 0.3, lambda: apply(Pool("shop", other, {"r2": 0.7, "r3": 0.3}))),
        ]
        with load(place, answers):
            eventually(lambda: collected)
            renew = lambda: place.balancer.renew("shop")  # noqa: E731
            times = [in_force(change, collected, renew) for _, _, change in phases[:3]]
            times += [in_force(change, collected) for _, _, change in phases[3:]]
        eventually(lambda: len(collected) == sum(answers.values()))
        lines = list(collected)

    assert set(answers) == {"200"}, answers
    assert {line.code for line in lines} == {200}
    assert {line.boot for line in lines} == {lines[0].boot}
    assert sorted(line.sequence for line in lines) == list(range(len(lines)))
    told = Counter((line.revision, f"{line.method} {line.path} HTTP/1.1") for line in lines)
    # an access line has no query
    assert told == Counter(
        (server.name, re.sub(r"\?\S*", "", request.line)) for server in servers.values() for request in server.received
    )
    for (revision, share, _), (began, ended) in zip(phases, times, strict=True):
        within = [line.revision for line in lines if began <= line.time_ms <= ended]
        assert len(within) > 250
        assert unlikely(within.count(revision), len(within), share) < FIVE_SIGMA, (share, Counter(within))


def test_a_server_that_dies_under_load_fails_only_its_requests_in_flight(place, collected):
    answers = {}
    with ExitStack() as stack:
        alive, other = (stack.enter_context(Upstream(name)) for name in ("r1", "r2"))
        dying = stack.enter_context(ExitStack())
        dead = dying.enter_context(Upstream("r1"))
        addresses = {"r1": (dead.address, alive.address), "r2": (other.address,)}
        place.balancer.apply(Pool("shop", addresses, {"r1": 0.5, "r2": 0.5}))
        with load(place, answers):
            in_force(lambda: None, collected)
            dying.close()
            began, ended = in_force(lambda: time.sleep(0.2), collected)
        eventually(lambda: len(collected) == sum(answers.values()))
    after = [line for line in collected if began <= line.time_ms <= ended]
    assert {line.code for line in after} == {200}
    assert {line.code for line in collected if line.revision == "r2"} == {200}
    assert unlikely(sum(line.revision == "r1" for line in after), len(after), 0.5) < FIVE_SIGMA
    assert set(answers) <= {"200", "502"}


# -- long bodies


@contextlib.contextmanager
def raw_server(place):
    """A socket server as r1, whose answers the test writes; yields a function that accepts a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as connections:
        server.settimeout(60)

        def accept():
            while True:
                connection = connections.enter_context(server.accept()[0])
                connection.settimeout(60)
                # the balancer's check of a new pool connects and sends nothing
                if connection.recv(1, socket.MSG_PEEK):
                    return connection

        address = f"127.0.0.1:{server.getsockname()[1]}"
        place.balancer.apply(Pool("shop", {"r1": (address,)}, {"r1": 1.0}))
        yield accept


def until(connection, end):
    data = b""
    while end not in data:
        chunk = connection.recv(65536)
        assert chunk, data
        data += chunk
    return data


def test_bodies_are_streamed_in_both_directions_at_once(place):
    with raw_server(place) as accept, socket.create_connection(place.url.split(":"), timeout=60) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        server = accept()
        until(server, b"first")
        server.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        until(client, b"one")
        client.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        until(server, b"second")
        server.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
        until(client, b"two\r\n0\r\n\r\n")


def test_20_mb_are_streamed_in_both_directions_without_buffering(place):
    part = bytes(range(256)) * (MEGABYTE // 256)
    process = psutil.Process(place.process.pid)
    with Upstream("r1") as r1:
        place.serve(r1)
        before = process.memory_info().rss
        connection = http.client.HTTPConnection(place.url, timeout=60)
        connection.request("POST", "/echo", iter([part] * 20), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        answer = connection.getresponse()
        found, most = hashlib.sha256(), 0
        while chunk := answer.read(MEGABYTE):
            found.update(chunk)
            most = max(most, process.memory_info().rss)
        connection.close()
    assert found.hexdigest() == hashlib.sha256(part * 20).hexdigest()
    assert most - before < 12 * MEGABYTE


def test_an_answer_before_the_end_of_the_body_reaches_the_client(place):
    """A server that refuses an upload does not read all of it."""
    with raw_server(place) as accept, socket.create_connection(place.url.split(":"), timeout=60) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 1000)
        server = accept()
        until(server, b"\r\n\r\n")
        server.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 7\r\nConnection: close\r\n\r\nrefused")
        server.shutdown(socket.SHUT_WR)
        answer = until(client, b"refused")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert [line.code for line in place.lines(1)] == [413]


def test_headers_of_a_single_connection_are_not_forwarded(place):
    with Upstream("r1") as r1:
        place.serve(r1)
        connection = http.client.HTTPConnection(place.url, timeout=60)
        mine = {"Connection": "keep-alive, X-Hop", "X-Hop": "1", "Keep-Alive": "timeout=5", "TE": "trailers"}
        connection.request("GET", "/", headers=mine | {"Proxy-Authorization": "Basic eDp5", "X-End": "2"})
        assert connection.getresponse().read() == b"r1"
        connection.close()
        (request,) = r1.received
    assert request.header("x-end") == ["2"]
    for name in ("x-hop", "keep-alive", "te", "proxy-authorization"):
        assert request.header(name) == [], name
