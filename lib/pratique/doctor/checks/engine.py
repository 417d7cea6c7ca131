"""The engine itself: version, storage, what it listens on, its clock and its networks."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pratique.doctor.facts.host_text import Daemon
from pratique.doctor.finding import Found, Looked, NotLookedAtError, listed
from pratique.doctor.look import Look
from pratique.number_text import plural

OLD_DRIVERS = ("aufs", "devicemapper", "vfs", "overlay")
DAEMON_JSON = "/etc/docker/daemon.json"
OPEN_SIGNS = ("without encryption", "without authentication", "API is accessible on")
_NUMBERS = re.compile(r"\d+")
FIXED_RUNC = ((1, 1, 12), (1, 2, 8), (1, 3, 3))
"""The first runc of each line without the escapes CVE-2024-21626 (1.1.12) and CVE-2025-31133 (1.2.8, 1.3.3)."""
DISTRIBUTION = re.compile(r"[+~]|-\d+(?:ubuntu|deb|\.el|\.fc)")
"""Versions that a distribution built: it puts fixes in without a new version."""


def engine_skew(look: Look) -> Looked:
    """Versions that differ between hosts; a client and an engine without a common API."""
    version = look.part("version")
    found = []
    mine = str(version.get("Version") or "")
    others = {
        host.name: str(host.parts["version"].get("Version") or "") for host in look.fleet if "version" in host.parts
    }
    newest = max(others.values(), key=numbers)
    if numbers(mine) < numbers(newest):
        where = listed([name for name, one in others.items() if one == newest])
        found.append(
            Found(
                "engine",
                f"version {mine}, and {newest} on {where}",
                look.on_host(f"apt-get install {_package(mine)}=VERSION"),
            )
        )
    least, most = client_range()
    low, high = str(version.get("MinAPIVersion") or "1.12"), str(version.get("ApiVersion") or "")
    if high and (numbers(high) < numbers(least) or numbers(low) > numbers(most)):
        found.append(
            Found(
                "engine",
                f"it speaks API {low} to {high}, and this client {least} to {most}",
                "pip install --upgrade docker",
            )
        )
    unseen = tuple(
        f"{host.name}: {host.missing.get('version', '')}" for host in look.fleet if "version" not in host.parts
    )
    return Looked(tuple(found), 2, unseen)


def client_range() -> tuple[str, str]:
    """The versions of the API that the client here speaks, from the client itself."""
    from docker.constants import DEFAULT_DOCKER_API_VERSION, MINIMUM_DOCKER_API_VERSION  # noqa: PLC0415 - slow to load

    return MINIMUM_DOCKER_API_VERSION, max(DEFAULT_DOCKER_API_VERSION, "1.44", key=numbers)


def _package(version: str) -> str:
    """The package of an engine: Debian's and Ubuntu's has another name than Docker's."""
    return "docker.io" if DISTRIBUTION.search(version) else "docker-ce"


def engine_old(look: Look) -> Looked:
    """An engine that was built long ago gets no fixes, whoever built it."""
    version = look.part("version")
    told = str(version.get("BuildTime") or "")
    try:
        built = datetime.fromisoformat(told)
    except ValueError:
        raise NotLookedAtError(f"the engine does not tell when it was built: {told!r}") from None
    age = (look.now - built).days
    if age <= look.settings.engine_max_age_d:
        return Looked()
    what = f"version {version.get('Version')} was built {plural(age, 'day')} ago: it gets no fixes"
    return Looked(
        (
            Found(
                "engine",
                what,
                look.on_host(
                    f"apt-get update && apt-get install --only-upgrade {_package(str(version.get('Version')))}"
                ),
            ),
        )
    )


def runc_old(look: Look) -> Looked:
    """A runc with a known way out of the container."""
    parts = {
        str(one.get("Name")): str(one.get("Version") or "") for one in look.part("version").get("Components") or ()
    }
    told = parts.get("runc", "")
    version = numbers(told)
    if not version:
        raise NotLookedAtError("the engine does not tell its version of runc")
    line = next((fixed for fixed in FIXED_RUNC if fixed[:2] == version[:2]), None)
    if version >= FIXED_RUNC[-1] or (line and version >= line):
        return Looked()
    if DISTRIBUTION.search(told):
        raise NotLookedAtError(
            f"runc {told} was built by a distribution, which puts fixes in without a new version: see its security tracker"
        )
    return Looked(
        (
            Found(
                "runc",
                f"version {told} lets a container out onto the host",
                look.on_host("apt-get update && apt-get install --only-upgrade containerd.io"),
            ),
        )
    )


def storage_driver(look: Look) -> Looked:
    """Storage drivers that lose or corrupt layers, and image stores that differ between hosts."""
    info = look.info
    driver, status = (
        str(info.get("Driver") or ""),
        {str(pair[0]): str(pair[1]) for pair in info.get("DriverStatus") or () if len(pair) == 2},
    )
    remedy = look.in_daemon_json('"storage-driver": "overlay2"')
    found = []
    if driver in OLD_DRIVERS:
        found.append(Found("engine", f"the storage driver is {driver}", remedy))
    if status.get("Supports d_type") == "false":
        found.append(
            Found(
                "engine",
                "the file system below has no d_type: files of layers get lost",
                look.on_host("mkfs.xfs -n ftype=1 DEVICE"),
            )
        )
    stores = {host.name: _store_of(host.parts["info"]) for host in look.fleet if "info" in host.parts}
    if len(set(stores.values())) > 1:
        kinds = listed([f"{name}: {store}" for name, store in sorted(stores.items())])
        found.append(Found("engine", f"image stores differ, so one image has other digests there ({kinds})", remedy))
    return Looked(tuple(found), 3)


def _store_of(info: Mapping[str, Any]) -> str:
    kinds = [str(pair[1]) for pair in info.get("DriverStatus") or () if len(pair) == 2 and pair[0] == "driver-type"]
    return "containerd store" if any("containerd" in kind for kind in kinds) else "graph drivers"


def engine_open(look: Look) -> Looked:
    """An engine that anyone can command: over TCP without certificates, or by a socket that all users can write."""
    found = []
    remedy = look.on_host("systemctl edit docker.service", terminal=True)
    warned = [str(one) for one in look.info.get("Warnings") or () if any(sign in str(one) for sign in OPEN_SIGNS)]
    found += [Found("engine", warning, remedy) for warning in warned]
    unseen = []
    try:
        found += _listening(look, remedy)
    except NotLookedAtError as error:
        unseen.append(str(error))
    try:
        wide = [file.path for file in look.part("sockets") if file.mode[8:9] == "w"]
        found += [
            Found(
                path,
                "every user of the host can write to it, and is root by that",
                look.on_host(shlex.join(["chmod", "o-rw", path])),
            )
            for path in wide
        ]
    except NotLookedAtError as error:
        unseen.append(str(error))
    return Looked(tuple(found), 3, tuple(dict.fromkeys(unseen)))


def _listening(look: Look, remedy: str) -> Iterator[Found]:
    daemon = daemon_of(look)
    elsewhere = [path for path in daemon.values("--config-file") if path != DAEMON_JSON]
    if elsewhere:
        raise NotLookedAtError(f"the engine's settings are in {elsewhere[0]}, which is not read")
    settings = look.part("daemon_json")
    hosts = [*daemon.values("-H", "--host"), *map(str, settings.get("hosts") or ())]
    checked = (
        any(word in {"--tlsverify", "--tlsverify=true"} for word in daemon.arguments)
        or settings.get("tlsverify") is True
    )
    for host in hosts:
        # without a scheme the engine takes it for TCP
        if (host.startswith("tcp://") or "://" not in host) and not checked:
            yield Found(host, "it takes commands from everyone who can connect", remedy)


def daemon_of(look: Look) -> Daemon:
    """The dockerd of this engine among those of the host. Raises: NotLookedAtError."""
    root = str(look.info.get("DockerRootDir") or "")
    daemons: Sequence[Daemon] = look.part("daemons")
    named = [one for one in daemons if root in one.values("--data-root", "-g", "--graph")]
    unnamed = [one for one in daemons if not one.values("--data-root", "-g", "--graph")]
    if not named and not unnamed:
        raise NotLookedAtError("the host does not show the engine's process")
    return (named or unnamed)[0]


def engine_confinement(look: Look) -> Looked:
    """An engine that confines no container."""
    options = [str(one) for one in look.info.get("SecurityOptions") or ()]
    seccomp = [one for one in options if one.startswith("name=seccomp")]
    remedy = look.on_host("systemctl edit docker.service", terminal=True)
    if not seccomp:
        return Looked((Found("engine", "it has no seccomp: containers can call all of the kernel", remedy),))
    if any("unconfined" in one for one in seccomp):
        return Looked((Found("engine", "its default seccomp profile is unconfined", remedy),))
    return Looked()


def insecure_registry(look: Look) -> Looked:
    """Registries whose images are fetched without TLS."""
    settings = look.info.get("RegistryConfig")
    if settings is None:
        raise NotLookedAtError("the engine does not tell its registries")
    networks = [str(one) for one in settings.get("InsecureRegistryCIDRs") or () if not _is_own(str(one))]
    named = [
        str(name)
        for name, one in (settings.get("IndexConfigs") or {}).items()
        if one.get("Secure") is False and not _is_own(str(name).rpartition(":")[0])
    ]
    remedy = look.in_daemon_json('"insecure-registries": []')
    return Looked(
        tuple(
            Found(name, "images come from it without TLS: anyone between can replace them", remedy)
            for name in [*networks, *named]
        )
    )


def _is_own(text: str) -> bool:
    try:
        return text == "localhost" or ipaddress.ip_network(text, strict=False).is_loopback
    except ValueError:
        return False


def live_restore(look: Look) -> Looked:
    """An engine whose update stops every container."""
    swarm = (look.info.get("Swarm") or {}).get("LocalNodeState") not in {None, "", "inactive"}
    if look.info.get("LiveRestoreEnabled") or swarm or not look.running:
        return Looked()
    return Looked(
        (Found("engine", "a restart of the engine stops every container", look.in_daemon_json('"live-restore": true')),)
    )


def engine_warnings(look: Look) -> Looked:
    """What the engine itself warns of."""
    texts = [str(one) for one in look.info.get("Warnings") or () if not any(sign in str(one) for sign in OPEN_SIGNS)]
    return Looked(
        tuple(Found(text.removeprefix("WARNING: "), "the engine warns of it", look.docker("info")) for text in texts)
    )


def clock_skew(look: Look) -> Looked:
    """A clock that differs from this machine's by more than the answer can be off, or that nothing keeps in step."""
    clock = look.part("clock")
    ahead, uncertain = float(clock["ahead_s"]), float(clock["uncertain_s"])
    remedy = look.on_host("chronyc makestep || systemctl enable --now systemd-timesyncd")
    found, unseen = [], []
    if abs(ahead) - uncertain > look.settings.clock_skew_s:
        side = "ahead of" if ahead > 0 else "behind"
        found.append(Found("clock", f"{abs(ahead):.1f} s {side} this machine's (± {uncertain:.2f} s)", remedy))
    try:
        sync = look.part("time_sync")
        if sync.get("timedatectl") == "no" or not ({"timedatectl", "daemon"} & sync.keys()):
            found.append(
                Found("time service", "nothing keeps the clock in step", look.on_host("apt-get install chrony"))
            )
    except NotLookedAtError as error:
        unseen.append(str(error))
    return Looked(tuple(found), 2, tuple(unseen))


def subnet_overlap(look: Look) -> Looked:
    """Networks of the engine that hide networks of the host."""
    routes: Sequence[tuple[str, str]] = look.part("routes")
    found = []
    networks = look.part("networks")
    own = {bridge_of(network) for network in networks}
    foreign = [
        (ipaddress.ip_network(to, strict=False), device)
        for to, device in routes
        if device not in own and not device.startswith(("br-", "docker"))
    ]
    for network in networks:
        for config in (network.get("IPAM") or {}).get("Config") or ():
            mine = ipaddress.ip_network(str(config.get("Subnet") or "0.0.0.0/32"), strict=False)
            hidden = [f"{to} by {device}" for to, device in foreign if mine.version == to.version and mine.overlaps(to)]
            if hidden:
                remedy = look.in_daemon_json('"default-address-pools": [{"base": "10.200.0.0/16", "size": 24}]')
                found.append(Found(str(network.get("Name")), f"its addresses {mine} hide {listed(hidden)}", remedy))
    return Looked(tuple(found), max(1, len(networks)))


def bridge_of(network: Mapping[str, Any]) -> str:
    """The device of a network on the host."""
    return str(
        (network.get("Options") or {}).get("com.docker.network.bridge.name") or f"br-{str(network.get('Id'))[:12]}"
    )


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparison.

    >>> numbers("20.10.24+dfsg1")
    (20, 10, 24)
    """
    return tuple(map(int, _NUMBERS.findall(re.split(r"[+~-]", version)[0])))
