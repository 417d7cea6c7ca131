"""HTTP through the embedded balancer: forwarded requests, refused requests, and access lines."""

import contextlib
import socket
import struct
import time
from contextlib import ExitStack

import psutil
import pytest

from contract.balancer_contract import get
from support.balancer_fixture import running
from support.upstream import Upstream
from support.waiting import eventually

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One balancer for all tests, because each test sets its own pool."""
    with running(tmp_path_factory.mktemp("balancer")) as place:
        yield place


@pytest.fixture(scope="module")
def shared_impatient(tmp_path_factory):
    with running(tmp_path_factory.mktemp("impatient"), timeout_s=0.4) as place:
        yield place


@pytest.fixture
def place(shared):
    shared.forget()
    return shared


@pytest.fixture
def impatient(shared_impatient):
    """A balancer with a server timeout of 0.4 s."""
    shared_impatient.forget()
    return shared_impatient


@pytest.fixture
def fresh(tmp_path):
    """A balancer for one test only."""
    with running(tmp_path) as place:
        yield place


@pytest.fixture
def upstreams():
    """A function that starts a server with a name."""
    with ExitStack() as stack:
        yield lambda name: stack.enter_context(Upstream(name))


@pytest.fixture
def r1(upstreams, place):
    server = upstreams("r1")
    place.serve(server)
    return server


def connect(place):
    return socket.create_connection(place.url.split(":"), timeout=60)


def talk(place, data):
    """Send bytes; return all bytes until the balancer closes the connection."""
    with connect(place) as client:
        client.sendall(data)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := client.recv(65536):
                answer += chunk
    return answer


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


def code(place):
    return place.lines(1)[0].code


# -- servers that fail


def test_a_dead_server_is_a_503_of_its_revision_only(place, upstreams):
    r1 = upstreams("r1")
    with Upstream("r2") as r2:
        place.serve(r1, r2, r1=0.5, r2=0.5)
    found = [get(place.url) for _ in range(100)]
    assert {status for status, _, _ in found} == {200, 503}
    assert {a.getheader("X-Pratique-Revision") for status, _, a in found if status == 503} == {"r2"}
    lines = place.lines(100)
    assert {(line.revision, line.code) for line in lines} == {("r1", 200), ("r2", 503)}
    assert len(r1.received) == sum(line.code == 200 for line in lines)


def test_an_unreachable_server_is_skipped_for_another_one_of_its_revision(place, upstreams):
    alive, other = upstreams("r1"), upstreams("r2")
    with Upstream("r1") as dead:
        place.serve(dead, alive, other, r1=1.0, r2=0.0)
    found = [get(place.url, method=method, body=body)[:2] for method, body in [("GET", None), ("POST", b"1")] * 20]
    assert found == [(200, b"r1")] * 40
    assert len(alive.received) == 40
    assert other.received == []
    assert {line.revision for line in place.lines(40)} == {"r1"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS"])
@pytest.mark.parametrize(("path", "expected"), [("/die", 502), ("/garbage", 502), ("/hang", 504)])
def test_a_request_that_reached_a_server_is_never_sent_twice(request, upstreams, method, path, expected):
    place = request.getfixturevalue("impatient" if path == "/hang" else "place")
    first, second = upstreams("r1"), upstreams("r1")
    place.serve(first, second)
    for _ in range(3):
        # opens a kept connection, over which aiohttp would send twice
        eventually(lambda: get(place.url)[0] == 200)
    place.forget()
    received = len(first.received) + len(second.received)
    assert get(place.url, path, method)[0] == expected
    assert len(first.received) + len(second.received) == received + 1
    assert code(place) == expected


def test_an_idle_connection_that_the_server_may_have_closed_is_not_used(place, r1):
    def another_request_uses_the_same_connection():
        get(place.url)
        return len(r1.received) > 1 and len({request.connection for request in r1.received[-2:]}) == 1

    eventually(another_request_uses_the_same_connection)
    time.sleep(1.3)
    assert not another_request_uses_the_same_connection()


def test_a_truncated_answer_is_truncated_for_the_client_too(place, r1):
    answer = talk(place, b"GET /cut/100000 HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert status_of(answer) == 200
    assert len(answer) < 60_000
    assert code(place) == 502


def test_a_server_that_stops_sending_is_disconnected(impatient):
    place = impatient
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        class Silent:
            name, received = "r1", []

        Silent.address = address
        place.serve(Silent)
        with connect(place) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
            while not (connection := server.accept()[0]).recv(1, socket.MSG_PEEK):
                connection.close()  # the pool's verification
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            with contextlib.suppress(ConnectionResetError):
                while client.recv(4096):
                    pass
            connection.close()
    assert code(place) == 504


# -- clients that fail


def test_a_client_that_disconnects_is_a_499_and_its_server_is_disconnected(place, r1):
    with connect(place) as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: shop\r\n\r\n")
        eventually(lambda: r1.received)
    line = place.lines(1)[0]
    assert (line.code, line.revision) == (499, "r1")
    eventually(lambda: r1.closed_early == 1)


def test_a_client_that_disconnects_during_its_answer_is_a_499(place, r1):
    with connect(place) as client:
        client.sendall(b"GET /big/50000000 HTTP/1.1\r\nHost: shop\r\n\r\n")
        client.recv(65536)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
    assert code(place) == 499


def test_a_client_that_disconnects_when_it_sees_an_error_does_not_hide_it(place, r1):
    with connect(place) as client:
        client.sendall(b"GET /failing/50000000 HTTP/1.1\r\nHost: shop\r\n\r\n")
        assert status_of(client.recv(65536)) == 500
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close by a reset
    line = place.lines(1)[0]
    assert (line.code, line.revision) == (500, "r1")


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_client_that_disconnects_during_its_request_is_not_a_server_error(place, r1, framing):
    with connect(place) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: shop\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n")
        eventually(lambda: r1.received)
    assert code(place) in {400, 499}
    eventually(lambda: r1.closed_early == 1)


def test_a_body_with_invalid_framing_is_a_400(place, r1):
    answer = talk(
        place,
        b"POST /echo HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n",
    )
    assert status_of(answer) == 400


def test_a_slow_client_does_not_fill_the_memory_of_the_balancer(place, r1):
    process = psutil.Process(place.process.pid)
    with connect(place) as client:
        client.sendall(b"GET /big/100000000 HTTP/1.1\r\nHost: shop\r\n\r\n")
        client.recv(65536)
        before = process.memory_info().rss
        time.sleep(1.0)
        assert process.memory_info().rss - before < 20_000_000
    assert code(place) == 499


# -- forwarded requests


def test_a_request_is_forwarded_unchanged(place, r1):
    headers = {"Host": "shop.example", "Accept": "text/x", "Cookie": "a=1; b=2", "X-Odd": "caf\xe9"}
    get(place.url, "/a/../b//c?q=%20&r=%2F;x", headers=headers)
    (request,) = r1.received
    assert request.line == "GET /a/../b//c?q=%20&r=%2F;x HTTP/1.1"
    assert request.header("host") == ["shop.example"]
    assert request.header("cookie") == ["a=1; b=2"]
    assert request.header("x-forwarded-for") == ["127.0.0.1"]
    assert request.header("x-forwarded-host") == ["shop.example"]
    # no header is added that the client did not send, except those about the connection
    names = {name.lower() for name, _ in request.headers} - {"connection"}
    assert names == {"host", "accept", "cookie", "x-odd", "accept-encoding"} | {
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    }


def test_an_answer_is_returned_unchanged(place, r1):
    _, _, answer = get(place.url, "/cookies")
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.getheader("X-Pratique-Revision") == "r1"
    assert answer.getheader("X-Mine") is None
    assert answer.getheader("Content-Type") is None
    assert answer.getheader("Server") == "pratique"


@pytest.mark.parametrize("status", [201, 204, 301, 304, 404, 418, 500, 503])
def test_every_status_is_returned_and_logged(place, r1, status):
    assert get(place.url, f"/status/{status}")[0] == status
    assert code(place) == status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
def test_every_method_is_forwarded(place, r1, method):
    status, content, answer = get(place.url, "/", method)
    assert (status, content) == (200, b"" if method == "HEAD" else b"r1")
    assert answer.getheader("Content-Length") == "2"
    assert r1.received[0].line.startswith(f"{method} / ")
    assert place.lines(1)[0].method == method


def test_a_large_body_is_forwarded_with_a_length_or_in_chunks(place, r1):
    body = bytes(range(256)) * (1 << 14)
    assert get(place.url, "/echo", "POST", body)[1] == body
    assert r1.received[0].header("content-length") == [str(len(body))]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:70_000], body[70_000:], b""))
    assert get(place.url, "/echo", "POST", chunks, {"Transfer-Encoding": "chunked"})[1] == body
    assert r1.received[1].header("transfer-encoding") == ["chunked"]
    assert r1.received[1].header("content-length") == []


def test_a_large_chunked_answer_is_complete(place, r1):
    assert get(place.url, "/big/10000000")[1] == b"x" * 10_000_000


def test_an_answer_that_ends_with_its_connection_is_complete(place, r1):
    assert get(place.url, "/until-close")[1] == b"r1"


def test_pipelined_requests_are_answered_in_order(place, r1):
    one = b"GET /%d HTTP/1.1\r\nHost: shop\r\n\r\n"
    last = b"GET /3 HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
    answer = talk(place, one % 1 + one % 2 + last)
    assert answer.count(b"HTTP/1.1 200 Fine") == 3
    assert [request.line.split()[1] for request in r1.received] == ["/1", "/2", "/3"]


def test_a_client_of_http_1_0_is_served(place, r1):
    answer = talk(place, b"GET /big/5 HTTP/1.0\r\n\r\n")
    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\nxxxxx")


def test_a_client_that_expects_100_continue_gets_it(place, r1):
    with connect(place) as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        answer = client.makefile("rb")
        assert answer.readline() == b"HTTP/1.1 200 Fine\r\n"
    assert r1.received[0].header("expect") == []


# -- hostile requests


@pytest.mark.parametrize(
    "target", [b"@evil.example/", b"evil.example:80", b"*", b"file:///etc/passwd", b"http:evil", b"ftp://evil/"]
)
def test_a_target_that_is_not_a_path_reaches_no_server(place, r1, target):
    answer = talk(place, b"GET " + target + b" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    assert status_of(answer) == 400
    assert r1.received == []


def test_a_tunnel_is_refused(place, r1):
    answer = talk(place, b"CONNECT evil.example:443 HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert status_of(answer) in {400, 405}
    assert r1.received == []


@pytest.mark.parametrize(
    ("target", "sent_on"),
    [
        (b"http://evil.example/a?b", "/a?b"),
        (b"//evil.example/a", "//evil.example/a"),
        (b"/%0d%0aX-Evil:%201", "/%0d%0aX-Evil:%201"),
        (b"/<script>'\"${x}`", "/<script>'\"${x}`"),
        (b"/" + b"a" * 10_000, "/" + "a" * 10_000),
    ],
)
def test_a_hostile_target_stays_a_path(place, r1, target, sent_on):
    answer = talk(place, b"GET " + target + b" HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    assert status_of(answer) == 200
    assert [request.line for request in r1.received] == [f"GET {sent_on} HTTP/1.1"]
    assert len(place.lines(1)[0].path) <= 2048


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: shop\r\nX-A: b\r\n folded\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: shop\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : shop\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: shop\r\nX-Nul: \x00\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
def test_an_ambiguous_request_reaches_no_server(place, r1, head):
    with connect(place) as client:
        client.sendall(head)
        client.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(65536)[:12] in {b"HTTP/1.1 400", b"HTTP/1.0 400", b"HTTP/1.1 431", b"HTTP/1.1 501", b""}
    assert [request.line for request in r1.received if "/b" in request.line] == []
    assert len(r1.received) <= (0 if b"folded" not in head else 1)
    assert get(place.url)[0] == 200


def test_an_upgrade_is_not_forwarded(place, r1):
    answer = talk(
        place,
        b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    )
    assert status_of(answer) == 200
    assert "/smuggled" not in "".join(request.line for request in r1.received[:1])
    assert r1.received[0].header("upgrade") == []


# -- access lines


def test_an_access_line_has_revision_request_and_duration(place, r1):
    began = time.time()
    get(place.url, "/slow/150?q=1")
    (line,) = place.lines(1)
    assert (line.service, line.revision, line.method, line.path, line.code) == (
        "shop",
        "r1",
        "GET",
        "/slow/150",  # without the query, which may hold a token
        200,
    )
    assert 150 <= line.duration_ms < (time.time() - began) * 1000 + 1
    assert began - 0.01 <= line.time_ms / 1000 <= time.time()


def test_access_lines_are_numbered_from_the_start_of_the_balancer(fresh, upstreams):
    fresh.serve(upstreams("r1"))
    for _ in range(5):
        get(fresh.url)
    lines = fresh.lines(5)
    assert [line.sequence for line in lines] == list(range(5))
    fresh.restart()
    get(fresh.url)
    (again,) = fresh.lines(1)
    assert again.sequence == 0
    assert again.boot != lines[0].boot


def test_a_request_without_a_pool_has_no_revision(fresh):
    assert get(fresh.url)[0] == 503
    line = fresh.lines(1)[0]
    assert (line.revision, line.code) == ("none", 503)


def test_without_a_collector_traffic_goes_on(fresh, upstreams):
    fresh.serve(upstreams("r1"))
    fresh.collector.close()
    assert [get(fresh.url)[0] for _ in range(20)] == [200] * 20
