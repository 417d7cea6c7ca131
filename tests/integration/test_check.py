"""`pratique check` with real engines, balancers and hosts: what it finds is what `up` and the runbooks would meet."""

import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pratique.check import checks_of
from pratique.config import load
from pratique.config.first_file import FirstFile, write_first_file
from support.docker_engine import needs_docker
from support.haproxy_fixture import haproxy_running, needs_haproxy
from support.ports import free_port
from support.ssh_host import needs_ssh, ssh_to_this_machine

pytestmark = pytest.mark.server

SHOP = FirstFile("shop", command=("{python}", "-m", "http.server", "{port}"))


def findings(file, service=None):
    """State and message of each check, by subject; the worst one where a subject has several."""
    found = {}
    for each in (check.run() for check in checks_of(load(file), service)):
        if found.get(each.subject, ("ok",))[0] == "ok":
            found[each.subject] = (each.state, each.message)
    return found


def problems(file):
    return {subject: message for subject, (state, message) in findings(file).items() if state == "problem"}


@pytest.fixture
def folder():
    """A folder with a short path: HAProxy's sockets are in it."""
    with tempfile.TemporaryDirectory(prefix="chk-", dir="/tmp") as made:
        yield Path(made)


@pytest.fixture
def write(folder):
    """Write a service file whose addresses are free."""

    def call(text):
        file = folder / "pratique.toml"
        file.write_text(f'[telemetry]\nlisten = "127.0.0.1:{free_port()}"\n{text}')
        return file

    return call


@contextmanager
def balancer_of(file, service):
    """`pratique balancer` for a service, until it answers."""
    command = [sys.executable, "-m", "pratique.cli", "balancer", service, "--config", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        host, port = load(file).service(service).balancer.listen.split(":")
        deadline = time.monotonic() + 120
        while not _connects(host, int(port)):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()


def _connects(host, port):
    with socket.socket() as asked:
        return asked.connect_ex((host, port)) == 0


def test_the_addresses_of_a_running_balancer_are_well_and_those_of_another_are_not(tmp_path):
    file, other = tmp_path / "pratique.toml", tmp_path / "other.toml"
    listen = f"127.0.0.1:{free_port()}"
    write_first_file(file, FirstFile("shop", command=SHOP.command, listen=listen))
    write_first_file(other, FirstFile("blog", command=SHOP.command, listen=listen))
    with balancer_of(file, "shop"):
        found = findings(file)
        assert found["services.shop.balancer.listen"] == ("ok", f"{listen} is in use by the balancer of shop")
        assert found["services.shop.balancer.control"] == (
            "ok",
            f"the control socket is {tmp_path}/.pratique/balancer/shop.socket",
        )
        assert "in use" in problems(other)["services.blog.balancer.listen"]
    assert problems(file) == {}


@needs_haproxy
def test_haproxy_that_runs_is_well():
    with haproxy_running() as place:
        place.collector.close()
        found = findings(place.config)
        assert found["services.shop.balancer.listen"][1].endswith("is in use by the balancer of shop")
        assert found["services.shop.balancer.haproxy.directory"][1] == f"{place.directory} can be written"
        assert found["services.shop.balancer.haproxy.binary"][1].startswith("HAProxy 2.")


@needs_haproxy
@pytest.mark.parametrize(
    ("setting", "subject", "message"),
    [
        ('binary = "no-such-haproxy"', "binary", "is not installed: install HAProxy, or set haproxy.image"),
        ('binary = "sh"', "binary", "is not HAProxy"),
        (f'directory = "{"x" * 90}"', "directory", "is too long for a socket"),
        ('template = "mine.j2"', "template", "cannot read template"),
        ('template = "broken.j2"', "template", "unexpected end of template"),
        ('state_url = "redis://user:hidden@127.0.0.1:1/0"', "state_url", "Redis does not answer at 127.0.0.1:1/0"),
        ('certificate = "shop.pem"', "certificate", "does not exist"),
    ],
)
def test_what_haproxy_lacks_is_a_problem(write, folder, setting, subject, message):
    (folder / "broken.j2").write_text("{% if listen")
    (folder / "releases").mkdir()
    text = f'[services.shop.runtime]\ncommand = ["sh"]\n[services.shop.balancer]\nkind = "haproxy"\nlisten = "127.0.0.1:{free_port()}"\n'
    file = write(f"{text}[services.shop.balancer.haproxy]\n{setting}\n")
    found = problems(file)
    assert list(found) == [f"services.shop.balancer.haproxy.{subject}"]
    assert message in found[f"services.shop.balancer.haproxy.{subject}"]
    assert "hidden" not in str(found)


@pytest.fixture
def ssh(monkeypatch):
    with ssh_to_this_machine(monkeypatch) as address:
        yield address


def hosts_file(write, ssh, folder, more="", advertise=""):
    """A service file whose HAProxy is on another host."""
    (folder / "releases").mkdir(exist_ok=True)
    file = write(
        '[services.shop.runtime]\ncommand = ["sh"]\n[services.shop.balancer]\nkind = "haproxy"\n'
        f'listen = "127.0.0.1:{free_port()}"\n[services.shop.balancer.haproxy]\nhosts = ["{ssh}"]\n'
        f'directory = "{folder}/lb"\n{more}\n'
    )
    listen = load(file).telemetry.listen
    file.write_text(file.read_text().replace("[services", f'advertise_address = "{advertise or listen}"\n[services', 1))
    return file


@needs_ssh
@needs_haproxy
def test_a_balancer_host_is_checked_over_ssh_and_reaches_the_collector(ssh, write, folder, monkeypatch):
    monkeypatch.setattr("pratique.check.collector.ARRIVES_S", 1.0)
    file = hosts_file(write, ssh, folder, 'certificate = "/no/such.pem"')
    found = findings(file)
    assert found["services.shop.balancer.haproxy.hosts"] == (
        "ok",
        f"{ssh} answers and has haproxy, socat, flock, timeout",
    )
    assert found["services.shop.balancer.haproxy.directory"][0] == "ok"
    assert not (folder / "lb").exists()
    assert found["telemetry.advertise_address"][0] == "ok"
    assert problems(file).keys() == {"services.shop.balancer.haproxy.certificate"}
    assert f"cannot be read on {ssh}" in problems(file)["services.shop.balancer.haproxy.certificate"]
    astray = hosts_file(write, ssh, folder, advertise=f"127.0.0.1:{free_port()}")
    assert "does not arrive at" in problems(astray)["telemetry.advertise_address"]
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        host, port = load(astray).telemetry.listen.split(":")
        taken.bind((host, int(port)))
        state, message = findings(astray)["telemetry.advertise_address"]
    assert (state, message) == ("skipped", f"the path from {ssh} can only be tested while {host}:{port} is free")


@needs_ssh
@needs_haproxy
def test_a_program_that_a_balancer_host_lacks_is_named(ssh, write, folder):
    file = hosts_file(write, ssh, folder, 'binary = "no-such-haproxy"')
    assert problems(file)["services.shop.balancer.haproxy.hosts"] == (
        f"{ssh} does not have no-such-haproxy: install it there"
    )


def containers_file(write, engine, docker="", env="", kind="docker"):
    text = f'[services.shop.runtime]\nkind = "{kind}"\n{env}\n[services.shop.runtime.docker]\nimage = "checked"\n'
    balancer = f'[services.shop.balancer]\nlisten = "127.0.0.1:{free_port()}"\n'
    return write(f'{text}hosts = ["{engine.host}"]\n{docker}\n{balancer}')


@needs_docker
def test_an_engine_with_an_image_is_well(engine, write, monkeypatch):
    monkeypatch.setenv("TOKEN", "hidden")
    file = containers_file(write, engine, env='env = { TOKEN = "env:TOKEN" }')
    assert findings(file)["services.shop.runtime.docker.image"] == ("ok", "checked has no revision yet")
    engine.image("checked:r1", "")
    found = findings(file)
    assert problems(file) == {}
    assert found["services.shop.runtime.docker.image"] == ("ok", "checked has 1 revision: r1")
    assert found["services.shop.runtime.docker.secrets_dir"] == ("ok", "/dev/shm is in memory")
    state, message = found["services.shop.runtime.docker.hosts"]
    assert (state, message.partition(" answers, version ")[0]) == ("ok", f"the Docker engine at {engine.host}")
    assert "hidden" not in str(found)


@needs_docker
@pytest.mark.parametrize(
    ("setting", "kind", "subject", "message"),
    [
        ('network = "shop-net"', "docker", "network", "has no network 'shop-net': run docker network create shop-net"),
        ('secrets_dir = "/proc"', "docker", "secrets_dir", "'/proc' is on proc, not in memory"),
        ('secrets_dir = "/no/such"', "docker", "secrets_dir", "'/no/such' does not exist"),
        ("", "swarm", "hosts", "is not a Swarm manager: run docker swarm init there"),
    ],
)
def test_what_an_engine_lacks_is_a_problem(engine, write, monkeypatch, setting, kind, subject, message):
    monkeypatch.setenv("TOKEN", "hidden")
    file = containers_file(write, engine, setting, 'env = { TOKEN = "env:TOKEN" }', kind)
    found = problems(file)
    assert list(found) == [f"services.shop.runtime.docker.{subject}"]
    assert message in found[f"services.shop.runtime.docker.{subject}"]


def test_an_engine_that_does_not_answer_is_a_problem(write, folder):
    class Nobody:
        host = f"unix://{Path(folder, 'docker.sock')}"

    found = problems(containers_file(write, Nobody))
    assert f"no Docker engine answers at {Nobody.host}" in found["services.shop.runtime.docker.hosts"]
