"""The Swarm runtime: the contract of all runtimes, and its own features: replicas, placement, secrets, updates."""

import json

import pytest
from pydantic import ValidationError

from contract.runtime_contract import RuntimeContract, get
from pratique.config import RuntimeSettings, SwarmSettings
from pratique.errors import UnavailableError
from pratique.runtime.base import in_use_by
from pratique.runtime.swarm import SwarmRuntime
from support.docker_engine import engine_running, needs_docker
from support.docker_fixture import DockerPlace
from support.waiting import eventually

pytestmark = needs_docker


class SwarmPlace(DockerPlace):
    kind = "swarm"

    def again(self, **env):
        settings = self.settings.model_copy(update={"env": self.settings.env | env, "kind": "swarm"})
        return SwarmRuntime(settings, self.folder)

    def kill(self, instance):
        client = self.engine.client()
        container = client.api.inspect_task(instance.id)["Status"]["ContainerStatus"]["ContainerID"]
        client.containers.get(container).kill()
        client.close()


@pytest.fixture(scope="module")
def swarm():
    with engine_running() as found:
        client = found.client()
        client.swarm.init(advertise_addr="127.0.0.1", listen_addr="127.0.0.1:0")
        client.close()
        yield found


@pytest.fixture
def make_place(swarm, tmp_path):
    def make(**settings):
        return SwarmPlace(swarm, tmp_path, **{"drain_s": 3, **settings})

    yield make
    client = swarm.client()
    for service in client.services.list():
        service.remove()
    eventually(lambda: not client.containers.list())
    client.close()


@pytest.fixture
def place(make_place):
    return make_place()


class TestSwarmRuntime(RuntimeContract):
    """The contract."""


def test_a_release_is_one_service_with_replicas_limits_and_no_capability(make_place):
    place = make_place()
    instances = place.runtime.start(place.release("r1"), run="run-1", role="canary", count=2)
    client = place.engine.client()
    (service,) = client.services.list()
    client.close()
    spec = service.attrs["Spec"]
    container = spec["TaskTemplate"]["ContainerSpec"]
    assert spec["Mode"]["Replicated"]["Replicas"] == 2
    assert (container["ReadOnly"], container["CapabilityDrop"]) == (True, ["ALL"])
    assert spec["TaskTemplate"]["Resources"]["Limits"]["MemoryBytes"] == 512 << 20
    assert spec["TaskTemplate"]["LogDriver"]["Options"] == {"max-size": "10m", "max-file": "3"}
    assert spec["UpdateConfig"]["Order"] == "start-first"
    assert len({instance.address for instance in instances}) == 2


def test_a_secret_is_a_swarm_secret_and_removed_with_the_service(make_place, monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "correct-horse-battery")
    place = make_place(env={"TOKEN": "env:SHOP_TOKEN"})
    app = (
        "import sys, os\nfrom http.server import *\n"
        "class H(BaseHTTPRequestHandler):\n def do_GET(self):\n  text = open(os.environ['TOKEN_FILE'], 'rb').read()\n"
        "  self.send_response(200)\n  self.send_header('Content-Length', str(len(text)))\n  self.end_headers()\n"
        "  self.wfile.write(text)\nHTTPServer(('', int(sys.argv[1])), H).serve_forever()\n"
    )
    instance = place.start(place.release("hidden", app))
    assert get(instance)[1] == "correct-horse-battery"
    client = place.engine.client()
    (service,) = client.services.list()
    assert "correct-horse-battery" not in json.dumps(service.attrs)
    place.runtime.stop(instance, drain_s=0)
    assert client.secrets.list() == []
    client.close()


def test_running_tasks_are_kept_when_more_tasks_cannot_be_placed(make_place, monkeypatch):
    place = make_place()
    release = place.release("r1")
    first = place.runtime.start(release, run="run-1", role="baseline", count=2)
    monkeypatch.setattr("pratique.runtime.swarm.PLACEMENT_TIMEOUT_S", 0.0)
    with pytest.raises(UnavailableError, match="of 3 tasks"):
        place.again().start(release, run="run-1", role="baseline", count=3)
    eventually(lambda: len(place.runtime.list("shop")) == 2)
    client = place.engine.client()
    (service,) = client.services.list()
    client.close()
    assert service.attrs["Spec"]["Mode"]["Replicated"]["Replicas"] == 2
    assert {i.id for i in first} & {i.id for i in place.runtime.list("shop")}


def test_adding_a_task_does_not_replace_running_tasks(place):
    release = place.release("r1")
    first = place.runtime.start(release, run="run-1", role="baseline", count=2)
    more = place.again().start(release, run="run-1", role="baseline", count=3)
    assert {(i.id, i.address) for i in first} < {(i.id, i.address) for i in more}
    client = place.engine.client()
    (service,) = client.services.list()
    assert "UpdateStatus" not in service.attrs  # the engine replaces nothing
    client.close()


def test_an_exited_task_does_not_stop_the_others(place):
    ended, other = place.runtime.start(place.release("r1"), run="run-1", role="baseline", count=2)
    place.kill(ended)
    eventually(lambda: ended.id not in {i.id for i in place.runtime.list("shop")})
    with pytest.raises(UnavailableError, match="exited before it was ready"):
        place.runtime.wait_ready(ended, deadline_s=5)
    assert other.id in {i.id for i in place.runtime.list("shop")}


def test_a_service_without_a_running_task_is_listed_as_exited_and_kept_while_its_revision_is_in_use(place):
    instance = place.start(place.release("r1"))
    client = place.engine.client()
    client.services.list()[0].scale(0)
    client.close()
    eventually(lambda: place.runtime.list("shop") == [])
    (ended,) = place.runtime.exited("shop")
    assert (ended.revision, ended.run, ended.address, ended.group) == ("r1", "run-1", "", instance.group)
    assert in_use_by([ended], {"r1": [instance.address]}) == [ended]
    place.runtime.remove_exited("shop", "run-1", keep="r1")
    assert place.runtime.exited("shop") == [ended]
    place.runtime.remove_exited("shop", "run-1")
    assert place.runtime.exited("shop") == []


def test_a_constraint_that_no_node_meets_is_an_error(make_place, monkeypatch):
    monkeypatch.setattr("pratique.runtime.swarm.PLACEMENT_TIMEOUT_S", 2.0)
    place = make_place(swarm={"constraints": ("node.labels.zone == moon",)})
    with pytest.raises(UnavailableError, match="0 of 1 tasks"):
        place.start(place.release("r1"))
    assert place.runtime.list() == []


@pytest.mark.parametrize("constraint", ["reboot", "node.role == manager; x", "node.labels.a == b\nnode.role == c"])
def test_a_hostile_constraint_is_refused(constraint):
    with pytest.raises(ValidationError):
        SwarmSettings(constraints=(constraint,))


def test_an_engine_that_is_not_a_manager_is_an_error(engine, tmp_path):
    settings = RuntimeSettings(kind="swarm", docker={"image": "shop", "hosts": (engine.host,)})
    with pytest.raises(UnavailableError, match="swarm"):
        SwarmRuntime(settings, tmp_path).list()
