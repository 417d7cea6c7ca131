"""The arguments for a Swarm service, compared as a whole."""

from docker import types

from pratique.config import RuntimeSettings
from pratique.release import Release
from pratique.runtime.swarm_request import service_request

LABELS = {"service": "shop", "revision": "r2", "run": "run-1", "role": "canary", "digest": "sha256:bb"}
RELEASE = Release("shop", "r2", "sha256:bb", "shop@sha256:bb", ("serve", "{port}"))


def request(release=RELEASE, **settings):
    given = {"kind": "swarm", "docker": {"image": "shop"}, "drain_s": 2.5, **settings}
    return service_request(
        release,
        RuntimeSettings(**given),
        image="shop@sha256:bb",
        name="pratique-0a",
        labels=LABELS,
        count=2,
        env={"COLOUR": "green"},
        secrets=[],
        collector="127.0.0.1:5514",
    )


PREFIXED = {f"pratique.{key}": value for key, value in LABELS.items()}
PLAIN = {
    "image": "shop@sha256:bb",
    "args": ["serve", "8000"],
    "name": "pratique-0a",
    "labels": PREFIXED,
    "container_labels": PREFIXED,
    "env": [
        "COLOUR=green",
        "PRATIQUE_SERVICE=shop",
        "PRATIQUE_REVISION=r2",
        "PRATIQUE_RUN=run-1",
        "PRATIQUE_ROLE=canary",
        "PORT=8000",
    ],
    "mode": types.ServiceMode("replicated", replicas=2),
    "constraints": [],
    "secrets": [],
    "endpoint_spec": {
        "Mode": "dnsrr",
        "Ports": [{"Protocol": "tcp", "TargetPort": 8000, "PublishMode": "host"}],
    },
    "update_config": {"Parallelism": 1, "Delay": 1_000_000_000, "FailureAction": "rollback", "Order": "start-first"},
    "restart_policy": types.RestartPolicy(condition="any", delay=2_000_000_000),
    "stop_grace_period": 3_000_000_000,
    "log_driver": "json-file",
    "log_driver_options": {"max-size": "10m", "max-file": "3"},
    "networks": [],
    "read_only": True,
    "init": True,
    "cap_drop": ["ALL"],
    "cap_add": [],
    "mounts": [types.Mount("/tmp", None, type="tmpfs", tmpfs_size=64 << 20)],
    "resources": types.Resources(cpu_limit=1_000_000_000, mem_limit=512 << 20),
}


def test_a_service_is_replicated_bounded_and_without_capabilities():
    assert request() == PLAIN


def test_without_a_command_the_image_has_its_own():
    assert "args" not in request(Release("shop", "r2", "sha256:bb", "shop@sha256:bb"))


def test_settings_of_swarm_and_docker_are_passed_on():
    found = request(
        docker={"image": "shop", "volumes": {"data": "/data"}, "network": "front", "cap_add": ["NET_BIND_SERVICE"]},
        swarm={"constraints": ["node.labels.zone == a"], "update_parallelism": 2, "update_delay_s": 0.5},
    )
    assert found == PLAIN | {
        "constraints": ["node.labels.zone == a"],
        "update_config": PLAIN["update_config"] | {"Parallelism": 2, "Delay": 500_000_000},
        "networks": ["front"],
        "cap_add": ["NET_BIND_SERVICE"],
        "mounts": [*PLAIN["mounts"], types.Mount("/data", "data", type="volume")],
    }
