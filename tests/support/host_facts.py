"""Facts of a host as a real engine reported them (Debian's 20.10), where all is well; a test changes the part that it is about.

look(info={"Driver": "aufs"})                  the checks' view of one host, with that changed
look(missing={"info": "no engine"})            … with a part that could not be read
found(check_id, look(…))                       the objects that a check finds; fails if it was not looked at
"""

from datetime import UTC, datetime, timedelta

from pratique.config.doctor import DoctorSettings
from pratique.doctor.checks.table import CHECKS
from pratique.doctor.facts.host_text import Daemon, FileSystem, ListedFile, Process
from pratique.doctor.facts.model import HostFacts
from pratique.doctor.judge import judge
from pratique.doctor.look import Look

NOW = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
CHECK = {check.id: check for check in CHECKS}
ID, IMAGE = (
    "376b1aa7edf67ad4fded0c463ebf5bec374e64273090aba0ed3280de783eee0b",
    "sha256:8f54685862ae1759b140d0df46382a9f4eb5da342929ff8aa56988993f24d9e9",
)
VERSION = {
    "Version": "28.0.1", "ApiVersion": "1.48", "MinAPIVersion": "1.24", "BuildTime": "2026-05-07T21:09:36.000000000+00:00",
    "Components": [{"Name": "Engine", "Version": "28.0.1"}, {"Name": "runc", "Version": "1.3.3"}],
}  # fmt: skip
INFO = {
    "Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]], "NCPU": 2, "MemTotal": 25276510208,
    "SecurityOptions": ["name=seccomp,profile=default"], "DockerRootDir": "/var/lib/docker", "LiveRestoreEnabled": True, "Warnings": None,
    "RegistryConfig": {"InsecureRegistryCIDRs": ["127.0.0.0/8"], "IndexConfigs": {"docker.io": {"Secure": True}}}, "Swarm": {"LocalNodeState": "inactive"},
}  # fmt: skip
CONTAINER = {
    "Id": ID, "Name": "/shop", "Image": IMAGE, "RestartCount": 0,
    "State": {"Status": "running", "Running": True, "Pid": 4711, "StartedAt": "2026-11-30T14:00:00Z", "ExitCode": 0, "Health": {"Status": "healthy"}},
    "HostConfig": {
        "LogConfig": {"Type": "local", "Config": {}}, "Memory": 268435456, "PidsLimit": 256, "ReadonlyRootfs": True, "SecurityOpt": ["no-new-privileges"],
        "RestartPolicy": {"Name": "unless-stopped"}, "NetworkMode": "default", "PidMode": "", "IpcMode": "private",
    },
    "Config": {"User": "1000:1000", "Image": f"shop@{IMAGE}", "Env": ["PATH=/bin"], "Labels": {}, "Healthcheck": {"Test": ["CMD", "/ok"]}, "Hostname": "376b1aa7edf6"},
    "Mounts": [], "NetworkSettings": {"Ports": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8000"}]}},
}  # fmt: skip
PARTS = {
    "version": VERSION,
    "info": INFO,
    "clock": {"ahead_s": 0.001, "uncertain_s": 0.01},
    "containers": [CONTAINER],
    "images": {IMAGE: {"Id": IMAGE, "RepoTags": ["shop:1.4"], "RepoDigests": [], "Config": {"Labels": {}}}},
    "networks": [{"Name": "bridge", "Id": "6115f9f14890ccda", "Options": {"com.docker.network.bridge.name": "docker0"}, "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}}],
    "pauses": {},
    "stats": {ID: {"pids_stats": {"current": 3}, "memory_stats": {"usage": 50_000_000, "stats": {"inactive_file": 10_000_000}}}},
    "inside": {ID: {"Titles": ["PID", "PPID", "STAT", "COMMAND"], "Processes": [["4711", "1", "Ss", "python3"]]}},
    "changes": {ID: []},
    "history": {IMAGE: [{"Created": int((NOW - timedelta(days=9)).timestamp()), "CreatedBy": "COPY . /"}]},
    "os_release": {IMAGE: ""},
    "disk_use": {"Images": [], "Volumes": [], "Containers": [{"Id": ID}], "BuildCache": None},
    "kernel": {
        "net/netfilter/nf_conntrack_count": "100", "net/netfilter/nf_conntrack_max": "262144", "kernel/pid_max": "32768", "kernel/threads-max": "200000",
        "net/unix/max_dgram_qlen": "512", "loadavg": "0.10 0.20 0.30 1/400 4711", "uid": "0",
    },
    "processes": {1: Process(1, 0, "init", "S"), 4711: Process(4711, 1, "python3", "S")},
    "daemons": [Daemon(99, ("dockerd", "-H", "fd://"), 1 << 20)],
    "daemon_json": {},
    "space": {"/": FileSystem("/", 1_000_000, 300_000, 700_000)},
    "inodes": {"/": FileSystem("/", 1_000_000, 300_000, 700_000)},
    "memory": {"MemTotal": 8 << 30, "MemAvailable": 4 << 30},
    "open_files": {4711: 65536},
    "interfaces": ["lo", "eth0", "docker0"],
    "routes": [("10.0.0.0/24", "eth0"), ("172.17.0.0/16", "docker0")],
    "firewall": ["-P FORWARD ACCEPT"],
    "sockets": [ListedFile("/var/run/docker.sock", "srw-rw----", 0)],
    "time_sync": {"timedatectl": "yes"},
    "certificates": {"/etc/ssl/shop.pem": NOW + timedelta(days=60)},
    "log_files": [],
    "bound_images": {},
    "outcomes": {"job": {}, "backup": {}, "drill": {}},
    "notify_routes": [],
    "collector": None,
    "orphans": {},
    "own_host": "lab",
}  # fmt: skip


def host_facts(address="", missing=(), **changed):
    """Facts with parts changed: a mapping is merged with the good values, anything else replaces it."""
    parts = {
        name: {**PARTS[name], **changed[name]}
        if name in {"version", "info", "kernel", "outcomes"} and name in changed
        else changed.get(name, value)
        for name, value in PARTS.items()
    }
    parts |= {name: value for name, value in changed.items() if name not in parts}
    missing = dict(missing)
    return HostFacts(address, {name: value for name, value in parts.items() if name not in missing}, missing, NOW)


def container(**changed):
    """A container in which all is well except the changes; the groups HostConfig, Config and State are merged."""
    return {
        **CONTAINER,
        **{
            name: {**CONTAINER[name], **value} if name in {"HostConfig", "Config", "State"} else value
            for name, value in changed.items()
        },
    }


def look(*, settings=None, fleet=(), address="", missing=(), **changed):
    """One host as the checks see it. fleet: the facts of other hosts."""
    facts = host_facts(address, missing, **changed)
    return Look(facts, (facts, *fleet), DoctorSettings(**settings or {}), NOW)


def result(check, seen):
    """What a check says."""
    return judge(CHECK[check], seen)


def found(check, seen):
    """The objects that a check finds; it must have been looked at."""
    said = result(check, seen)
    assert said.state != "not looked at", said.reason
    return {finding.found.object for finding in said.findings}
