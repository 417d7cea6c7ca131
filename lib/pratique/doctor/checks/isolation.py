"""What a container may do to its host: privileges, namespaces, mounts, users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from pratique.doctor.container import Container
from pratique.doctor.finding import Found, Looked, listed
from pratique.doctor.look import Look

DANGEROUS = frozenset(
    "ALL BPF DAC_READ_SEARCH MAC_ADMIN NET_ADMIN PERFMON SYS_ADMIN SYS_BOOT SYS_MODULE SYS_PTRACE SYS_RAWIO SYS_TIME".split()  # noqa: SIM905 - words are easier to read than quotes
)
"""Capabilities with which a process can leave its container or disturb its host."""
SENSITIVE = (
    "/",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/proc",
    "/root",
    "/run",
    "/sys",
    "/usr",
    "/var",
    "/var/lib",
    "/var/run",
)
BLOCK_DEVICES = ("/dev/mem", "/dev/kmem", "/dev/sd", "/dev/nvme", "/dev/vd", "/dev/xvd", "/dev/dm-", "/dev/loop")
SOCKETS = ("docker.sock", "containerd.sock", "crio.sock", "podman.sock", "buildkitd.sock")
SOCKET_FOLDERS = ("/run", "/var/run")


def privileged(look: Look) -> Looked:
    """--privileged, dangerous capabilities, unconfined profiles, devices of disks."""

    def judge(one: Container) -> Iterator[Found]:
        host = one.host_config
        added = sorted({str(name).upper().removeprefix("CAP_") for name in host.get("CapAdd") or ()} & DANGEROUS)
        free = sorted(option for option in one.options if option.replace("=", ":").endswith(":unconfined"))
        devices = [str(device.get("PathOnHost")) for device in host.get("Devices") or ()]
        disks = [path for path in devices if path.startswith(BLOCK_DEVICES)]
        what = [
            *(["it is privileged"] if host.get("Privileged") else []),
            *([f"it has the capabilities {listed(added)}"] if added else []),
            *([f"it runs with {listed(free)}"] if free else []),
            *([f"it can use {listed(disks)}"] if disks else []),
        ]
        if what:
            yield Found(one.name, ", ".join(what), _anew(look, one, "--cap-drop ALL --security-opt no-new-privileges"))

    return look.each_running(judge)


def host_namespaces(look: Look) -> Looked:
    """The host's network, processes or shared memory."""

    def judge(one: Container) -> Iterator[Found]:
        host = one.host_config
        named = {"network": "NetworkMode", "pid": "PidMode", "ipc": "IpcMode", "uts": "UTSMode", "userns": "UsernsMode"}
        shared = [name for name, key in named.items() if host.get(key) == "host"]
        if shared:
            yield Found(one.name, f"it shares the host's {listed(shared)}", _anew(look, one, "-p 127.0.0.1:PORT:PORT"))

    return look.each_running(judge)


def host_mount(look: Look) -> Looked:
    """Folders of the host that hold its configuration, users or containers."""
    root = str(look.info.get("DockerRootDir") or "/var/lib/docker")

    def judge(one: Container) -> Iterator[Found]:
        for mount in one.mounts:
            source = _source(mount)
            inside = source == root or (source.startswith(f"{root}/") and mount.get("Type") == "bind")
            if source and (source in SENSITIVE or inside):
                right = "can be written" if mount.get("RW", True) else "read-only"
                yield Found(one.name, f"{source} of the host is mounted ({right})", _anew(look, one, "-v VOLUME:/data"))

    return look.each_running(judge)


def socket_mounted(look: Look) -> Looked:
    """The engine's socket, which is root on the host; a folder that holds it, too."""

    def judge(one: Container) -> Iterator[Found]:
        for mount in one.mounts:
            source = _source(mount)
            if PurePosixPath(source).name in SOCKETS or source in SOCKET_FOLDERS:
                inside = mount.get("Destination")
                yield Found(
                    one.name,
                    f"{source} of the host is mounted at {inside}: whoever controls it is root on the host",
                    look.docker("rm", "-f", one.name),
                )

    return look.each_running(judge)


def root_user(look: Look) -> Looked:
    """No USER: root inside is root outside, unless the engine maps users."""
    options = " ".join(map(str, look.info.get("SecurityOptions") or ()))
    mapped = "name=userns" in options or "name=rootless" in options

    def judge(one: Container) -> Iterator[Found]:
        user = str(one.config.get("User") or "").partition(":")[0]
        if user in {"", "0", "root"} and not (mapped and one.host_config.get("UsernsMode") != "host"):
            yield Found(one.name, "its processes run as root", _anew(look, one, "--user 10001:10001"))

    return look.each_running(judge)


def writable_root(look: Look) -> Looked:
    """A root file system that can be written."""

    def judge(one: Container) -> Iterator[Found]:
        if not one.host_config.get("ReadonlyRootfs"):
            yield Found(one.name, "its root file system can be written", _anew(look, one, "--read-only --tmpfs /tmp"))

    return look.each_running(judge)


def new_privileges(look: Look) -> Looked:
    """Processes that can gain privileges by a setuid program."""
    by_default = any("no-new-privileges" in str(one) for one in look.info.get("SecurityOptions") or ())

    def judge(one: Container) -> Iterator[Found]:
        given = [option.replace("=", ":") for option in one.options if option.startswith("no-new-privileges")]
        allowed = any(option.endswith(":false") for option in given) or not (given or by_default)
        if allowed:
            yield Found(
                one.name, "its processes can gain privileges", _anew(look, one, "--security-opt no-new-privileges")
            )

    return look.each_running(judge)


def _source(mount: object) -> str:
    source = str(mount.get("Source") or "") if isinstance(mount, dict) else ""
    return source.rstrip("/") or source[:1]


def _anew(look: Look, one: Container, options: str) -> str:
    """The command that starts a container again with other options: an engine changes none of this while it runs."""
    return f"{look.docker('run')} --name {one.name} {options} …"
