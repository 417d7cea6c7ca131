"""The collector's other inputs: TCP with both framings, a unix socket, HAProxy's own log, and Docker's syslog driver."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.balancer_contract import four_servers, get, pool_of
from pratique.balancer.haproxy.balancer import HAProxyBalancer
from pratique.config import load
from pratique.errors import UnavailableError
from pratique.store import open_store
from pratique.telemetry.collector_status import collector_status
from pratique.telemetry.containerlogs import container_logs
from support.docker_engine import needs_docker
from support.docker_fixture import DockerPlace
from support.haproxy_fixture import needs_haproxy
from support.ports import free_port
from support.waiting import eventually

pytestmark = pytest.mark.server


class Collector:
    """A collector that listens everywhere."""

    def __init__(self, more=""):
        self.folder = Path(tempfile.mkdtemp(prefix="col-"))
        self.udp, self.tcp = free_port(), free_port()
        self.unix = self.folder / "log.sock"
        self.file = self.folder / "pratique.toml"
        self.file.write_text(
            f'[telemetry]\nwindow_s = 1\nlisten = "127.0.0.1:{self.udp}"\nlisten_tcp = "127.0.0.1:{self.tcp}"\n'
            f'listen_unix = "{self.unix}"\n{more}\n[services.shop]\n'
        )
        self.config = load(self.file)
        self.start()

    def start(self):
        before = time.time()
        self.process = subprocess.Popen([sys.executable, "-m", "pratique.cli", "collect", "--config", self.file])
        eventually(lambda: (s := collector_status(self.config.state_dir)) and s.updated_at.timestamp() > before)

    def stop(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def status(self):
        return collector_status(self.config.state_dir)

    def counts(self):
        """Requests by revision, code and action, once everything is stored."""
        self.stop()
        store = open_store(str(self.folder / ".pratique" / "store"))
        start, end = datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(minutes=1)
        revisions = [found.revision for found in store.revisions("shop", start, end)]
        table = store.read("shop", revisions, start, end).table
        found = {}
        for row in table.to_pylist():
            key = (row["revision"], row["code"])
            found[key] = found.get(key, 0) + row["n"]
        return found


@pytest.fixture
def collector():
    found = Collector()
    yield found
    found.close()


def message(number, revision="r1"):
    body = {
        "t": time.time_ns() // 1_000_000,
        "s": "shop",
        "r": revision,
        "m": "GET",
        "p": f"/{number}",
        "c": 200,
        "d": 5.0,
    }
    return b"<134>1 2026-11-21T02:00:00Z h haproxy 1 - - " + json.dumps(body).encode()


def test_all_inputs_reach_the_store_with_exact_counts(collector):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for number in range(100):
            udp.sendto(message(number, "udp"), ("127.0.0.1", collector.udp))
    with socket.create_connection(("127.0.0.1", collector.tcp)) as lines:
        lines.sendall(b"".join(message(number, "lines") + b"\n" for number in range(200)))
    with socket.create_connection(("127.0.0.1", collector.tcp)) as counted:
        content = b"".join(b"%d %b" % (len(found := message(number, "counted")), found) for number in range(300))
        for at in range(0, len(content), 777):
            counted.sendall(content[at : at + 777])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        for number in range(400):
            unix.sendto(message(number, "unix"), str(collector.unix))
    eventually(lambda: collector.status().received == 1000)
    assert collector.counts() == {("udp", 200): 100, ("lines", 200): 200, ("counted", 200): 300, ("unix", 200): 400}


def test_slow_or_broken_connection_delays_no_other_and_is_counted(collector):
    with socket.create_connection(("127.0.0.1", collector.tcp)) as slow:
        slow.sendall(b"500 <134>half a mess")
        with socket.create_connection(("127.0.0.1", collector.tcp)) as broken:
            broken.sendall(b"9999999 not a count")
            assert broken.recv(10) == b""
        with socket.create_connection(("127.0.0.1", collector.tcp)) as good:
            good.sendall(message(1) + b"\n")
            eventually(lambda: collector.status().received == 1)
        eventually(lambda: collector.status().connections == 1)
    eventually(lambda: collector.status().connections == 0)
    assert collector.status().framing_errors == 1
    assert "frames over TCP" in collector.status().to_text()


def test_lines_over_tcp_survive_a_kill(collector):
    with socket.create_connection(("127.0.0.1", collector.tcp)) as lines:
        lines.sendall(b"".join(message(number) + b"\n" for number in range(500)))
    eventually(lambda: collector.status().received == 500)
    reported = collector.status().updated_at
    # lines are synchronised more often than reported
    eventually(lambda: collector.status().updated_at > reported)
    collector.process.kill()
    collector.process.wait()
    collector.start()
    assert collector.counts() == {("r1", 200): 500}


def test_socket_of_a_dead_collector_is_replaced_and_another_file_is_not(collector):
    collector.process.kill()
    collector.process.wait()
    assert collector.unix.exists()
    collector.start()
    assert collector.unix.stat().st_mode & 0o777 == 0o660
    collector.stop()
    collector.unix.write_text("mine")
    done = subprocess.run(
        [sys.executable, "-m", "pratique.cli", "collect", "--config", collector.file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "log.sock" in done.stderr) == (UnavailableError.exit_status, True)
    assert collector.unix.read_text() == "mine"


@needs_haproxy
@pytest.mark.parametrize("way", ["udp", "unix"])
def test_default_httplog_of_haproxy_is_counted(way):
    collector = Collector('httplog = { revision_from = "backend:^shop\\\\.(.+)$" }')
    folder, port = collector.folder, free_port()
    target = f"127.0.0.1:{collector.udp}" if way == "udp" else str(collector.unix)
    (folder / "haproxy.cfg").write_text(
        f"defaults\n mode http\n log {target} local0\n option httplog\n option dontlognull\n timeout client 5s\n timeout server 5s\n timeout connect 1s\n"
        f"frontend shop\n bind 127.0.0.1:{port}\n default_backend shop.r2\n"
        "backend shop.r2\n http-request return status 404 if { path /missing }\n http-request return status 200\n"
    )
    haproxy = subprocess.Popen(["haproxy", "-db", "-f", folder / "haproxy.cfg"], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port))
        for number in range(50):
            get(f"127.0.0.1:{port}", "/missing" if number % 5 == 0 else f'/a"b%0a{number}')
            if number % 5 == 4:
                # a unix socket's queue may be as short as ten datagrams, and HAProxy waits for nobody
                eventually(lambda sent=number + 1: collector.status().received == sent)
        assert collector.counts() == {("r2", 404): 10, ("r2", 200): 40}
    finally:
        haproxy.terminate()
        haproxy.wait()
        collector.close()


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@needs_haproxy
def test_requests_through_the_haproxy_balancer_are_counted_by_revision(collector):
    url = f"127.0.0.1:{free_port()}"
    collector.file.write_text(
        collector.file.read_text() + f'\n[services.shop.balancer]\nkind = "haproxy"\nlisten = "{url}"\n'
    )
    command = [sys.executable, "-m", "pratique.cli", "balancer", "shop", "--config", collector.file]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    balancer = HAProxyBalancer(load(collector.file).target("shop"))
    try:
        eventually(lambda: answers(balancer))
        with four_servers() as servers:
            balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
            for number in range(60):
                if number == 40:
                    balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0})
                get(url, "/status/503" if number % 10 == 0 else "/healthz" if number % 10 == 1 else '/"x"\\')
            eventually(lambda: collector.status().received == 54)
        assert collector.counts() == {("r1", 200): 32, ("r1", 503): 4, ("r2", 200): 16, ("r2", 503): 2}
        assert (collector.status().malformed, collector.status().lost_on_way) == (0, 0)
    finally:
        process.terminate()
        process.wait()


def answers(balancer):
    try:
        balancer.pool("shop")
    except UnavailableError:
        return False
    return True


@needs_docker
def test_container_logs_are_kept_by_revision(collector, engine, tmp_path):
    place = DockerPlace(engine, tmp_path, docker={"log_driver": "syslog"})
    place.runtime._collector = f"127.0.0.1:{collector.udp}"
    instance = place.start(place.release("r1"))
    try:
        eventually(lambda: [line.text for line in container_logs(collector.config.state_dir, "shop")] == ["listening"])
        (line,) = container_logs(collector.config.state_dir, "shop", revision="r1", instance=instance.id)
        assert (line.instance, line.revision) == (instance.id[:12], "r1")
    finally:
        engine.clean()
