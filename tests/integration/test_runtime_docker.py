"""The Docker runtime: the contract of all runtimes, and its own features: limits, secrets, logs, health, restarts."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import docker.errors
import pytest
from pydantic import ValidationError

from contract.runtime_contract import SERVER, RuntimeContract, get
from pratique.config import DockerSettings, RuntimeSettings
from pratique.errors import DataError, DeniedError, MissingError, StorageError, UnavailableError
from pratique.release.image import REVISION_LABEL, load_image_release
from pratique.runtime.docker import DockerRuntime
from pratique.runtime.secretfiles import ROOT
from support.docker_engine import needs_docker
from support.docker_fixture import DockerPlace
from support.waiting import eventually

pytestmark = needs_docker

# answers with its environment, its rights, and the folders that it can write to
NOSY = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
def may_write(path):
    try:
        open(path + "/probe", "w").close()
        return True
    except OSError as error:
        return error.strerror
def read(path):
    try:
        return open(path).read()
    except OSError as error:
        return error.strerror
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status = open("/proc/self/status").read()
        seen = {"env": dict(os.environ), "uid": os.getuid(), "write": {p: may_write(p) for p in ("/", "/tmp", "/data")},
                "secret": read(os.environ.get("TOKEN_FILE", "/nothing")),
                "caps": [l.split()[1] for l in status.splitlines() if l.startswith("CapEff")][0],
                "no_new_privs": [l.split()[1] for l in status.splitlines() if l.startswith("NoNewPrivs")][0]}
        content = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def log_message(self, *_):
        print("token is", read(os.environ.get("TOKEN_FILE", "/nothing")), flush=True)
HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def make_place(engine, tmp_path):
    def make(**settings):
        return DockerPlace(engine, tmp_path, **settings)

    yield make
    engine.clean()


@pytest.fixture
def place(make_place):
    return make_place()


class TestDockerRuntime(RuntimeContract):
    """The contract."""


def seen(instance):
    return json.loads(get(instance)[1])


def test_a_container_gets_only_what_it_needs(make_place):
    place = make_place()
    instance = place.start(place.release("nosy", NOSY))
    found, host = seen(instance), place.inspect(instance)["HostConfig"]
    assert (found["uid"], int(found["caps"], 16), found["no_new_privs"]) == (1000, 0, "1")
    assert found["write"]["/"] != True  # noqa: E712 - otherwise an error message
    assert found["write"]["/tmp"] is True
    assert (host["Privileged"], host["ReadonlyRootfs"], host["CapDrop"]) == (False, True, ["ALL"])
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert (host["Memory"], host["PidsLimit"], host["NanoCpus"]) == (512 << 20, 256, 10**9)
    assert host["NetworkMode"] != "host"
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert host["Binds"] in (None, [])


def test_data_in_named_volumes_outlives_the_container(make_place):
    place = make_place(docker={"volumes": {"shop-data": "/data"}})
    release = place.release("nosy", NOSY)
    instance = place.start(release)
    assert seen(instance)["write"]["/data"] is True
    place.runtime.stop(instance, drain_s=0)
    client = place.engine.client()
    try:
        assert "shop-data" in [volume.name for volume in client.volumes.list()]
        client.volumes.get("shop-data").remove()
    finally:
        client.close()


def test_a_secret_is_only_a_file_in_memory(make_place, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN", "COLOUR": "green"})
    instance = place.start(place.release("nosy", NOSY))
    found = seen(instance)
    assert found["secret"] == "correct-horse-battery"
    assert found["env"]["COLOUR"] == "green"
    assert found["env"]["TOKEN_FILE"] == "/run/secrets/TOKEN"
    assert "correct-horse-battery" not in json.dumps(found["env"]) + json.dumps(place.inspect(instance))
    eventually(lambda: any("token is" in line for line in place.runtime.logs(instance)))
    assert not any("correct-horse" in line for line in place.runtime.logs(instance))
    folder = Path("/dev/shm", ROOT)
    assert folder.stat().st_mode & 0o077 == 0
    place.runtime.stop(instance, drain_s=0)
    assert not any(place.secrets.iterdir())


def test_secrets_are_readable_for_the_user_of_the_image_with_any_umask(make_place, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"})
    release = place.release("nosy", NOSY)
    before = os.umask(0o077)
    try:
        instance = place.start(release)
    finally:
        os.umask(before)
    assert seen(instance)["secret"] == "correct-horse-battery"


def test_secrets_of_a_service_with_a_similar_name_are_kept(make_place, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"})
    release = place.release("nosy", NOSY)
    (instance,) = place.runtime.start(replace(release, service="shop-eu"), run="run-2", role="canary")
    place.runtime.wait_ready(instance, deadline_s=60)
    place.start(release)
    place.runtime.remove_exited("shop", "run-1")
    assert seen(instance)["secret"] == "correct-horse-battery"


def test_a_container_does_not_start_without_its_secrets_after_a_reboot(make_place, engine, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"})
    release = place.release("nosy", NOSY)
    instance = place.start(release)
    place.kill(instance)
    shutil.rmtree(place.secrets)
    client = engine.client()
    with pytest.raises(docker.errors.APIError, match="does not exist"):
        client.containers.get(instance.id).start()
    client.close()
    assert seen(place.start(release))["secret"] == "correct-horse-battery"


def test_a_missing_secret_is_an_error_and_leaves_no_container(make_place):
    place = make_place(env={"TOKEN": "env:NO_SUCH_TOKEN"})
    with pytest.raises(MissingError, match="NO_SUCH_TOKEN"):
        place.start(place.release("r1"))
    assert place.runtime.list() == []


def test_secrets_of_an_interrupted_start_are_removed(make_place, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"})
    instance = place.start(place.release("r1"))
    (there,) = place.secrets.iterdir()
    lost = there.parent / "pratique-shop-r1-cutoff"
    lost.mkdir()
    (lost / "TOKEN").write_text("correct-horse-battery")
    os.utime(lost, (0, 0))
    young = there.parent / "pratique-shop-r1-another"
    young.mkdir()
    place.runtime.remove_exited("shop", "run-1")
    assert not lost.exists()
    assert get(instance)[0] == 200
    assert set(there.parent.iterdir()) == {there, young}
    young.rmdir()


def test_a_secrets_folder_that_is_open_to_other_users_is_refused(make_place, monkeypatch, tmp_path):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    folder = Path("/dev/shm", f"pq-{os.getpid()}")
    (folder / ROOT).mkdir(parents=True)
    (folder / ROOT).chmod(0o777)
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"}, docker={"secrets_dir": str(folder)})
    try:
        with pytest.raises(DeniedError, match="open to other users"):
            place.start(place.release("r1"))
        assert list((folder / ROOT).iterdir()) == []
    finally:
        (folder / ROOT).rmdir()
        folder.rmdir()


def test_secrets_on_a_disk_are_refused(make_place, monkeypatch, tmp_path):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"}, docker={"secrets_dir": str(Path.home())})
    with pytest.raises(StorageError, match="not in memory"):
        place.start(place.release("r1"))
    client = place.engine.client()
    assert client.containers.list(all=True) == []
    client.close()


def test_the_error_for_an_unhealthy_container_has_its_log_and_its_health_check_log(make_place):
    check = 'HEALTHCHECK --interval=1s --retries=1 CMD ["/usr/bin/python3", "-c", "print(\'cart service is away\'); exit(1)"]'
    place = make_place()
    release = place.release("sick", healthcheck=check)
    (instance,) = place.runtime.start(release, run="run-1", role="canary")
    with pytest.raises(UnavailableError, match=r"HEALTHCHECK.*listening.*cart service is away"):
        place.runtime.wait_ready(instance, deadline_s=5)


def test_a_container_with_a_passing_healthcheck_is_ready(make_place):
    check = 'HEALTHCHECK --interval=30s CMD ["/usr/bin/python3", "-c", "exit(0)"]'
    place = make_place()
    (instance,) = place.runtime.start(place.release("well", healthcheck=check), run="run-1", role="canary")
    place.runtime.wait_ready(instance, deadline_s=60)
    assert get(instance)[0] == 200


def test_a_container_that_exits_before_ready_is_removed(make_place):
    place = make_place()
    with pytest.raises(UnavailableError, match="exited with status 3"):
        place.start(place.release("r1", MODE="crash"))
    client = place.engine.client()
    assert client.containers.list(all=True) == []
    client.close()


def test_an_exited_container_is_removed(make_place):
    place = make_place()
    instance = place.start(place.release("r1"), ready=False)
    place.kill(instance)
    eventually(lambda: place.runtime.list() == [])
    place.runtime.remove_exited("shop", "run-1")
    client = place.engine.client()
    assert client.containers.list(all=True) == []
    client.close()


def test_a_container_restarts_at_its_address_after_a_restart_of_the_engine(make_place):
    place = make_place()
    instance = place.start(place.release("r1"))
    place.engine.restart()
    place.runtime.wait_ready(instance, deadline_s=60)
    assert get(instance)[0] == 200
    (again,) = place.runtime.list()
    assert again.id == instance.id
    assert again.started > instance.started


def test_a_moved_tag_is_another_release_and_the_old_one_is_unchanged(make_place):
    place = make_place()
    first = place.release("r1")
    place.engine.image("shop:r1", SERVER + "\n# changed\n")
    second = load_image_release("shop", "r1", place.settings)
    assert first.digest != second.digest
    kept = load_image_release("shop", "r1", place.settings, digest=first.digest)
    instance = place.start(kept)
    assert place.inspect(instance)["Image"] == first.digest
    place.engine.image("shop:r1", SERVER)


def test_an_image_with_the_label_of_another_revision_is_refused(make_place):
    place = make_place()
    with pytest.raises(DataError, match="has the revision label 'r7'"):
        place.release("r8", labels={REVISION_LABEL: "r7"})


def test_the_error_for_a_missing_image_lists_the_existing_ones(make_place):
    place = make_place()
    place.release("r1")
    with pytest.raises(MissingError, match=r"shop:r99.*shop:r1"):
        load_image_release("shop", "r99", place.settings)


def test_a_stopped_engine_is_an_error(tmp_path):
    settings = RuntimeSettings(kind="docker", docker={"image": "shop", "hosts": (f"unix://{tmp_path}/none.sock",)})
    told = r"no Docker engine answers at unix:.*none\.sock: start it"
    with pytest.raises(UnavailableError, match=told):
        DockerRuntime(settings, tmp_path).list()
    with pytest.raises(UnavailableError, match=told):
        load_image_release("shop", "r1", settings)


def test_a_container_joins_the_network_of_the_host_only_with_a_reason(make_place):
    place = make_place(docker={"host_network_reason": "it must see the host's multicast"})
    release = place.release("r1")
    instance = place.start(
        release.__class__(**{**vars(release), "command": ("/usr/bin/python3", "-u", "/app.py", "{port}")})
    )
    assert place.inspect(instance)["HostConfig"]["NetworkMode"] == "host"
    assert get(instance)[0] == 200


def test_logs_by_syslog_carry_service_revision_and_container(make_place):
    place = make_place(docker={"log_driver": "syslog"})
    instance = place.start(place.release("r1"))
    found = place.inspect(instance)["HostConfig"]["LogConfig"]
    assert found["Type"] == "syslog"
    assert found["Config"]["tag"] == "pratique/shop/r1/{{.ID}}"
    assert found["Config"]["cache-max-size"] == "10m"
    eventually(lambda: "listening" in place.runtime.logs(instance))


@pytest.mark.parametrize(
    "hostile",
    [
        {"image": "shop; reboot"},
        {"image": "shop:latest"},
        {"image": "../shop"},
        {"image": "-v/:/host"},
        {"hosts": ("tcp://10.0.0.1:2375",)},
        {"hosts": ("ssh://-oProxyCommand=reboot",)},
        {"volumes": {"/etc": "/data"}},
        {"volumes": {"data": "/data:rw,exec"}},
        {"cap_add": ("ALL",)},
        {"cap_add": ("net_admin",)},
        {"tmpfs": {"/tmp": "64m,exec"}},
        {"network": "a b"},
        {"publish_address": "0.0.0.0:80"},
        {"log_max_size": "-1"},
        {"secrets_dir": "relative"},
        {"privileged": True},
    ],
)
def test_a_hostile_service_file_is_refused(hostile):
    with pytest.raises(ValidationError):
        DockerSettings(**{"image": "shop"} | hostile)


def test_a_container_with_incomplete_labels_is_not_listed(make_place):
    place = make_place()
    place.release("r1")
    client = place.engine.client()
    client.containers.run(
        "shop:r1", detach=True, labels={"pratique.service": "shop", "pratique.revision": "x\n$(reboot)"}, user="1000"
    )
    client.close()
    assert place.runtime.list() == []


def test_when_one_of_two_containers_fails_to_start_none_is_left(make_place, monkeypatch):
    place = make_place(docker={"memory": "1m"})
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        place.start(place.release("r1"), count=2)
    assert time.monotonic() - began < 30
    client = place.engine.client()
    assert client.containers.list(all=True) == []
    client.close()
    assert os.environ.get("DOCKER_HOST") is None
