"""`pratique doctor` on two real engines, one of them over SSH: everything wrong is found, and nothing right."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from pratique.config import load
from pratique.doctor.examine import examine
from support.docker_engine import Engine, engine_running, needs_docker
from support.ports import free_port
from support.ssh_host import needs_ssh, ssh_to_this_machine
from support.waiting import eventually

pytestmark = [needs_docker, needs_ssh]
SLEEP = "import time\nwhile True: time.sleep(1)\n"
ZOMBIES = "import os, time\nfor _ in range(3):\n    os.fork() or os._exit(0)\nwhile True: time.sleep(1)\n"
DAEMON = "import os, time\nos.symlink('/usr/bin/python3', '/tmp/sshd')\nos.spawnv(os.P_NOWAIT, '/tmp/sshd', ['sshd', '-c', 'import time; time.sleep(1e6)'])\nwhile True: time.sleep(1)\n"
WRITES = "import os, time\nos.makedirs('/var/log', exist_ok=True)\nopen('/var/log/app.log', 'w').write('x')\nopen('/data/big', 'wb').write(b'x' * 3_000_000)\nwhile True: time.sleep(1)\n"
HUNGRY = "held = []\nwhile True: held.append(bytearray(1 << 20))\n"
FAILS = """HEALTHCHECK --interval=1s --retries=1 CMD ["/usr/bin/python3", "-c", "print('no database'); raise SystemExit(1)"]"""
WORKS = """HEALTHCHECK --interval=1s CMD ["/usr/bin/python3", "-c", "0"]"""
OS_RELEASE = 'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
GOOD = {
    "user": "1000:1000", "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"], "read_only": True, "mem_limit": "64m", "pids_limit": 32, "init": True,
    "restart_policy": {"Name": "unless-stopped"}, "log_config": {"Type": "local", "Config": {}}, "environment": {"DB_USER": "shop", "DB_PASSWORD_FILE": "/run/secrets/db"},
    "ports": {"8000/tcp": ("127.0.0.1", None)},
}  # fmt: skip
"""How a container is started that no check finds."""

FOUND_ON_FIRST = {
    "privileged": {"privileged", "capable"},
    "socket-mounted": {"mounts"},
    "host-mount": {"mounts"},
    "host-namespaces": {"namespaces"},
    "root-user": {"plain", "zombies", "daemon"},
    "writable-root": {"plain"},
    "new-privileges": {"plain"},
    "log-unbounded": {"plain"},
    "port-open": {"plain"},
    "secret-in-env": {"plain", "leaky:1"},
    "no-health": {"plain"},
    "unhealthy": {"unhealthy"},
    "restarting": {"restarting", "hungry"},
    "no-restart-policy": {"plain"},
    "zombies": {"zombies"},
    "many-services": {"daemon"},
    "held-still": {"paused"},
    "ulimits": {"limits"},
    "pids": {"plain", "crowded"},
    "data-inside": {"writes"},
    "density": {"plain"},
    "latest-runs": {"plain"},
    "image-mistagged": {"debian:11", "tagged:1.4"},
    "reclaimable": {"dangling images", "unused volumes"},
    "subnet-overlap": {"overlapping"},
    "live-restore": {"engine"},
    "disk": {"/"},
    "inodes": {"/"},
    "certificate-ends": {"ends.pem"},
}
"""What each check finds on the first engine, among others."""


def start_all(engine):
    """Start a good container and many bad ones."""
    for name, app, more in (
        ("good", SLEEP, {"healthcheck": WORKS}), ("plain", SLEEP, {"user": "root"}), ("zombies", ZOMBIES, {"user": "root"}),
        ("daemon", DAEMON, {"user": "root"}), ("writes", WRITES, {"user": "root"}), ("hungry", HUNGRY, {}), ("unhealthy", SLEEP, {"healthcheck": FAILS}),
        ("leaky", SLEEP, {"healthcheck": "ENV API_TOKEN=4f1e09aa"}),
    ):  # fmt: skip
        engine.image(f"{name}:1", app, **more)
    engine.image("tagged:1.4", SLEEP, labels={"org.opencontainers.image.version": "1.3.9"})
    engine.image("debian:11", SLEEP, files={"etc/os-release": OS_RELEASE})
    engine.image("moved:1", SLEEP)
    engine.image("moved:1", SLEEP + "# another\n")
    client = engine.client()
    try:
        images = {name: client.images.get(name).id for name in ("good:1",)}
        client.volumes.create("unused")
        Path(engine.folder, "data/volumes/unused/_data/kept").write_text("x" * 5000)
        client.networks.create("overlapping", ipam=ipam("10.213.7.0/24"))

        def run(image, name, **more):
            client.containers.run(image, detach=True, name=name, **more)

        run(images["good:1"], "good", **GOOD)
        run(
            "plain:1",
            "plain",
            ports={"8000/tcp": ("0.0.0.0", None)},
            environment={"DB_PASSWORD": "hunter2-of-the-shop"},
        )
        run("plain:1", "privileged", privileged=True, user="1000:1000")
        run("plain:1", "capable", cap_add=["SYS_ADMIN"])
        run("plain:1", "namespaces", pid_mode="host", network_mode="host")
        run("plain:1", "mounts", volumes=["/etc:/host:ro", f"{engine.folder}/docker.sock:/run/docker.sock"])
        run("plain:1", "limits", ulimits=[ulimit(512)])
        run("plain:1", "paused")
        client.containers.get("paused").pause()
        run("plain:1", "crowded", pids_limit=1)
        run(
            "plain:1",
            "restarting",
            command=["/usr/bin/python3", "-c", "raise SystemExit(7)"],
            restart_policy={"Name": "always"},
        )
        run("hungry:1", "hungry", mem_limit="16m", memswap_limit="16m")
        for name in ("zombies", "daemon", "writes", "unhealthy", "leaky"):
            run(f"{name}:1", name)
        run("debian:11", "old-debian")
    finally:
        client.close()


def ipam(subnet):
    from docker.types import IPAMConfig, IPAMPool  # noqa: PLC0415 - slow to load

    return IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])


def ulimit(files):
    from docker.types import Ulimit  # noqa: PLC0415 - slow to load

    return Ulimit(name="nofile", soft=files, hard=files)


def settled(engine):
    """Whether the health check failed, memory ran out, and the container that ends was started again."""
    client = engine.client()
    try:
        states = {one.name: one.attrs for one in client.containers.list(all=True)}
    finally:
        client.close()
    health = states["unhealthy"]["State"].get("Health", {}).get("Status")
    works = states["good"]["State"].get("Health", {}).get("Status")
    return (
        (health, works) == ("unhealthy", "healthy")
        and states["hungry"]["State"]["OOMKilled"]
        and states["restarting"]["RestartCount"] >= 2
    )


@pytest.fixture(scope="module")
def examined():
    """One examination of two engines: (service file's folder, examination, the engines)."""
    folder = Path(tempfile.mkdtemp(prefix="doctor-"))
    second = Engine()
    second.mirror = [
        "-H",
        f"tcp://127.0.0.1:{free_port()}",
        "--storage-driver",
        "vfs",
        "--insecure-registry",
        "10.9.8.7:5000",
    ]
    device = f"virbr{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch, engine_running() as first, ssh_to_this_machine(patch) as address:
        try:
            second.start()
            start_all(first)
            subprocess.run(["ip", "link", "add", device, "type", "bridge"], check=True)
            subprocess.run(["ip", "addr", "add", "10.213.7.129/25", "dev", device], check=True)
            subprocess.run(["ip", "link", "set", device, "up"], check=True)
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=shop", "-keyout", folder / "key.pem", "-out", folder / "ends.pem"],
                check=True, capture_output=True,
            )  # fmt: skip
            ssh = f"{address}{second.folder}/docker.sock"
            (folder / "pratique.toml").write_text(
                f'[doctor]\nhosts = ["{first.host}", "{ssh}"]\nheld_still_s = 0\nwritable_layer_mb = 1\nreclaimable_mb = 0\ndisk_percent = 0.01\n'
                'certificates = ["ends.pem"]\n'
                '[[doctor.accepted]]\ncheck = "root-user"\nobject = "writes"\nreason = "its files belong to root"\nuntil = 2999-12-31\n'
                '[[doctor.accepted]]\ncheck = "root-user"\nobject = "zombies"\nreason = "for a while"\nuntil = 2020-12-31\n'
            )
            eventually(lambda: settled(first), pause=lambda _: time.sleep(0.5))
            yield folder, examine(load(folder / "pratique.toml")), (first, second)
        finally:
            subprocess.run(["ip", "link", "del", device], capture_output=True, check=False)
            second.close()


def objects(host, check):
    result = host.result(check)
    assert result.state != "not looked at", result.reason
    return {finding.found.object for finding in result.open}


@pytest.mark.parametrize("check", FOUND_ON_FIRST)
def test_a_check_finds_everything_wrong_and_nothing_right(examined, check):
    _, examination, _ = examined
    found = {
        name.rpartition("/")[2] if check == "certificate-ends" else name
        for name in objects(examination.hosts[0], check)
    }
    assert found >= FOUND_ON_FIRST[check] - {"zombies"} if check == "root-user" else found >= FOUND_ON_FIRST[check]
    assert "good" not in found


def test_the_engine_over_ssh_is_read_as_the_local_one(examined):
    _, examination, _ = examined
    host = examination.hosts[1]
    assert objects(host, "storage-driver") == {"engine"}
    assert objects(host, "insecure-registry") == {"10.9.8.7:5000"}
    assert any(name.startswith("tcp://127.0.0.1:") for name in objects(host, "engine-open"))
    assert objects(host, "engine-skew") == set()
    assert objects(host, "disk") >= {"/"}
    assert objects(host, "zombies") == set()


def test_everything_right_is_good_on_the_other_engine(examined):
    _, examination, _ = examined
    first = examination.hosts[0]
    for check in (
        "storage-driver",
        "insecure-registry",
        "engine-open",
        "engine-skew",
        "engine-old",
        "engine-confinement",
        "engine-warnings",
        "unknown-image",
        "image-moved",
    ):
        assert first.result(check).state == "good", (check, first.result(check))


def test_a_secret_is_named_and_never_shown(examined):
    _, examination, _ = examined
    from pratique.doctor.as_json import examination_json  # noqa: PLC0415 - with the text
    from pratique.doctor.sarif import examination_sarif  # noqa: PLC0415

    for data in (examination_json(examination), examination_sarif(examination)):
        text = json.dumps(data)
        assert "DB_PASSWORD" in text
        assert "hunter2" not in text
        assert "4f1e09aa" not in text


def test_an_accepted_finding_does_not_count_until_its_end(examined):
    _, examination, _ = examined
    findings = {one.found.object: one for one in examination.hosts[0].result("root-user").findings}
    assert "its files belong to root" in findings["writes"].accepted
    assert not findings["zombies"].accepted
    assert findings["zombies"].expired == "its acceptance ended on 2020-12-31"


def test_density_counts_containers_and_memory(examined):
    _, examination, _ = examined
    density = examination.hosts[0].density
    assert density.containers >= 14
    assert density.memory > 1e9
    assert any(load.used for load in density.services)


def test_a_remedy_is_for_the_engine_that_needs_it(examined):
    _, examination, (first, _) = examined
    (held,) = (one.found.remedy for one in examination.hosts[0].result("held-still").open)
    assert held == f"docker -H {first.host} unpause paused"


def test_the_command_says_what_is_new_and_what_is_mended(examined):
    folder, _, (first, _) = examined

    def doctor(*words):
        command = [sys.executable, "-m", "pratique", "doctor", "--host", first.host, *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)

    once = doctor("--only", "held-still", "--json")
    assert once.returncode == 1, once.stderr
    assert json.loads(once.stdout)["hosts"][0]["results"][0]["findings"][0]["new"] is False
    client = first.client()
    client.containers.get("paused").unpause()
    client.containers.get("plain").pause()
    client.close()
    time.sleep(1.1)
    again = doctor("--only", "held-still")
    assert again.returncode == 1
    assert "plain  it is paused for" in again.stdout
    assert "[new]" in again.stdout
    assert f"mended    {first.folder}/docker.sock: held-still: paused" in again.stdout
    # another check alone mends nothing
    assert "mended" not in doctor("--only", "disk").stdout


def test_facts_are_read_without_changing_anything(examined):
    _, _, (first, _) = examined
    client = first.client()
    before = sorted((one.name, one.status) for one in client.containers.list(all=True) if one.name != "restarting")
    config = load(examined[0] / "pratique.toml")
    started = time.time()
    examine(config, hosts=[first.host])
    events = client.events(since=int(started), until=int(time.time()) + 1, decode=True)
    kinds = {
        (event["Type"], event["Action"].split(":")[0])
        for event in events
        if event["Type"] == "container" and event["Actor"]["Attributes"].get("name") != "restarting"
    }
    after = sorted((one.name, one.status) for one in client.containers.list(all=True) if one.name != "restarting")
    client.close()
    assert before == after
    # an inspection raises no event but these; health checks run by themselves
    assert {action for _, action in kinds} <= {
        "top",
        "exec_create",
        "exec_start",
        "exec_die",
        "archive-path",
        "health_status",
    }
