"""The embedded balancer: the contract of all balancers, on `pratique balancer` as a process of its own."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from contract.balancer_contract import BalancerContract, eventually, four_servers, get
from pratique.balancer.base import Lease
from support.balancer_fixture import running

pytestmark = pytest.mark.server


@pytest.fixture
def place(tmp_path):
    with running(tmp_path) as place:
        yield place


@pytest.fixture
def servers():
    with four_servers() as servers:
        yield servers


class TestEmbedded(BalancerContract):
    pass


def test_a_lease_that_is_still_good_goes_on_over_a_restart(place, servers):
    place.serve(servers["r1"], servers["r2"])
    place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", 8.0))
    place.restart()
    assert 0 < place.balancer.weights("shop").lease_left_s < 8.0
    assert get(place.url)[1] == b"r2"


def test_with_the_holder_of_a_lease_killed_it_lapses_at_its_time(place, servers):
    place.serve(servers["r1"], servers["r2"])
    holder = subprocess.Popen([sys.executable, "-c", place.holder], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"renewing\n"
    eventually(lambda: get(place.url)[1] == b"r2")
    holder.kill()
    killed = time.time()
    holder.communicate()
    eventually(lambda: place.balancer.weights("shop").lapsed, 10)
    # the balancer's own word, so that a slow test does not count
    assert place.balancer.weights("shop").lapsed.timestamp() - killed < 2.0 + 0.5
    assert [get(place.url)[1] for _ in range(20)] == [b"r1"] * 20


def test_a_lapse_stands_in_the_log(place, servers):
    place.serve(servers["r1"], servers["r2"])
    place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", 0.1))
    eventually(lambda: "lease lapsed: the share of r2 is back on r1" in place.log())


def test_a_stopped_balancer_finishes_its_requests(place, servers):
    place.serve(servers["r1"])
    with socket.create_connection(place.url.split(":")) as client:
        client.sendall(b"GET /slow/700 HTTP/1.1\r\nHost: shop\r\n\r\n")
        eventually(lambda: servers["r1"].received)
        place.process.send_signal(signal.SIGTERM)
        assert client.makefile("rb").read().endswith(b"r1")
    assert place.process.wait(10) == 0


def test_an_address_that_is_taken_is_told_in_one_line(place):
    second = subprocess.run(place.command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 69
    assert second.stderr.count("\n") == 1
    assert f"balancer cannot listen at {place.url}" in second.stderr


def test_a_damaged_state_is_told_in_one_line(place):
    place.stop()
    (place.folder / ".pratique/balancer").mkdir(parents=True, exist_ok=True)
    (place.folder / ".pratique/balancer/shop.json").write_text("{")
    second = subprocess.run(place.command, capture_output=True, text=True, timeout=30, check=False)
    assert (second.returncode, second.stderr.count("\n")) == (65, 1)
    assert "is damaged: remove it" in second.stderr


def test_the_control_is_not_for_pages_in_a_browser(place):
    status, content, _ = get(place.control, "/pool", headers={"Host": "evil.example"})
    assert (status, b"loopback" in content) == (409, True)
    assert get(place.control, "/pool", headers={"Host": f"localhost:{place.control.split(':')[1]}"})[0] == 200


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/pool", b"{"),
        ("/pool", b"[]"),
        ("/pool", b'{"service": "shop", "servers": {"r1": 5}, "weights": {}}'),
        ("/weights", b'{"shares": {"r1": "many"}}'),
        ("/weights", b'{"shares": {"r1": 1}, "lease": {"canary": "r1"}}'),
        ("/weights", b"\xff"),
    ],
)
def test_what_is_no_order_is_refused(place, path, content):
    status, answer, _ = get(place.control, path, "PUT", content)
    assert status in {400, 409}
    assert b"Error" in answer


def test_the_balancer_says_which_service_it_is_and_what_it_did(place, servers):
    place.serve(servers["r1"])
    get(place.url)
    assert b'"service": "shop"' in get(place.control, "/health")[1]
    stats = place.balancer.stats()
    assert (stats["requests"], stats["in_flight"]) == ({"r1": 1}, {})
    assert stats["access_lines"] == {"sent": 1, "failed": 0}


def test_requests_in_flight_are_told_per_server(place, servers):
    place.serve(servers["r1"])
    with socket.create_connection(place.url.split(":")) as client:
        client.sendall(b"GET /slow/700 HTTP/1.1\r\nHost: shop\r\n\r\n")
        eventually(lambda: place.balancer.stats()["in_flight"] == {servers["r1"].address: 1}, 0.6)
        client.recv(4096)
        eventually(lambda: place.balancer.stats()["in_flight"] == {})


def test_a_state_folder_without_room_is_told_and_traffic_goes_on(place, servers):
    place.serve(servers["r1"], servers["r2"])
    folder = place.folder / ".pratique/balancer"
    folder.rename(folder.with_name("gone"))
    folder.write_text("a file is in the way")
    with pytest.raises(Exception, match="cannot keep its state"):
        place.balancer.set_weights("shop", {"r2": 1.0})
    assert get(place.url)[1] == b"r1"


def test_starting_is_quick(place):
    began = time.monotonic()
    place.restart()
    assert time.monotonic() - began < 10
