"""The host below the engine: disk, memory, tables of the kernel, firewall, certificates."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pratique.doctor.checks.engine import daemon_of
from pratique.doctor.facts.host_text import ENDLESS, FileSystem
from pratique.doctor.finding import Found, Looked, NotLookedAtError, look_at_each, sizes
from pratique.doctor.look import Look
from pratique.number_text import plural

FULL = 0.8
SHORTEST_GROWTH_D = 1 / 24
"""Over less than an hour, what one command writes would count as growth."""
LITTLE_MEMORY = 0.1
FEWEST_FILES = 65_536
SHORT_QUEUE = 64
CONNTRACK = ("net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max")
QUEUE = "net/unix/max_dgram_qlen"
LOG_SOCKETS = ("/dev/log", "/run/systemd/journal/dev-log")


def disk(look: Look) -> Looked:
    """Disks that are nearly full, or that will be within days as they grow."""

    def judge(one: FileSystem) -> Iterator[Found]:
        _require_known(one)
        used = one.share
        days = days_until_full(look, one)
        soon = days is not None and days <= look.settings.disk_full_within_d
        if used >= look.settings.disk_percent / 100 or soon:
            grows = f"; as it grows, it is full in {days:.1f} days" if days is not None else ""
            what = f"{used:.0%} of {sizes(one.size * 1024)} are used{grows}"
            yield Found(one.mount, what, look.docker("system", "df"))

    return look_at_each(look.part("space").values(), judge)


def _require_known(one: FileSystem) -> None:
    if not one.known:
        raise NotLookedAtError(f"the engine's folder {one.mount} is not on this host, or cannot be read")


def days_until_full(look: Look, one: FileSystem) -> float | None:
    """Days until a disk is full, as it grew since the run before; None when it did not grow, or nothing is known."""
    before = look.facts.parts.get("space_before")
    if not before or one.mount not in before["used"]:
        return None
    days = (look.now - before["at"]).total_seconds() / 86400
    grown = one.used - before["used"][one.mount]
    return one.free / (grown / days) if days >= SHORTEST_GROWTH_D and grown > 0 else None


def inodes(look: Look) -> Looked:
    """File systems that cannot hold many more files, however small."""

    def judge(one: FileSystem) -> Iterator[Found]:
        _require_known(one)
        if one.size and one.share >= look.settings.disk_percent / 100:
            yield Found(one.mount, f"{one.share:.0%} of its inodes are used", look.docker("system", "prune"))

    return look_at_each(look.part("inodes").values(), judge)


def memory_low(look: Look) -> Looked:
    """Little memory left: the kernel will soon end processes."""
    told = look.part("memory")
    total, free = told.get("MemTotal", 0), told.get("MemAvailable")
    if not total or free is None:
        raise NotLookedAtError("the host does not tell its memory")
    if free >= LITTLE_MEMORY * total:
        return Looked()
    return Looked((Found("memory", f"{sizes(free)} of {sizes(total)} are left", look.docker("stats", "--no-stream")),))


def conntrack(look: Look) -> Looked:
    """The table of connections: when it is full, the kernel drops new ones."""
    kernel = look.part("kernel")
    if CONNTRACK[1] not in kernel:
        return Looked()  # the kernel tracks no connections
    count, most = (int(kernel[name]) for name in CONNTRACK)
    if count < FULL * most:
        return Looked()
    remedy = look.on_host(f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}")
    return Looked((Found("connections", f"{count:,} of {most:,} entries are used", remedy),))


def engine_limits(look: Look) -> Looked:
    """The engine's own limits, and the processes of the whole host."""
    kernel = look.part("kernel")
    found = []
    running = int(kernel["loadavg"].split()[3].partition("/")[2])
    most = min(int(kernel["kernel/pid_max"]), int(kernel.get("kernel/threads-max", ENDLESS)))
    if running >= FULL * most:
        found.append(
            Found(
                "processes",
                f"{running:,} of {most:,}",
                look.on_host(f"sysctl -w kernel.pid_max={min(4 * most, 4_194_304)}"),
            )
        )
    daemon = daemon_of(look)
    if daemon.nofile is None:
        return Looked(tuple(found), 1, ("the limits of the engine's process cannot be read: only root can",))
    if daemon.nofile < FEWEST_FILES:
        remedy = look.on_host("systemctl edit docker.service", terminal=True)
        found.append(Found("engine", f"it may open {daemon.nofile:,} files, for all containers and their logs", remedy))
    return Looked(tuple(found), 2)


def sockets(look: Look) -> Looked:
    """A short queue of local datagrams: senders of logs wait, or lose lines."""
    kernel = look.part("kernel")
    if QUEUE not in kernel:
        raise NotLookedAtError(f"the host does not tell {QUEUE.replace('/', '.')}")
    users = [one.name for one in look.running if any(mount.get("Source") in LOG_SOCKETS for mount in one.mounts)]
    length = int(kernel[QUEUE])
    if length >= SHORT_QUEUE or not users:
        return Looked()
    what = f"its queue holds {plural(length, 'datagram')}, and {plural(len(users), 'container')} writes logs to it"
    return Looked((Found("/dev/log", what, look.on_host("sysctl -w net.unix.max_dgram_qlen=512")),))


def libvirt_conflict(look: Look) -> Looked:
    """Bridges of libvirt beside an engine that made DROP the policy of FORWARD: the guests lose their network."""
    bridges = [name for name in look.part("interfaces") if name.startswith("virbr") and not name.endswith("-nic")]
    if not bridges:
        return Looked()
    rules: Sequence[str] = look.part("firewall")
    if "-P FORWARD DROP" not in rules:
        return Looked((), len(bridges))

    def judge(bridge: str) -> Iterator[Found]:
        allowed = any(
            rule.startswith("-A DOCKER-USER") and bridge in rule.split() and rule.endswith("ACCEPT") for rule in rules
        )
        if not allowed:
            name = shlex.quote(bridge)
            rules_of = " && ".join(f"iptables -I DOCKER-USER {side} {name} -j ACCEPT" for side in ("-i", "-o"))
            rule = look.on_host(rules_of)
            yield Found(bridge, "the engine's firewall drops what the virtual machines forward", rule)

    return look_at_each(bridges, judge)


def certificate_ends(look: Look) -> Looked:
    """Certificates that end soon: of HAProxy, of the engine, of [doctor] certificates."""
    ends: Mapping[str, datetime | str] = look.part("certificates")

    def judge(path: str) -> Iterator[Found]:
        end = ends[path]
        if isinstance(end, str):
            raise NotLookedAtError(f"{path}: {end}")
        days = (end - look.now).total_seconds() / 86400
        if days < look.settings.certificate_warn_days:
            what = f"it ended {-days:.1f} days ago" if days < 0 else f"it ends in {days:.1f} days"
            yield Found(path, what, look.on_host("certbot renew"))

    return look_at_each(ends, judge)
