"""Features of HAProxy: leases without a supervisor, reloads, drift, sticky and canary users, TLS, access lines."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from contract.balancer_contract import FIVE_SIGMA, LONG_S, four_servers, get, names, pool_of, unlikely
from pratique.balancer.base import Lease, Pool
from pratique.balancer.haproxy.instance import HAProxyInstance
from pratique.balancer.haproxy.template import TEMPLATE
from pratique.errors import ConfigError, StorageError, UnavailableError
from support.haproxy_fixture import HAProxyPlace, haproxy_running, needs_haproxy
from support.ports import free_port
from support.shop_fixture import Shop
from support.upstream import Upstream
from support.waiting import eventually

pytestmark = needs_haproxy


@pytest.fixture(scope="module")
def running():
    with haproxy_running() as place:
        yield place


@pytest.fixture
def place(running):
    """One HAProxy for all tests of this file, each of which sets its own pool."""
    return running


@pytest.fixture
def servers():
    with four_servers() as servers:
        yield servers


def forget(place):
    """Discard the lines of earlier requests: those before the line of a new one."""
    get(place.url, "/forget")
    place.collector.settimeout(60)
    while b'"/forget"' not in place.collector.recv(65536):
        pass


def next_line(place):
    place.collector.settimeout(60)
    datagram = place.collector.recv(65536)
    return json.loads(datagram[datagram.index(b"{") :])


def test_the_lease_expires_when_every_process_of_pratique_is_dead(servers):
    with haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        holder = subprocess.Popen([sys.executable, "-c", place.holder], stdout=subprocess.PIPE)
        assert holder.stdout.readline() == b"renewing\n"
        eventually(lambda: names(place.url, 20) == {"r2": 20})
        place.process.kill()
        holder.kill()
        holder.communicate()
        place.process.wait()
        eventually(lambda: names(place.url, 20) == {"r1": 20})
        # a new supervisor adopts the running HAProxy without interrupting it
        pid = place.haproxy_pid()
        place.start()
        assert place.haproxy_pid() == pid
        assert names(place.url, 20) == {"r1": 20}


def test_a_lease_expires_when_the_clock_is_set_back(place, servers):
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", LONG_S))
    ahead = int((time.time() + 3600) * 1000)
    place.talk(f"set map {place.directory}/shares.map lease.until {ahead}")
    assert names(place.url, 20) == {"r1": 20}
    assert place.balancer.weights("shop").shares == {"r1": 1.0, "r2": 0.0}


@pytest.mark.parametrize("how", ["reload", "restart"])
def test_shares_survive_a_reload_and_a_restart_by_another_process(place, servers, how):
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    place.balancer.set_weights("shop", {"r1": 0.25, "r2": 0.75})
    if how == "reload":
        os.kill(place.haproxy_pid(), signal.SIGUSR2)
        time.sleep(0.5)
    else:
        place.restart()
    assert place.balancer.weights("shop").shares == {"r1": 0.25, "r2": 0.75}
    found = names(place.url, 1000)
    assert unlikely(found["r2"], 1000, 0.75) < FIVE_SIGMA


def test_a_canary_beside_three_instances_gets_exactly_its_share(place):
    with Upstream("r1") as a, Upstream("r1") as b, Upstream("r1") as c, Upstream("r2") as canary:
        pool = Pool("shop", {"r1": (a.address, b.address, c.address), "r2": (canary.address,)}, {"r1": 0.9, "r2": 0.1})
        place.balancer.apply(pool)
        found = names(place.url, 5000)
        assert unlikely(found["r2"], 5000, 0.1) < FIVE_SIGMA
        place.balancer.apply(Pool("shop", {"r1": pool.servers["r1"]}, {"r1": 1.0}))


def test_a_small_share_is_exact(place, servers):
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    place.balancer.set_weights("shop", {"r1": 0.999, "r2": 0.001})
    assert place.balancer.weights("shop").shares == pytest.approx({"r1": 0.999, "r2": 0.001}, abs=2e-9)


def test_the_baseline_serves_the_users_of_a_dead_canary(place, servers):
    with Upstream("r3") as dying:
        pool = Pool("shop", {"r1": (servers["r1"].address,), "r3": (dying.address,)}, {"r1": 1.0, "r3": 0.0})
        place.balancer.apply(pool)
        place.balancer.set_weights("shop", {"r1": 0.0, "r3": 1.0}, lease=Lease("r3", "r1", LONG_S))
        assert names(place.url, 10) == {"r3": 10}
    eventually(lambda: names(place.url, 10) == {"r1": 10})


def test_drift_reports_each_manual_change(place, servers):
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    assert place.balancer.drift("shop") == []
    place.talk("disable server shop.r1/s0")
    assert ["maintenance" in said for said in place.balancer.drift("shop")] == [True]
    place.talk("enable server shop.r1/s0")
    place.talk(f"set map {place.directory}/shares.map limit.r2 500000000")
    assert ["has shares" in said for said in place.balancer.drift("shop")] == [True]
    place.balancer.set_weights("shop", {"r1": 1.0, "r2": 0.0})
    port = servers["r3"].port
    place.talk(f"set server shop.r1/s0 addr 127.0.0.1 port {port}")
    assert [f"changed to 127.0.0.1:{port}" in said for said in place.balancer.drift("shop")] == [True]
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    configuration = place.directory / "haproxy.cfg"
    configuration.write_text(configuration.read_text().replace('"stamp":"', '"stamp":"0'))
    assert ["is not the running configuration" in said for said in place.balancer.drift("shop")] == [True]
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    assert place.balancer.drift("shop") == []


def test_an_access_line_has_revision_path_code_timers_and_state(place, servers):
    place.serve(servers["r1"])
    forget(place)
    get(place.url, "/slow/50?token=secret")
    line = next_line(place)
    assert (line["s"], line["r"], line["m"], line["p"], line["c"]) == ("shop", "r1", "GET", "/slow/50", 200)
    assert line["i"] == servers["r1"].address
    assert 45 <= line["Ta"] - line["TR"] < 60_000
    assert abs(line["t"] / 1000 - time.time()) < 60
    assert line["ts"] == "----"
    get(place.url, "/die")
    assert (next_line(place)["c"], line["q"] + 1) == (502, line["q"] + 1)


def test_a_readiness_probe_is_answered_and_not_logged(place, servers):
    place.serve(servers["r1"])
    forget(place)
    assert get(place.url, "/healthz")[0] == 200
    get(place.url, "/first")
    first = next_line(place)
    get(place.url, "/healthz")
    get(place.url, "/second")
    second = next_line(place)
    assert (first["p"], second["p"]) == ("/first", "/second")
    assert second["q"] == first["q"] + 1


def test_the_access_line_of_a_malformed_request_has_no_revision(place, servers):
    place.serve(servers["r1"])
    forget(place)
    host, _, port = place.url.rpartition(":")
    with socket.create_connection((host, int(port)), 5) as raw:
        raw.sendall(b'NONSENSE "}\x01\r\n\r\n')
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    line = next_line(place)
    assert (line["c"], line["r"]) == (400, "-")


def test_users_keep_their_revision_by_a_cookie_while_the_share_rises():
    with four_servers() as servers, haproxy_running('sticky_cookie = "place"') as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))

        def served(cookie):
            _, content, answer = get(place.url, headers={"Cookie": cookie} if cookie else {})
            given = answer.getheader("Set-Cookie")
            return content.decode(), given.partition(";")[0] if given else cookie

        place.balancer.set_weights("shop", {"r1": 0.7, "r2": 0.3}, lease=Lease("r2", "r1", LONG_S))
        users = [served(None) for _ in range(300)]
        assert unlikely(Counter(name for name, _ in users)["r2"], 300, 0.3) < FIVE_SIGMA
        assert len({cookie for _, cookie in users}) == 300
        assert [served(cookie) for _, cookie in users] == users
        place.balancer.set_weights("shop", {"r1": 0.4, "r2": 0.6}, lease=Lease("r2", "r1", LONG_S))
        later = [served(cookie)[0] for _, cookie in users]
        assert all(after == "r2" for (before, _), after in zip(users, later, strict=True) if before == "r2")
        assert unlikely(later.count("r2"), 300, 0.6) < FIVE_SIGMA
        # an invalid cookie is not an error
        assert served("place=';DROP TABLE users")[0] in {"r1", "r2"}


def test_canary_users_get_the_canary_and_are_not_compared():
    more = 'canary_header = "X-User"\ncanary_users = ["alice", "bob the \\"builder\\""]'
    with four_servers() as servers, haproxy_running(more) as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        assert get(place.url, headers={"X-User": "alice"})[1] == b"r1"
        place.balancer.set_weights("shop", {"r1": 1.0, "r2": 0.0}, lease=Lease("r2", "r1", LONG_S))
        forget(place)
        assert get(place.url, headers={"X-User": "alice"})[1] == b"r2"
        assert get(place.url, headers={"X-User": 'bob the "builder"'})[1] == b"r2"
        assert get(place.url, headers={"X-User": "mallory"})[1] == b"r1"
        assert [next_line(place)["r"] for _ in range(3)] == ["r2+first", "r2+first", "r1"]
        place.balancer.set_weights("shop", {"r1": 1.0, "r2": 0.0}, lease=Lease("r2", "r1", 0.5))
        eventually(lambda: get(place.url, headers={"X-User": "alice"})[1] == b"r1")


def test_a_renewed_lease_survives_a_change_of_the_pool_that_takes_longer(monkeypatch):
    verify, renewed = HAProxyInstance._verify, []

    def verify_slowly(instance, text):
        if not renewed:
            time.sleep(0.5)
            renewed.append(time.monotonic())
            place.again().renew("shop")
        verify(instance, text)

    with four_servers() as servers, haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.5, "r2": 0.5}, lease=Lease("r2", "r1", LONG_S))
        monkeypatch.setattr(HAProxyInstance, "_verify", verify_slowly)
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=0.5, r2=0.5))
        weights = place.balancer.weights("shop")
    assert weights.shares == {"r1": 0.5, "r2": 0.5}
    assert time.monotonic() + weights.lease_left_s > renewed[0] + LONG_S - 0.1


def test_changed_canary_users_are_drift_and_apply_with_the_next_change():
    more = 'canary_header = "X-User"\ncanary_users = ["alice"]'
    with four_servers() as servers, haproxy_running(more) as place:
        place.balancer.apply(pool_of(servers, "r1", r1=1.0))
        place.config.write_text(place.config.read_text().replace("alice", "carol"))
        balancer = place.again()
        assert any("canary_users differ from the service file" in sentence for sentence in balancer.drift("shop"))
        balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        balancer.set_weights("shop", {"r1": 1.0, "r2": 0.0}, lease=Lease("r2", "r1", LONG_S))
        assert get(place.url, headers={"X-User": "carol"})[1] == b"r2"
        assert get(place.url, headers={"X-User": "alice"})[1] == b"r1"
        assert balancer.drift("shop") == []


def test_haproxy_serves_its_last_pool_when_the_desired_state_is_corrupt():
    with four_servers() as servers, haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", r1=1.0))
        (place.directory / "wanted.json").write_text("")
        place.restart()
        assert names(place.url, 5) == {"r1": 5}
        assert "is corrupt" in place.log()


def make_certificate(folder, days):
    """Create a certificate with its key that expires in that many days; negative: it has expired."""
    pem = folder / f"cert{days}.pem"
    key = folder / "key.pem"
    ends = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))
    begins = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() - 90 * 86400))
    subprocess.run(
        ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=localhost", "-out", folder / "csr"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "index.txt").write_text("")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = .\ndatabase = index.txt\nrand_serial = yes\ndefault_md = sha256\n"
        "policy = p\n[p]\ncommonName = supplied\n"
    )
    subprocess.run(
        ["openssl", "ca", "-batch", "-config", "ca.cnf", "-selfsign", "-keyfile", "key.pem", "-in", "csr", "-out", "crt.pem",
         "-startdate", begins, "-enddate", ends, "-notext"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    pem.write_text((folder / "crt.pem").read_text() + key.read_text())
    return pem


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl")
def test_tls_is_terminated_and_an_expiring_certificate_is_drift(tmp_path):
    with four_servers() as servers, haproxy_running(f'certificate = "{make_certificate(tmp_path, 5)}"') as place:
        place.balancer.apply(pool_of(servers, "r1", r1=1.0))
        host, _, port = place.url.rpartition(":")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=60)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"r1"
        connection.close()
        assert servers["r1"].received[-1].header("X-Forwarded-Proto") == ["https"]
        assert [
            "the certificate expires in 5.0 days" in said or "4.9" in said for said in place.balancer.drift("shop")
        ] == [True]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed: apt-get install openssl")
def test_a_pool_behind_an_expired_certificate_is_refused(tmp_path):
    with four_servers() as servers, haproxy_running(f'certificate = "{make_certificate(tmp_path, -1)}"') as place:
        with pytest.raises(UnavailableError, match="expired"):
            place.balancer.apply(pool_of(servers, "r1", r1=1.0))
        assert place.balancer.pool("shop") is None


def with_template(place, change):
    """Return a client with a modified template."""
    own = place.folder / "own.cfg.j2"
    own.write_text(change(TEMPLATE.read_text()))
    place.config.write_text(place.config.read_text() + f'template = "{own}"\n')
    try:
        return place.again()
    finally:
        place.config.write_text(place.config.read_text().replace(f'template = "{own}"\n', ""))


def test_an_invalid_configuration_is_refused_with_haproxys_message_and_the_old_one_stays(place, servers):
    place.balancer.apply(pool_of(servers, "r1", r1=1.0))
    broken = with_template(place, lambda text: text.replace("balance roundrobin", "balance rounddance"))
    with pytest.raises(UnavailableError, match="balance only supports"):
        broken.apply(pool_of(servers, "r1", "r2", r1=1.0))
    assert place.balancer.pool("shop") == pool_of(servers, "r1", r1=1.0)
    assert place.balancer.drift("shop") == []
    assert names(place.url, 10) == {"r1": 10}


def test_the_old_configuration_is_restored_when_the_new_one_cannot_be_loaded(place, servers):
    place.balancer.apply(pool_of(servers, "r1", r1=1.0))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        bind = f"bind 127.0.0.1:{taken.getsockname()[1]}\n  default_backend pratique.none"
        broken = with_template(place, lambda text: text.replace("default_backend pratique.none", bind, 1))
        with pytest.raises(UnavailableError, match="old one is restored"):
            broken.apply(pool_of(servers, "r1", "r2", r1=1.0))
    assert place.balancer.pool("shop") == pool_of(servers, "r1", r1=1.0)
    assert place.balancer.drift("shop") == []
    assert names(place.url, 10) == {"r1": 10}


def test_a_template_with_an_unknown_variable_is_an_error(place, servers):
    place.balancer.apply(pool_of(servers, "r1", r1=1.0))
    unknown = with_template(place, lambda text: text + "{{ nobody }}")
    with pytest.raises(ConfigError, match="nobody"):
        unknown.apply(pool_of(servers, "r1", "r2", r1=1.0))
    assert place.balancer.pool("shop") == pool_of(servers, "r1", r1=1.0)


def test_a_directory_too_long_for_a_socket_is_refused():
    place = HAProxyPlace()
    try:
        place.config.write_text(place.config.read_text() + f'directory = "{"d" * 100}"\n')
        with pytest.raises(StorageError, match=r"balancer\.haproxy\.directory"):
            place.again()
    finally:
        place.collector.close()
        shutil.rmtree(place.folder)


def test_an_address_in_use_is_reported_with_haproxys_message():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = HAProxyPlace(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        try:
            with pytest.raises(AssertionError, match="did not start"):
                place.start()
        finally:
            place.stop()
            place.collector.close()
            shutil.rmtree(place.folder)


def test_adding_a_canary_server_keeps_the_lease(place, servers):
    two = pool_of(servers, "r1", "r2", r1=1.0)
    place.balancer.apply(two)
    shares = {"r1": 0.5, "r2": 0.5}
    place.balancer.set_weights("shop", shares, lease=Lease("r2", "r1", LONG_S))
    more = replace(two, servers=two.servers | {"r2": (servers["r2"].address, servers["r3"].address)}, weights=shares)
    place.balancer.apply(more)
    assert place.balancer.weights("shop").lease_left_s > 0
    place.balancer.renew("shop")


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed: apt-get install wrk")
def test_no_request_fails_under_load_while_it_is_reloaded_and_shifted(place, servers):
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    script = place.folder / "report.lua"
    script.write_text(
        "done = function(s) io.write(string.format('%d %d %d %d %d %d', s.requests, s.errors.connect, s.errors.read,"
        " s.errors.write, s.errors.status, s.errors.timeout)) end"
    )
    load = subprocess.Popen(
        ["wrk", "-t", "1", "-c", "32", "-d", "12s", "-s", script, f"http://{place.url}/"],
        stdout=subprocess.PIPE,
        text=True,
    )
    changes = 0
    until = time.monotonic() + 10
    while time.monotonic() < until:
        share = (0.05, 0.25, 0.5)[changes % 3]
        place.balancer.set_weights("shop", {"r1": 1 - share, "r2": share}, lease=Lease("r2", "r1", LONG_S))
        if changes % 4 == 3:
            place.balancer.apply(pool_of(servers, "r1", "r2", "r3", r1=1.0))
        changes += 1
        time.sleep(0.1)
    said = load.communicate(timeout=60)[0]
    total, *failed = map(int, said.splitlines()[-1].split()[-6:])
    assert failed == [0, 0, 0, 0, 0], said
    assert total > 1_000
    assert changes > 10


def test_two_balancers_on_one_machine_are_independent():
    with four_servers() as servers, haproxy_running() as one, haproxy_running(listen=f"127.0.0.1:{free_port()}") as two:
        one.balancer.apply(pool_of(servers, "r1", r1=1.0))
        two.balancer.apply(pool_of(servers, "r2", r2=1.0))
        assert names(one.url, 10) == {"r1": 10}
        assert names(two.url, 10) == {"r2": 10}


def test_traffic_can_leave_a_revision_whose_servers_are_all_down(place, servers):
    with Upstream("r3") as dying:
        both = {"r3": (dying.address,)}
        place.balancer.apply(Pool("shop", both, {"r3": 1.0}))
    eventually(lambda: get(place.url)[0] == 503)
    # as the runbook does: add it to the pool without traffic, then give it all traffic
    place.balancer.apply(Pool("shop", {**both, "r1": (servers["r1"].address,)}, {"r3": 1.0, "r1": 0.0}))
    place.balancer.set_weights("shop", {"r3": 0.0, "r1": 1.0})
    assert names(place.url, 10) == {"r1": 10}


def test_a_canary_has_no_share_after_a_restart_without_the_lease():
    with four_servers() as servers, haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
        place.balancer.set_weights("shop", {"r1": 0.0, "r2": 1.0}, lease=Lease("r2", "r1", LONG_S))
        (place.directory / "shares.map").unlink()
        place.restart()
        assert names(place.url, 20) == {"r1": 20}
        assert place.balancer.weights("shop").shares == {"r1": 1.0, "r2": 0.0}


@pytest.mark.parametrize("percent", [7, 33.3, 57, 100 / 3])
def test_a_pool_with_shares_equal_within_rounding_keeps_the_lease(place, servers, percent):
    shares = {"r1": 1.0 - percent / 100, "r2": percent / 100}
    place.balancer.apply(pool_of(servers, "r1", "r2", r1=1.0))
    place.balancer.set_weights("shop", shares, lease=Lease("r2", "r1", LONG_S))
    place.balancer.apply(pool_of(servers, "r1", "r2", **shares))
    assert place.balancer.weights("shop").lease_left_s > 0


def test_a_process_that_reuses_the_pid_of_haproxy_is_not_killed(servers):
    with haproxy_running() as place:
        place.balancer.apply(pool_of(servers, "r1", r1=1.0))
        other = subprocess.Popen(["sleep", "60"])
        master = place.haproxy_pid()
        place.process.send_signal(signal.SIGSTOP)
        place.kill_haproxy()
        (place.directory / "haproxy.pid").write_text(f"{other.pid}\n")
        place.process.send_signal(signal.SIGCONT)
        eventually(lambda: place.answers() and place.haproxy_pid() not in {master, other.pid})
        assert other.poll() is None
        other.kill()
        other.wait()


def test_up_at_an_address_in_use_prints_haproxys_message():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        folder = Path(tempfile.mkdtemp(prefix="ha-"))  # a socket's path is short
        try:
            shop = Shop(folder, balancer="haproxy")
            shop.make("r1")
            file = Path(shop.config)
            file.write_text(file.read_text().replace(shop.settings.service("shop").balancer.listen, address))
            done = shop.pratique("up", "shop", "r1", "--config", shop.config, check=False)
        finally:
            shop.pratique("down", "shop", "--config", shop.config)
            shutil.rmtree(folder)
    assert done.returncode == 69
    assert f"Address already in use) for [{address}]" in done.stderr
