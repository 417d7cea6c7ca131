"""HAProxy on other hosts, in a container, and with the desired state in Redis."""

import fcntl
import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
import redis

from contract.balancer_contract import LONG_S, four_servers, names, pool_of
from contract.runtime_contract import get
from pratique.balancer.base import Lease
from pratique.balancer.haproxy.balancer import HAProxyBalancer
from pratique.balancer.haproxy.desired_state import DesiredState, DesiredStateFile, DesiredStateRedis
from pratique.balancer.haproxy.hosts import WRITE
from pratique.config import load
from pratique.errors import BusyError, DataError, MissingError, UnavailableError
from pratique.release.ssh import ssh_words
from pratique.release.tunnel import close_all
from support.docker_engine import needs_docker
from support.docker_fixture import DockerPlace
from support.haproxy_fixture import HAProxyPlace, haproxy_running, needs_haproxy
from support.ports import free_port
from support.ssh_host import needs_ssh, ssh_to_this_machine
from support.waiting import eventually

pytestmark = needs_haproxy
needs_redis = pytest.mark.redis


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def redis_server():
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


class DesiredStateContract:
    """The contract of a store of the desired state; `store` and `again` are the clients of two operators."""

    def test_it_begins_empty(self, store):
        assert store.get() == DesiredState()

    def test_every_client_gets_the_new_state(self, store, again, servers):
        pool = pool_of(servers, "r1", "r2", r1=1.0)
        lease = Lease("r2", "r1", 2.0)
        assert store.put(store.get(), pool, lease) == again.get()
        assert (again.get().pool, again.get().lease, again.get().version) == (pool, lease, 1)

    def test_a_concurrent_change_is_refused_with_the_name_of_the_other_operator(
        self, store, again, servers, monkeypatch
    ):
        monkeypatch.setenv("PRATIQUE_WHO", "alice")
        seen = again.get()
        store.put(store.get(), pool_of(servers, "r1", r1=1.0), None)
        with pytest.raises(BusyError, match="alice"):
            again.put(seen, pool_of(servers, "r2", r2=1.0), None)
        assert list(store.get().pool.servers) == ["r1"]

    @pytest.fixture
    def servers(self):
        with four_servers() as servers:
            yield servers


class TestDesiredStateFile(DesiredStateContract):
    @pytest.fixture
    def store(self, tmp_path):
        return DesiredStateFile(tmp_path / "wanted.json")

    @pytest.fixture
    def again(self, tmp_path):
        return DesiredStateFile(tmp_path / "wanted.json")

    def test_a_corrupt_file_is_an_error(self, tmp_path):
        (tmp_path / "wanted.json").write_text("{")
        with pytest.raises(DataError, match=r"wanted\.json"):
            DesiredStateFile(tmp_path / "wanted.json").get()


@needs_redis
class TestDesiredStateRedis(DesiredStateContract):
    @pytest.fixture
    def url(self):
        with redis_server() as url:
            yield url

    @pytest.fixture
    def store(self, url):
        return DesiredStateRedis(url, "shop")

    @pytest.fixture
    def again(self, url):
        return DesiredStateRedis(url, "shop")

    def test_a_lease_is_held_while_it_is_renewed(self, store, again):
        assert again.lease_left_s() == 0
        store.renew_lease(0.3)
        assert 0 < again.lease_left_s() <= 0.3
        eventually(lambda: again.lease_left_s() == 0)

    def test_a_redis_that_does_not_answer_is_an_error(self):
        with pytest.raises(UnavailableError, match="Redis does not answer at"):
            DesiredStateRedis(f"redis://secret:hidden@127.0.0.1:{free_port()}/0", "shop").get()


@needs_redis
def test_a_second_balancer_host_follows_pool_and_shares_and_lease():
    with redis_server() as url, four_servers() as servers:
        more = f'state_url = "{url}"'
        with haproxy_running(more) as one, haproxy_running(more) as two:
            one.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
            eventually(lambda: names(two.url, 5) == {"r1": 5})
            one.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", LONG_S))
            one.balancer.renew("shop")
            eventually(lambda: names(two.url, 10) == {"r2": 10})
            one.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", 1.0))
            eventually(lambda: names(two.url, 5) == {"r1": 5} and names(one.url, 5) == {"r1": 5})
            with pytest.raises(MissingError):
                one.balancer.renew("shop")


@needs_redis
def test_a_host_that_starts_later_applies_the_desired_pool():
    with redis_server() as url, four_servers() as servers, haproxy_running(f'state_url = "{url}"') as one:
        one.balancer.apply(pool_of(servers, "r1", r1=1.0))
        with haproxy_running(f'state_url = "{url}"') as two:
            assert names(two.url, 10) == {"r1": 10}


@pytest.fixture
def ssh(monkeypatch):
    with ssh_to_this_machine(monkeypatch) as address:
        yield address


@needs_ssh
def test_a_pool_is_uploaded_verified_and_shifted_on_a_host_over_ssh(ssh):
    with four_servers() as servers, haproxy_running() as place:
        place.config.write_text(place.config.read_text() + f'hosts = ["{ssh}"]\n')
        remote = place.again()
        remote.apply(pool_of(servers, "r1", "r2", r1=1.0))
        assert names(place.url, 10) == {"r1": 10}
        remote.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", LONG_S))
        assert names(place.url, 10) == {"r2": 10}
        remote.renew("shop")
        assert remote.drift("shop") == []
        remote.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", 1.0))
        eventually(lambda: names(place.url, 10) == {"r1": 10})


@needs_ssh
def test_when_one_of_two_hosts_fails_both_get_the_old_pool_again(ssh):
    with four_servers() as servers, haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", r1=1.0))
        config = place.config.read_text()
        place.config.write_text(config + f'hosts = ["{ssh}", "ssh://127.0.0.1:{free_port()}"]\n')
        with pytest.raises(UnavailableError, match="cannot be reached"):
            place.again().apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.config.write_text(config)
        assert place.balancer.pool("shop") == pool_of(servers, "r1", r1=1.0)
        assert place.balancer.drift("shop") == []


@contextmanager
def haproxy_of_an_operator_elsewhere(ssh):
    """Run a balancer host, and yield it with the client of an operator on another machine."""
    place = HAProxyPlace(f'hosts = ["{ssh}"]')
    try:
        place.start()
        here = place.folder / "operator" / "pratique.toml"
        here.parent.mkdir()
        here.write_text(place.config.read_text() + f'directory = "{place.directory}"\n')
        yield place, HAProxyBalancer(load(here).target("shop"))
        assert place.stop() == 0, place.log()
    finally:
        place.stop()
        place.collector.close()
        shutil.rmtree(place.folder, ignore_errors=True)


@needs_ssh
def test_a_haproxy_that_dies_restarts_with_the_pool_that_an_operator_set_over_ssh(ssh):
    with four_servers() as servers, haproxy_of_an_operator_elsewhere(ssh) as (place, operator):
        operator.apply(pool_of(servers, "r1", "r2", r1=1.0))
        operator.set_weights("shop", {"r1": 0.0, "r2": 1.0})
        (place.directory / "wanted.json").unlink()
        place.restart()
        assert names(place.url, 10) == {"r2": 10}


@needs_ssh
def test_renewals_and_changes_over_ssh_do_not_conflict(ssh):
    with four_servers() as servers, haproxy_of_an_operator_elsewhere(ssh) as (place, operator):
        operator.apply(pool_of(servers, "r1", "r2", r1=1.0))
        lease, stop = Lease("r2", "r1", LONG_S), threading.Event()
        operator.set_weights("shop", {"r1": 0.9, "r2": 0.1}, lease=lease)

        def renew():
            while not stop.is_set():
                operator.renew("shop")

        with ThreadPoolExecutor(1) as pool:
            renewing = pool.submit(renew)
            for percent in range(11, 19):
                operator.set_weights("shop", {"r1": 1 - percent / 100, "r2": percent / 100}, lease=lease)
            stop.set()
            renewing.result(60)
        place.restart()
        assert operator.weights("shop").shares == {"r1": 0.82, "r2": 0.18}
        assert not list(place.directory.glob("shares.map.??????"))


@needs_ssh
def test_a_change_while_another_process_changes_haproxy_is_refused(ssh, monkeypatch):
    monkeypatch.setattr("pratique.balancer.haproxy.hosts.COMMAND_TIMEOUT_S", 0.5)
    with four_servers() as servers, haproxy_of_an_operator_elsewhere(ssh) as (place, operator):
        operator.apply(pool_of(servers, "r1", r1=1.0))
        with (place.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(BusyError, match="another process is changing HAProxy"):
                operator.set_weights("shop", {"r1": 1.0})


def test_an_incomplete_upload_does_not_replace_the_file(tmp_path):
    file = tmp_path / "haproxy.cfg"
    file.write_text("old")
    for content, status, then in (("half", 1, "old"), ("the whole of it", 0, "the whole of it")):
        command = ["sh", "-c", WRITE, "sh", file, "15"]
        assert subprocess.run(command, input=content.encode(), check=False, capture_output=True).returncode == status
        assert file.read_text() == then
    assert list(tmp_path.iterdir()) == [file]


def test_an_ssh_connection_is_shared_only_in_a_private_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert "ControlMaster=auto" in ssh_words("ssh://lb1", kept=True)
    (folder,) = tmp_path.iterdir()
    folder.chmod(0o755)
    assert "ControlMaster=auto" not in ssh_words("ssh://lb1", kept=True)


@needs_docker
def test_haproxy_in_a_container_is_reloaded_and_restarted(engine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    image_of_haproxy(engine)
    with four_servers() as servers, haproxy_running('image = "pratique-test/haproxy:base"') as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.25, "r2": 0.75})
        assert place.balancer.drift("shop") == []
        client = engine.client()
        (container,) = client.containers.list()
        assert container.attrs["HostConfig"]["ReadonlyRootfs"]
        assert container.attrs["HostConfig"]["CapDrop"] == ["ALL"]
        container.kill()
        client.close()
        eventually(lambda: answers(place))
        assert place.balancer.weights("shop").shares == {"r1": 0.25, "r2": 0.75}
        broken = place.folder / "broken.j2"
        broken.write_text("nonsense\n")
        place.config.write_text(place.config.read_text() + f'template = "{broken}"\n')
        with pytest.raises(UnavailableError, match="rejected the configuration"):
            place.again().apply(pool_of(servers, "r1", r1=1.0))
    engine.clean()


def answers(place):
    try:
        return place.balancer.pool("shop") is not None
    except UnavailableError:
        return False


def image_of_haproxy(engine):
    """Build an image of this machine's HAProxy and its libraries."""
    said = subprocess.run(["ldd", "/usr/sbin/haproxy"], capture_output=True, text=True, check=True).stdout
    files = {"/usr/sbin/haproxy", *(word for word in said.split() if word.startswith("/"))}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as tar:
        for path in sorted(files):
            tar.add(path, recursive=False)
    client = engine.client()
    client.api.import_image_from_data(packed.getvalue(), repository="pratique-test/haproxy", tag="base")
    client.close()


@needs_docker
@needs_ssh
def test_a_release_runs_on_an_engine_over_ssh_with_its_secret_in_memory_there(engine, ssh, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    try:
        local = DockerPlace(engine, tmp_path)
        local.release("r1")
        place = DockerPlace(
            engine,
            tmp_path,
            env={"TOKEN": "env:SHOP_TOKEN"},
            docker={"hosts": (ssh + engine.host.removeprefix("unix://"),)},
        )
        instance = place.start(place.release("r1"))
        assert get(instance)[0] == 200
        assert any(place.secrets.iterdir())
        lost = place.secrets / "pratique-shop-r1-cutoff"
        lost.mkdir()
        os.utime(lost, (0, 0))
        place.runtime.remove_exited("shop", "run-1")
        assert not lost.exists()
        assert get(instance)[0] == 200
        place.runtime.stop(instance, drain_s=0)
        assert not any(place.secrets.iterdir())
    finally:
        close_all()
        engine.clean()


@needs_ssh
def test_an_unreachable_host_does_not_block_the_shares_of_the_others(ssh):
    with four_servers() as servers, haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r2=1.0))
        config = place.config.read_text()
        away = f"ssh://127.0.0.1:{free_port()}"
        place.config.write_text(config + f'hosts = ["{ssh}", "{away}"]\n')
        with pytest.raises(UnavailableError, match="cannot be reached"):
            place.again().set_weights("shop", {"r1": 1.0, "r2": 0.0})
        assert names(place.url, 10) == {"r1": 10}


@needs_redis
@pytest.mark.parametrize("fault", ["gone", "empty"])
def test_a_haproxy_that_dies_without_redis_restarts_with_its_last_pool(fault):
    with ExitStack() as stack:
        redis_running = stack.enter_context(ExitStack())
        url = redis_running.enter_context(redis_server())
        servers = stack.enter_context(four_servers())
        place = stack.enter_context(haproxy_running(f'state_url = "{url}"'))
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0})
        if fault == "gone":
            redis_running.close()
        else:
            redis.Redis.from_url(url).flushall()
        place.restart()
        assert names(place.url, 10) == {"r2": 10}


@needs_redis
def test_a_follower_that_does_not_apply_the_pool_is_an_error(monkeypatch):
    monkeypatch.setattr("pratique.balancer.haproxy.desired_state.FOLLOW_TIMEOUT_S", 1.0)
    with redis_server() as url, four_servers() as servers, haproxy_running(f'state_url = "{url}"') as one:
        one.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        stuck = DesiredStateRedis(url, "shop")
        monkeypatch.setattr("pratique.balancer.haproxy.desired_state.FOLLOWER_TTL_S", 60.0)
        stuck.report_version(1)
        with pytest.raises(UnavailableError, match="has not applied version"):
            one.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5})
