"""Checks of the host on recorded facts."""

from datetime import timedelta

import pytest

from pratique.doctor.facts.host_text import Daemon, FileSystem
from support.host_facts import NOW, container, found, look, result


@pytest.mark.parametrize(
    ("check", "changed", "objects"),
    [
        ("memory-low", {"memory": {"MemTotal": 8 << 30, "MemAvailable": 100 << 20}}, {"memory"}),
        ("conntrack", {"kernel": {"net/netfilter/nf_conntrack_count": "250000"}}, {"connections"}),
        ("engine-limits", {"kernel": {"loadavg": "9.1 9.1 9.1 3/31000 1"}}, {"processes"}),
        ("engine-limits", {"daemons": [Daemon(9, ("dockerd",), 1024)]}, {"engine"}),
        ("sockets", {"kernel": {"net/unix/max_dgram_qlen": "10"}}, set()),
        ("sockets", {"kernel": {"net/unix/max_dgram_qlen": "10"}, "containers": [container(Mounts=[{"Source": "/dev/log"}])]}, {"/dev/log"}),
        ("disk", {"space": {"/": FileSystem("/", 100, 85, 15)}}, {"/"}),
        ("inodes", {"inodes": {"/var": FileSystem("/var", 100, 99, 1)}}, {"/var"}),
        ("libvirt-conflict", {"interfaces": ["virbr0"]}, set()),
        ("libvirt-conflict", {"interfaces": ["virbr0"], "firewall": ["-P FORWARD DROP", "-A DOCKER-USER -j RETURN"]}, {"virbr0"}),
        ("libvirt-conflict", {"interfaces": ["virbr0"], "firewall": ["-P FORWARD DROP", "-A DOCKER-USER -i virbr0 -j ACCEPT"]}, set()),
        ("certificate-ends", {"certificates": {"/a.pem": NOW - timedelta(days=1)}}, {"/a.pem"}),
    ],
)  # fmt: skip
def test_a_check_of_the_host(check, changed, objects):
    assert found(check, look(**changed)) == objects


def test_a_disk_that_will_be_full_within_days_is_found():
    before = {"at": NOW - timedelta(days=1), "used": {"/": 100_000}}
    (finding,) = result("disk", look(space_before=before)).findings
    assert finding.found.what == "30% of 1.02 GB are used; as it grows, it is full in 3.5 days"


def test_what_one_command_writes_is_no_growth():
    assert found("disk", look(space_before={"at": NOW - timedelta(seconds=9), "used": {"/": 100_000}})) == set()


def test_a_certificate_that_cannot_be_read_is_not_looked_at():
    said = result("certificate-ends", look(certificates={"/a.pem": "Can't open /a.pem"}))
    assert (said.state, said.reason) == ("not looked at", "/a.pem: Can't open /a.pem")


@pytest.mark.parametrize(("check", "part"), [("disk", "space"), ("inodes", "inodes")])
def test_an_engine_folder_that_the_host_does_not_show_is_not_good(check, part):
    root = FileSystem("/srv/docker", 0, 0, 0, known=False)
    said = result(check, look(**{part: {"/": FileSystem("/", 100, 10, 90), root.mount: root}}))
    assert (said.state, "/srv/docker" in said.reason) == ("not looked at", True)
