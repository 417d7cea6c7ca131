"""Examinations made from recorded facts, for tests of what is shown."""

from pratique.doctor.changes import HostHistory, with_changes
from pratique.doctor.checks.table import CHECKS
from pratique.doctor.density import density_of
from pratique.doctor.judge import judge
from pratique.doctor.model import Examination, HostReport
from pratique.doctor.score import score_of
from support.host_facts import NOW, container, look

HOSTILE = "$(id); touch /tmp/x; <script>alert(1)</script>\x1b[2J\u202e\"'&\n|=HYPERLINK(1)"


def report(seen, history=None, checks=None):
    """The report of one host, as an examination makes it."""
    results = tuple(judge(check, seen) for check in checks or CHECKS if check.theme != "records")
    score, looked_at = score_of(results)
    return with_changes(
        HostReport(seen.facts.address, seen.facts.name, results, score, looked_at, density_of(seen)),
        history or HostHistory(),
    )


def examination(*hosts, fail_on="medium"):
    """An examination of hosts."""
    return Examination(NOW, 1200, hosts, CHECKS, fail_on)


def hostile_look():
    """A host whose every text tries something."""
    bad = container(
        Name=f"/{HOSTILE}",
        Config={
            "Env": [f"{HOSTILE}_PASSWORD=hunter2-{HOSTILE}", "DB_PASSWORD=hunter2-x"],
            "Labels": {"com.docker.compose.service": HOSTILE},
            "Image": HOSTILE,
            "User": "",
        },
        HostConfig={
            "LogConfig": {"Type": "json-file"},
            "Privileged": True,
            "CapAdd": [HOSTILE, "SYS_ADMIN"],
            "Memory": 0,
        },
        State={"Health": {"Status": "unhealthy", "Log": [{"Output": f"{HOSTILE} password=hunter2-y"}]}},
        Mounts=[{"Source": "/etc", "Destination": HOSTILE}],
        NetworkSettings={"Ports": {HOSTILE: [{"HostIp": "0.0.0.0", "HostPort": HOSTILE}]}},
    )
    return look(
        containers=[bad],
        info={"Warnings": [f"WARNING: {HOSTILE}"], "Driver": "aufs"},
        images={
            bad["Image"]: {
                "RepoTags": [f"{HOSTILE}:1.4"],
                "Config": {"Labels": {"org.opencontainers.image.version": f"9.9-{HOSTILE}"}},
            }
        },
        networks=[{"Name": HOSTILE, "Id": HOSTILE, "IPAM": {"Config": [{"Subnet": "10.0.0.0/8"}]}}],
        missing={"kernel": f"no: {' '.join(HOSTILE.split())}"},
    )
