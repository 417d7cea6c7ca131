"""Checks of the engine on recorded facts."""

import pytest

from pratique.doctor.facts.host_text import Daemon, ListedFile
from support.host_facts import found, host_facts, look, result

RUNC = [{"Name": "runc"}]


@pytest.mark.parametrize(
    ("check", "changed", "objects"),
    [
        ("engine-old", {"version": {"BuildTime": "2023-04-01T00:00:00Z"}}, {"engine"}),
        ("storage-driver", {"info": {"Driver": "devicemapper"}}, {"engine"}),
        ("storage-driver", {"info": {"DriverStatus": [["Supports d_type", "false"]]}}, {"engine"}),
        ("engine-confinement", {"info": {"SecurityOptions": ["name=apparmor"]}}, {"engine"}),
        ("engine-confinement", {"info": {"SecurityOptions": ["name=seccomp,profile=unconfined"]}}, {"engine"}),
        ("insecure-registry", {"info": {"RegistryConfig": {"IndexConfigs": {"images.acme:5000": {"Secure": False}}}}}, {"images.acme:5000"}),
        ("insecure-registry", {"info": {"RegistryConfig": {"IndexConfigs": {"localhost:5000": {"Secure": False}}}}}, set()),
        ("live-restore", {"info": {"LiveRestoreEnabled": False}}, {"engine"}),
        ("live-restore", {"info": {"LiveRestoreEnabled": False, "Swarm": {"LocalNodeState": "active"}}}, set()),
        ("engine-warnings", {"info": {"Warnings": ["WARNING: No swap limit support"]}}, {"No swap limit support"}),
        ("engine-open", {"info": {"Warnings": ["WARNING: API is accessible on http://0.0.0.0:2375 without encryption."]}}, {"engine"}),
        ("engine-open", {"daemons": [Daemon(9, ("dockerd", "-H", "tcp://0.0.0.0:2375"))]}, {"tcp://0.0.0.0:2375"}),
        ("engine-open", {"daemons": [Daemon(9, ("dockerd", "--host=tcp://0.0.0.0:2376", "--tlsverify"))]}, set()),
        ("engine-open", {"daemons": [Daemon(9, ("dockerd", "-Htcp://0.0.0.0:2375"))]}, {"tcp://0.0.0.0:2375"}),
        ("engine-open", {"daemons": [Daemon(9, ("dockerd", "-H", "0.0.0.0:2375"))]}, {"0.0.0.0:2375"}),
        ("engine-open", {"daemon_json": {"hosts": ["tcp://0.0.0.0:2375"]}}, {"tcp://0.0.0.0:2375"}),
        ("engine-open", {"sockets": [ListedFile("/var/run/docker.sock", "srw-rw-rw-", 0)]}, {"/var/run/docker.sock"}),
        ("clock-skew", {"clock": {"ahead_s": -90.0, "uncertain_s": 0.2}}, {"clock"}),
        ("clock-skew", {"clock": {"ahead_s": 3.0, "uncertain_s": 2.5}}, set()),
        ("clock-skew", {"time_sync": {}}, {"time service"}),
        ("clock-skew", {"time_sync": {"daemon": "chronyd"}}, set()),
        ("subnet-overlap", {"routes": [("172.17.4.0/24", "eth1")]}, {"bridge"}),
        ("subnet-overlap", {"routes": [("172.17.0.0/16", "docker0")]}, set()),
    ],
)  # fmt: skip
def test_a_check_of_the_engine(check, changed, objects):
    assert found(check, look(**changed)) == objects


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("1.1.5", "found"), ("1.1.12", "good"), ("1.2.7", "found"), ("1.2.8", "good"), ("1.3.3", "good"), ("1.4.0", "good"), ("1.0.0-rc93", "found"),
        ("1.1.5+ds1", "not looked at"), ("", "not looked at"),
    ],
)  # fmt: skip
def test_a_runc_of_a_distribution_is_not_judged_by_its_version(version, state):
    assert result("runc-old", look(version={"Components": [{"Name": "runc", "Version": version}]})).state == state


def test_versions_that_differ_are_found_on_the_older_host():
    newer = host_facts("ssh://web2", version={"Version": "29.1.0"})
    older = look(fleet=[newer])
    (finding,) = result("engine-skew", older).findings
    assert finding.found.what == "version 28.0.1, and 29.1.0 on web2"


def test_a_host_that_cannot_be_asked_leaves_the_comparison_open():
    silent = host_facts("ssh://web2", missing={"version": "it hangs"})
    said = result("engine-skew", look(fleet=[silent]))
    assert (said.state, said.reason) == ("not looked at", "web2: it hangs")


def test_an_engine_that_is_too_new_for_the_client_is_found():
    assert found("engine-skew", look(version={"MinAPIVersion": "9.9", "ApiVersion": "10.0"})) == {"engine"}


def test_image_stores_that_differ_are_found_on_both_hosts():
    other = host_facts(
        "ssh://web2", info={"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
    )
    assert found("storage-driver", look(fleet=[other])) == {"engine"}


def test_an_open_port_is_found_although_the_sockets_cannot_be_seen():
    said = result("engine-open", look(missing={"sockets": "only root can"}, daemon_json={"hosts": ["tcp://[::]:2375"]}))
    assert (said.state, said.reason) == ("found", "only root can")


def test_settings_in_another_file_are_not_looked_at():
    said = result("engine-open", look(daemons=[Daemon(9, ("dockerd", "--config-file", "/srv/docker.json"))]))
    assert (said.state, said.reason) == (
        "not looked at",
        "the engine's settings are in /srv/docker.json, which is not read",
    )


def test_an_editor_on_another_host_gets_a_terminal():
    (finding,) = result(
        "live-restore", look(address="ssh://root@web1:2222", info={"LiveRestoreEnabled": False})
    ).findings
    assert finding.found.remedy.startswith("ssh -t -p 2222 root@web1 'editor /etc/docker/daemon.json'")


@pytest.mark.parametrize(("version", "package"), [("20.10.1", "docker-ce"), ("20.10.24+dfsg1", "docker.io")])
def test_an_upgrade_names_the_package_that_the_engine_came_in(version, package):
    (finding,) = result("engine-old", look(version={"Version": version, "BuildTime": "2021-01-01T00:00:00Z"})).findings
    assert finding.found.remedy.endswith(f"--only-upgrade {package}")
