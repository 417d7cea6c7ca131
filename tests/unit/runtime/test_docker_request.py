"""The arguments for a container, compared as a whole."""

import pytest

from pratique.config import DockerSettings
from pratique.release import Release
from pratique.runtime.docker_request import PublishedPort, container_request, published_at
from pratique.runtime.secretfiles import with_secret_files

RELEASE = Release("shop", "r2", "sha256:bb", "shop@sha256:bb", ("serve", "--port={port}"), {"COLOUR": "green"})


def request(release=RELEASE, *, folder="", **docker):
    settings = DockerSettings(image="shop", **docker)
    return container_request(
        release,
        settings,
        name="pratique-shop-r2-0a",
        run="run-1",
        role="canary",
        published=published_at("", settings, 20000),
        env=release.env,
        secrets_folder=folder,
        collector="127.0.0.1:5514",
    )


PLAIN = {
    "image": "shop@sha256:bb",
    "command": ["serve", "--port=8000"],
    "name": "pratique-shop-r2-0a",
    "labels": {
        "pratique.service": "shop",
        "pratique.revision": "r2",
        "pratique.run": "run-1",
        "pratique.role": "canary",
        "pratique.address": "127.0.0.1:20000",
        "pratique.digest": "sha256:bb",
    },
    "environment": {
        "COLOUR": "green",
        "PRATIQUE_SERVICE": "shop",
        "PRATIQUE_REVISION": "r2",
        "PRATIQUE_RUN": "run-1",
        "PRATIQUE_ROLE": "canary",
        "PORT": "8000",
    },
    "mounts": [],
    "log_config": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
    "cap_drop": ["ALL"],
    "cap_add": [],
    "security_opt": ["no-new-privileges"],
    "read_only": True,
    "tmpfs": {"/tmp": "size=64m,mode=1777"},
    "mem_limit": "512m",
    "memswap_limit": "512m",
    "nano_cpus": 1_000_000_000,
    "pids_limit": 256,
    "init": True,
    "healthcheck": {"interval": 2_000_000_000},
    "ports": {"8000/tcp": ("127.0.0.1", 20000)},
}


def test_a_container_gets_only_what_it_needs():
    assert request() == PLAIN


def test_without_a_command_the_image_has_its_own():
    assert request(Release("shop", "r2", "sha256:bb", "shop@sha256:bb"))["command"] is None


def test_secrets_and_volumes_are_mounted():
    found = request(folder="/dev/shm/secrets", volumes={"shop-data": "/data"})
    assert found == PLAIN | {
        "mounts": [
            {"Target": "/run/secrets", "Source": "/dev/shm/secrets", "Type": "bind", "ReadOnly": True},
            {"Target": "/data", "Source": "shop-data", "Type": "volume", "ReadOnly": False},
        ]
    }


def test_on_the_hosts_network_the_container_listens_on_the_chosen_port():
    found = request(host_network_reason="it needs multicast")
    assert (found["network_mode"], found["command"], found["environment"]["PORT"]) == (
        "host",
        ["serve", "--port=20000"],
        "20000",
    )
    assert "ports" not in found


@pytest.mark.parametrize(
    ("engine", "publish_address", "expected"),
    [
        ("", "", ("127.0.0.1", "127.0.0.1")),
        ("unix:///run/docker.sock", "10.0.0.5", ("10.0.0.5", "10.0.0.5")),
        ("ssh://ann@web-1:2222", "", ("0.0.0.0", "web-1")),
        ("ssh://web-1", "web-1.internal", ("0.0.0.0", "web-1.internal")),
        ("ssh://web-1", "10.0.0.5", ("10.0.0.5", "10.0.0.5")),
    ],
)
def test_a_port_is_published_where_the_balancer_can_reach_it(engine, publish_address, expected):
    settings = DockerSettings(image="shop", publish_address=publish_address)
    assert published_at(engine, settings, 20000) == PublishedPort(*expected, 20000)


def test_a_secret_is_a_file_and_not_a_variable():
    assert with_secret_files({"TOKEN": "hunter2", "COLOUR": "green"}, {"TOKEN"}) == {
        "COLOUR": "green",
        "TOKEN_FILE": "/run/secrets/TOKEN",
    }
