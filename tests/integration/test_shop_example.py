"""The sample service and its load, which the demo and the README use."""

import json
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from contract.balancer_contract import get
from pratique.config import load
from pratique.release import load_release
from pratique.runtime.process import ProcessRuntime
from support.ports import free_port

pytestmark = pytest.mark.server

SHOP = Path(__file__).parents[2] / "examples" / "shop"
CONFIG = load(SHOP / "pratique.toml")


@pytest.fixture
def start(tmp_path):
    settings = CONFIG.service("shop").runtime
    runtime = ProcessRuntime(settings, tmp_path, SHOP)

    def start(revision):
        release = load_release("shop", revision, settings, SHOP)
        (instance,) = runtime.start(release, run="test", role="baseline")
        runtime.wait_ready(instance, deadline_s=60)
        return instance.address

    yield start
    for instance in runtime.list():
        runtime.stop(instance, drain_s=0)


def test_the_shop_answers_its_routes_and_404_for_other_paths(start):
    url = start("r1")
    found = [
        get(url, path, method, body)[0]
        for method, path, body in [
            ("GET", "/", None),
            ("GET", "/product/17", None),
            ("GET", "/search?q=tea", None),
            ("POST", "/cart", b"item=17"),
            ("POST", "/checkout", b"pay"),
            ("GET", "/healthz", None),
            ("GET", "/checkout", None),
            ("GET", "/product/17/reviews", None),
        ]
    ]
    assert set(found[:5]) <= {200, 500}
    assert found[5:] == [200, 404, 404]
    assert get(url, "/healthz")[1] == b"r1"


def test_a_release_needs_no_file_outside_its_directory():
    assert len({(SHOP / "releases" / r / "app.py").read_bytes() for r in ("r1", "r2", "r3")}) == 1
    r1, r2, r3 = (json.loads((SHOP / "releases" / r / "release.json").read_text()) for r in ("r1", "r2", "r3"))
    assert r1["routes"] == r2["routes"]
    worse = [(a["path"]) for a, b in zip(r2["routes"], r3["routes"], strict=True) if a != b]
    assert worse == ["/search", "/checkout"]


@pytest.mark.parametrize("name", ["pratique.toml", "pratique-docker.toml"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_the_demo_replaces_only_ports_that_are_in_use(tmp_path, capsys, name, kind):
    ports = runpy.run_path(str(SHOP / "demo_ports.py"))
    free, used = free_port(), free_port()
    text = (SHOP / name).read_text().replace(":5514", f":{free}").replace(":8080", f":{used}").replace(":8081", ":0")
    example = tmp_path / "example.toml"
    example.write_text(text)
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", used))
        address = ports["copy_with_free_ports"](example, tmp_path / "state/demo.toml", state=tmp_path / "state")
    config = load(tmp_path / "state/demo.toml")
    shop = config.service("shop")
    assert (config.telemetry.listen, shop.balancer.listen) == (f"127.0.0.1:{free}", address)
    assert address != f"127.0.0.1:{used}"
    assert (
        f"port {used} is in use by another program: the demo uses {address.rpartition(':')[2]}"
        in capsys.readouterr().out
    )
    assert config.state_dir == tmp_path / "state"
    assert shop.judge == load(SHOP / name).service("shop").judge


def test_the_load_keeps_its_rate_and_ends_after_its_time(start):
    command = [sys.executable, SHOP / "load.py", "--url", f"http://{start('r3')}", "--rate", "200", "--seconds", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    counts = json.loads(done.stdout)
    # a machine that stops for a second skips requests, and the status tells it
    assert (done.returncode, done.stderr) == (int("skipped" in counts), "")
    assert set(counts) <= {"200", "500", "skipped"}
    assert 590 <= sum(counts.values()) <= 610


def test_a_load_without_a_server_counts_and_reports_failures():
    command = [sys.executable, SHOP / "load.py", "--url", "http://127.0.0.1:1", "--rate", "50", "--seconds", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert sum(json.loads(done.stdout).values()) > 20
