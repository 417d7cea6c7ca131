import contextlib
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pratique.balancer import open_balancer
from pratique.balancer.base import Lease, Pool
from pratique.config import load
from pratique.errors import UnavailableError
from pratique.runbook.canary.lease_renewer import LeaseRenewer
from support.ports import free_port
from support.waiting import eventually

pytestmark = pytest.mark.server


class Quiet(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def balancer(tmp_path):
    """A real balancer with a pool of two revisions, r1 with all of the traffic."""
    file = tmp_path / "pratique.toml"
    file.write_text(
        f'[telemetry]\nlisten = "127.0.0.1:{free_port()}"\n[services.shop.balancer]\n'
        f'listen = "127.0.0.1:{free_port()}"\n'
    )
    process = subprocess.Popen([sys.executable, "-m", "pratique.cli", "balancer", "shop", "--config", file])
    with contextlib.ExitStack() as stack:
        stack.callback(process.wait)
        stack.callback(process.terminate)
        servers = [stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Quiet)) for _ in range(2)]
        for server in servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        found = open_balancer(load(file).target("shop"))
        addresses = [f"127.0.0.1:{server.server_port}" for server in servers]
        eventually(lambda: answers(found))
        found.apply(Pool("shop", {"r1": (addresses[0],), "r2": (addresses[1],)}, {"r1": 1.0, "r2": 0.0}))
        yield found


def answers(balancer):
    with contextlib.suppress(UnavailableError):
        balancer.pool("shop")
        return True
    return False


def give(balancer, ttl_s):
    balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", ttl_s))


def is_held_by_heartbeats(balancer, ttl_s):
    """Whether a lease holds longer than it would without heartbeats."""
    renewer = LeaseRenewer(balancer, "shop", ttl_s, timeout_s=0.7 * ttl_s)
    give(balancer, ttl_s)
    renewer.start()
    end = time.monotonic() + 2.5 * ttl_s
    while time.monotonic() < end:
        renewer.heartbeat()
        time.sleep(0.1)
    held = balancer.weights("shop").shares["r2"] == 0.5 and not renewer.expired
    renewer.stop()
    return held


def test_a_lease_is_renewed_while_the_judge_sends_heartbeats(balancer):
    # on a machine that is busy with others, a short lease can end between two renewals
    assert any(is_held_by_heartbeats(balancer, ttl_s) for ttl_s in (0.9, 3.0, 8.0))


def test_a_hung_judge_loses_the_lease(balancer):
    renewer = LeaseRenewer(balancer, "shop", 0.6, timeout_s=0.6)
    give(balancer, 0.6)
    renewer.start()
    eventually(lambda: balancer.weights("shop").shares["r2"] == 0.0)
    renewer.heartbeat()  # it continues
    eventually(lambda: renewer.expired)
    assert balancer.weights("shop").shares == {"r1": 1.0, "r2": 0.0}
    renewer.stop()


def test_a_stopped_renewer_lets_the_lease_expire(balancer):
    renewer = LeaseRenewer(balancer, "shop", 0.6)
    give(balancer, 0.6)
    renewer.start()
    renewer.stop()
    eventually(lambda: balancer.weights("shop").shares["r2"] == 0.0)


def test_a_renewer_can_be_started_again_after_the_lease_expired(balancer):
    renewer = LeaseRenewer(balancer, "shop", 0.6, timeout_s=0.3)
    give(balancer, 0.6)
    renewer.start()
    eventually(lambda: balancer.weights("shop").shares["r2"] == 0.0)
    renewer.heartbeat()
    eventually(lambda: renewer.expired)
    renewer.stop()
    give(balancer, 0.6)
    renewer.start()
    assert not renewer.expired
    renewer.stop()
