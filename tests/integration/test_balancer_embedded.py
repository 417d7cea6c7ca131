"""The embedded balancer: the contract of all balancers, on a real `pratique balancer` process."""

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


def test_a_lease_survives_a_restart(place, servers):
    place.serve(servers["r1"], servers["r2"])
    place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", 8.0))
    place.restart()
    assert 0 < place.balancer.weights("shop").lease_left_s < 8.0
    assert get(place.url)[1] == b"r2"


def test_a_lease_expires_on_time_after_its_holder_is_killed(place, servers):
    place.serve(servers["r1"], servers["r2"])
    holder = subprocess.Popen([sys.executable, "-c", place.holder], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"renewing\n"
    eventually(lambda: get(place.url)[1] == b"r2")
    holder.kill()
    killed = time.time()
    holder.communicate()
    eventually(lambda: place.balancer.weights("shop").lapsed, 10)
    # measured by the balancer, so a slow test does not matter
    assert place.balancer.weights("shop").lapsed.timestamp() - killed < 2.0 + 0.5
    assert [get(place.url)[1] for _ in range(20)] == [b"r1"] * 20


def test_an_expired_lease_is_logged(place, servers):
    place.serve(servers["r1"], servers["r2"])
    place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", 0.1))
    eventually(lambda: "lease expired: r1 gets the share of r2 again" in place.log())


def test_a_stopped_balancer_finishes_its_requests(place, servers):
    place.serve(servers["r1"])
    with socket.create_connection(place.url.split(":")) as client:
        client.sendall(b"GET /slow/700 HTTP/1.1\r\nHost: shop\r\n\r\n")
        eventually(lambda: servers["r1"].received)
        place.process.send_signal(signal.SIGTERM)
        assert client.makefile("rb").read().endswith(b"r1")
    assert place.process.wait(10) == 0


def test_an_address_in_use_is_reported_in_one_line(place):
    second = subprocess.run(place.command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 69
    assert second.stderr.count("\n") == 1
    assert f"balancer cannot listen on {place.url}" in second.stderr


def test_a_corrupt_state_file_is_reported_in_one_line(place):
    place.stop()
    (place.folder / ".pratique/balancer").mkdir(parents=True, exist_ok=True)
    (place.folder / ".pratique/balancer/shop.json").write_text("{")
    second = subprocess.run(place.command, capture_output=True, text=True, timeout=30, check=False)
    assert (second.returncode, second.stderr.count("\n")) == (65, 1)
    assert "is corrupt: delete it" in second.stderr


def test_the_control_interface_refuses_other_host_names(place):
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
def test_an_invalid_request_to_the_control_interface_is_refused(place, path, content):
    status, answer, _ = get(place.control, path, "PUT", content)
    assert status in {400, 409}
    assert b"Error" in answer


def test_the_control_interface_reports_service_and_statistics(place, servers):
    place.serve(servers["r1"])
    get(place.url)
    assert b'"service": "shop"' in get(place.control, "/health")[1]
    stats = place.balancer.stats()
    assert (stats["requests"], stats["in_flight"]) == ({"r1": 1}, {})
    assert stats["access_lines"] == {"sent": 1, "failed": 0}


def test_requests_in_flight_are_reported_per_server(place, servers):
    place.serve(servers["r1"])
    with socket.create_connection(place.url.split(":")) as client:
        client.sendall(b"GET /slow/700 HTTP/1.1\r\nHost: shop\r\n\r\n")
        eventually(lambda: place.balancer.stats()["in_flight"] == {servers["r1"].address: 1}, 0.6)
        client.recv(4096)
        eventually(lambda: place.balancer.stats()["in_flight"] == {})


def test_a_state_that_cannot_be_written_is_an_error_and_traffic_continues(place, servers):
    place.serve(servers["r1"], servers["r2"])
    folder = place.folder / ".pratique/balancer"
    folder.rename(folder.with_name("gone"))
    folder.write_text("a file is in the way")
    with pytest.raises(Exception, match="cannot write its state"):
        place.balancer.set_weights("shop", {"r2": 1.0})
    assert get(place.url)[1] == b"r1"


def test_starting_is_quick(place):
    began = time.monotonic()
    place.restart()
    assert time.monotonic() - began < 10
