"""The embedded balancer: the contract of all balancers, on a real `pratique balancer` process."""

import signal
import socket
import stat
import subprocess

import psutil
import pytest

from contract.balancer_contract import LONG_S, BalancerContract, four_servers, get
from pratique.balancer.base import Lease
from pratique.balancer.control_socket import ControlConnection
from pratique.balancer.embedded import EmbeddedBalancer
from pratique.errors import UnavailableError
from support.balancer_fixture import running
from support.other_user import SYSTEM_PYTHON, as_nobody, needs_root, running_as_nobody, shared_folder
from support.ports import free_port
from support.waiting import eventually

pytestmark = pytest.mark.server


CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
LISTEN = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
__import__("os").chmod(sys.argv[1], 0o777)
listener.listen()
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    body = b'{"service": "shop", "pool": null}'
    connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
"""


def control(place, path, method="GET", content=None):
    connection = ControlConnection(place.control, 60)
    try:
        connection.request(method, path, content)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


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
    place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", LONG_S))
    place.restart()
    assert 0 < place.balancer.weights("shop").lease_left_s < LONG_S
    assert get(place.url)[1] == b"r2"


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
    assert place.process.wait(60) == 0


def test_an_address_in_use_is_reported_in_one_line(place):
    second = subprocess.run(place.command, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 69
    assert second.stderr.count("\n") == 1
    assert f"balancer cannot listen on {place.url}" in second.stderr


def test_a_corrupt_state_file_is_reported_in_one_line(place):
    place.stop()
    (place.folder / ".pratique/balancer").mkdir(parents=True, exist_ok=True)
    (place.folder / ".pratique/balancer/shop.json").write_text("{")
    second = subprocess.run(place.command, capture_output=True, text=True, timeout=120, check=False)
    assert (second.returncode, second.stderr.count("\n")) == (65, 1)
    assert "is corrupt: delete it" in second.stderr


@needs_root
def test_control_is_a_socket_that_only_its_owner_can_reach():
    with shared_folder() as folder, running(folder) as place:
        listening = [c.laddr.port for c in psutil.Process(place.process.pid).net_connections() if c.status == "LISTEN"]
        assert listening == [int(place.url.split(":")[1])]
        assert stat.S_IMODE(place.control.stat().st_mode) == 0o600
        assert "PermissionError" in as_nobody(SYSTEM_PYTHON, "-c", CONNECT, place.control).stderr
        # even where somebody opened the folder
        (folder / ".pratique").chmod(0o755)
        place.control.parent.chmod(0o755)
        assert "PermissionError" in as_nobody(SYSTEM_PYTHON, "-c", CONNECT, place.control).stderr


@needs_root
def test_a_listener_of_another_user_is_not_asked():
    with shared_folder() as folder:
        folder.chmod(0o777)
        path = folder / "shop.socket"
        with running_as_nobody(SYSTEM_PYTHON, "-c", LISTEN, path) as stranger:
            assert stranger.stdout.readline() == b"listening\n"
            with pytest.raises(UnavailableError, match="does not answer"):
                EmbeddedBalancer(path).pool("shop")


def test_a_second_balancer_of_a_service_is_refused_at_another_address_too(place):
    text = place.config.read_text().replace(place.url, f"127.0.0.1:{free_port()}")
    (place.folder / "other.toml").write_text(text)
    words = [*place.command[:-1], str(place.folder / "other.toml")]
    second = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (second.returncode, second.stderr.count("\n")) == (75, 1)
    assert "another balancer uses" in second.stderr
    assert place.answers()


@pytest.mark.slow
def test_a_deep_state_folder_has_a_control_socket_too(tmp_path):
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    with running(deep) as place:
        assert place.answers()


def test_a_control_address_of_an_older_service_file_is_accepted(place):
    place.config.write_text(place.config.read_text() + 'control = "127.0.0.1:8081"\n')
    place.restart()
    assert place.answers()


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
    status, answer = control(place, path, "PUT", content)
    assert status in {400, 409}
    assert b"Error" in answer


def test_the_control_interface_reports_service_and_statistics(place, servers):
    place.serve(servers["r1"])
    get(place.url)
    assert b'"service": "shop"' in control(place, "/health")[1]
    stats = place.balancer.stats()
    assert (stats["requests"], stats["in_flight"]) == ({"r1": 1}, {})
    assert stats["access_lines"] == {"sent": 1, "failed": 0}


def test_requests_in_flight_are_reported_per_server(place, servers):
    place.serve(servers["r1"])
    with socket.create_connection(place.url.split(":")) as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: shop\r\n\r\n")
        eventually(lambda: place.balancer.stats()["in_flight"] == {servers["r1"].address: 1})
    eventually(lambda: place.balancer.stats()["in_flight"] == {})


def test_a_state_that_cannot_be_written_is_an_error_and_traffic_continues(place, servers):
    place.serve(servers["r1"], servers["r2"])
    state = place.folder / ".pratique/balancer/shop.json"
    state.unlink()
    state.mkdir()  # a folder is in the way
    with pytest.raises(Exception, match="cannot write its state"):
        place.balancer.set_weights("shop", {"r2": 1.0})
    assert get(place.url)[1] == b"r1"
