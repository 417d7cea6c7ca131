"""What strangers hold open at the balancer, and what they make it log, has a bound: users and control are served."""

import http.client
import re
import resource
import socket
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from support.balancer_fixture import Place
from support.upstream import Upstream
from support.waiting import eventually

pytestmark = [pytest.mark.server, pytest.mark.slow]
DESCRIPTORS = 1024
STRANGERS = 1100


IMPATIENT = """
import sys
from pratique.balancer import forward
from pratique.cli.app import main
forward.CLIENT_SILENCE_S = 1.0
main(sys.argv[1:])
"""


class Impatient(Place):
    """A balancer that waits one second for a client."""

    @property
    def command(self):
        return [super().command[0], "-c", IMPATIENT, *super().command[3:]]


class Limited(Place):
    """A balancer that may have few open files."""

    @property
    def command(self):
        return ["bash", "-c", f'ulimit -n {DESCRIPTORS}; exec "$@"', "bash", *super().command]


@pytest.fixture
def place(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    found = Limited(tmp_path)
    yield found
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found.stop()
    found.collector.close()


@pytest.fixture
def upstream():
    with Upstream("r1") as found:
        yield found


def connected(place, strangers, content=b""):
    host, _, port = place.url.rpartition(":")
    stranger = strangers.enter_context(socket.socket())
    # the kernel would take megabytes of an answer that nobody reads
    stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stranger.settimeout(60)
    stranger.connect((host, int(port)))
    stranger.sendall(content)
    return stranger


def status(connection):
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def new_status(place):
    with closing(http.client.HTTPConnection(place.url, timeout=60)) as connection:
        return status(connection)


@pytest.mark.parametrize("content", [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "], ids=["silent", "half a head"])
def test_users_and_control_are_served_while_strangers_hold_every_descriptor(place, upstream, content):
    place.serve(upstream)
    with ExitStack() as strangers:
        kept = strangers.enter_context(closing(http.client.HTTPConnection(place.url, timeout=60)))
        assert status(kept) == 200
        for _ in range(STRANGERS):
            connected(place, strangers, content)
        for _ in range(20):
            assert new_status(place) == 200
            assert place.balancer.weights("shop").shares == {"r1": 1.0}
        place.balancer.set_weights("shop", {"r1": 1.0})
        assert status(kept) == 200
    assert new_status(place) == 200
    assert (place.folder / "balancer.log").stat().st_size < 5000
    assert "Traceback" not in place.log()


@pytest.mark.parametrize(
    "begun",
    [
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /big/100000000 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["slow body", "slow chunks", "slow reader"],
)
def test_users_and_control_are_served_while_strangers_are_slow_within_requests(place, upstream, begun):
    place.serve(upstream)
    with ExitStack() as strangers:
        slow = [connected(place, strangers, begun) for _ in range((DESCRIPTORS - 128) // 2)]
        eventually(lambda: sum(place.balancer.stats()["in_flight"].values()) > len(slow) - 50)
        # each sends or reads a little: none is silent for as long as a client may be
        for stranger in slow:
            with suppress(OSError):
                stranger.sendall(b"1\r\nx\r\n") if begun.startswith(b"POST") else stranger.recv(1)
        time.sleep(2.5)
        for _ in range(20):
            assert new_status(place) == 200
            assert place.balancer.weights("shop").shares == {"r1": 1.0}
    assert new_status(place) == 200
    assert "Traceback" not in place.log()


def test_connection_without_a_request_is_closed_in_time_and_one_with_requests_stays(place, upstream):
    place.serve(upstream)
    with ExitStack() as strangers:
        kept = strangers.enter_context(closing(http.client.HTTPConnection(place.url, timeout=60)))
        assert status(kept) == 200
        began = time.monotonic()
        silent = connected(place, strangers)
        slow = connected(place, strangers, b"GET / HTTP/1.1\r\n")
        assert silent.recv(1) == b""
        assert slow.recv(1) == b""
        assert time.monotonic() - began > 8
        assert status(kept) == 200


def resident_mb(place):
    """Memory of all processes of the balancer."""
    text = Path(f"/proc/{place.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) // 1024


def received(client):
    """Everything that a client gets until its connection ends."""
    found = b""
    with suppress(ConnectionError):
        while more := client.recv(1000):
            found += more
    return found


ENDLESS = [
    (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-A: " + b"a" * 8000 + b"\r\n", True),
    (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: b\r\n" * 1000, True),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a" * 8000, True),
    (b"GET /", b"a" * 8000, True),
    (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"X: " + b"a" * 8000 + b"\r\n",
        False,
    ),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=", b"a" * 8000, False),
]


@pytest.mark.parametrize(("begun", "more", "is_told"), ENDLESS)
@pytest.mark.parametrize("is_kept", [False, True])
def test_client_that_sends_headers_without_end_is_refused_within_a_bound(
    tmp_path, upstream, begun, more, is_told, is_kept
):
    place = Place(tmp_path)
    try:
        place.serve(upstream)
        assert new_status(place) == 200
        before = resident_mb(place)
        with ExitStack() as strangers:
            clients = [connected(place, strangers) for _ in range(40)]
            for client in clients:
                if is_kept:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    assert b" 200 " in client.recv(1000)
                with suppress(ConnectionError):
                    client.sendall(begun + more * 8)
            assert resident_mb(place) - before < 40
            assert new_status(place) == 200
            for client in clients:
                with suppress(ConnectionError):
                    for _ in range(1 if is_told else 100):
                        client.sendall(more * 8)
            answers = [received(client) for client in clients]
        # bytes that arrive at a closed connection can take the answer with them
        told = sum(b"HTTP/1.1 431 " in answer for answer in answers)
        assert told > 30 if is_told else not told
        assert resident_mb(place) - before < 40
        assert new_status(place) == 200
        assert "Traceback" not in place.log()
    finally:
        place.stop()
        place.collector.close()


def test_head_within_the_bound_and_long_bodies_are_served(tmp_path, upstream):
    place = Place(tmp_path)
    try:
        place.serve(upstream)
        kept = http.client.HTTPConnection(place.url, timeout=60)
        with closing(kept):
            for _ in range(3):
                kept.request("GET", "/", headers={f"X-{number}": "a" * 600 for number in range(80)})
                answer = kept.getresponse()
                assert (answer.status, bool(answer.read())) == (200, True)
                kept.request("POST", "/echo", b"x" * 3_000_000)
                assert len(kept.getresponse().read()) >= 3_000_000
                kept.request("POST", "/echo", iter([b"x"] * 50_000), encode_chunked=True)
                assert kept.getresponse().read().count(b"x") >= 50_000
    finally:
        place.stop()
        place.collector.close()


def test_client_that_stalls_within_its_request_or_its_answer_is_not_waited_for(tmp_path, upstream):
    place = Impatient(tmp_path)
    try:
        place.serve(upstream)
        with ExitStack() as clients:
            sender = connected(place, clients, b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
            assert sender.recv(1000).startswith(b"HTTP/1.1 408 ")
            reader = connected(place, clients, b"GET /big/100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
            eventually(lambda: place.balancer.stats()["in_flight"])
            eventually(lambda: not place.balancer.stats()["in_flight"])
            assert reader.recv(10) == b"HTTP/1.1 2"
            assert new_status(place) == 200
        assert [line.code for line in place.lines(3)] == [408, 499, 200]
    finally:
        place.stop()
        place.collector.close()
