"""How containers run: logs, health, processes, limits, ports, data."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator, Mapping
from datetime import timedelta

from pratique.clock import from_ms
from pratique.doctor.container import Container
from pratique.doctor.facts.host_text import ENDLESS, Process
from pratique.doctor.finding import Found, Looked, NotLookedAtError, ending, listed, look_at_each, sizes
from pratique.doctor.look import Look
from pratique.number_text import plural, span

RESTARTS = 3
SINCE_RESTART = timedelta(hours=1)
SERVICES = {
    "sshd": "an SSH server", "rsyslogd": "a syslog daemon", "syslogd": "a syslog daemon", "syslog-ng": "a syslog daemon", "cron": "cron", "crond": "cron",
    "supervisord": "a process manager", "runsvdir": "a process manager", "s6-svscan": "a process manager", "monit": "a process manager", "systemd": "an init system", "runit": "a process manager",
}  # fmt: skip
"""Programs of whole machines, and what they are."""
LOG_FOLDER = "/var/log/"
FEWEST_FILES, MOST_FILES = 1024, 1 << 20
FULL = 0.8


def log_unbounded(look: Look) -> Looked:
    """json-file without max-size: the log grows until the disk is full."""
    files = look.facts.parts.get("log_files", ())

    def judge(one: Container) -> Iterator[Found]:
        log = one.host_config.get("LogConfig") or {}
        if log.get("Type") == "json-file" and not (log.get("Config") or {}).get("max-size"):
            size = sum(file.size for file in files if f"/{one.id}/" in file.path)
            has = f"; it has {sizes(size)} now" if size else ""
            remedy = f"{look.docker('run')} --name {one.name} --log-driver local …"
            yield Found(one.name, f"its log grows without a bound{has}", remedy)

    return look.each_running(judge)


def no_health(look: Look) -> Looked:
    """No HEALTHCHECK; Pratique probes the containers that it started."""

    def judge(one: Container) -> Iterator[Found]:
        test = (one.config.get("Healthcheck") or {}).get("Test") or []
        if (not test or test[0] == "NONE") and not one.is_ours:
            yield Found(
                one.name, "nothing tells whether it works", f"{look.docker('run')} --name {one.name} --health-cmd '…' …"
            )

    return look.each_running(judge)


def unhealthy(look: Look) -> Looked:
    """Health checks that fail."""

    def judge(one: Container) -> Iterator[Found]:
        health = one.state.get("Health") or {}
        if health.get("Status") == "unhealthy":
            log = health.get("Log") or []
            said = ending(str(log[-1].get("Output") or ""), 200) if log else ""
            yield Found(
                one.name,
                f"its health check fails{': ' if said else ''}{said}",
                look.docker("logs", "--tail", "50", one.name),
            )

    return look.each_running(judge)


def restarting(look: Look) -> Looked:
    """Containers that end again and again, or that the kernel ended for their memory."""

    def judge(one: Container) -> Iterator[Found]:
        state = one.state
        restarts = int(one.attrs.get("RestartCount") or 0)
        lately = restarts >= RESTARTS and state.get("StartedAt") and look.now - one.started < SINCE_RESTART
        ended = f"its last exit status is {state.get('ExitCode')}"
        logs = look.docker("logs", "--tail", "50", one.name)
        if state.get("OOMKilled"):
            yield Found(
                one.name,
                "the kernel ended it: its memory limit was reached",
                look.docker("update", "--memory", "SIZE", "--memory-swap", "SIZE", one.name),
            )
        elif state.get("Restarting") or lately:
            yield Found(one.name, f"it was restarted {plural(restarts, 'time')}; {ended}", logs)

    return look_at_each(look.containers, judge)


def no_restart_policy(look: Look) -> Looked:
    """Containers that do not come back after a restart of the host."""

    def judge(one: Container) -> Iterator[Found]:
        policy = (one.host_config.get("RestartPolicy") or {}).get("Name")
        if policy in {None, "", "no"} and not one.host_config.get("AutoRemove"):
            yield Found(
                one.name,
                "it does not start again after it failed or the host restarted",
                look.docker("update", "--restart", "unless-stopped", one.name),
            )

    return look.each_running(judge)


def zombies(look: Look) -> Looked:
    """Ended processes that nobody collected, below the first process of a container."""
    everything: Mapping[int, Process] = look.part("processes")
    children: dict[int, list[Process]] = {}
    for process in everything.values():
        children.setdefault(process.parent, []).append(process)

    def judge(one: Container) -> Iterator[Found]:
        first = int(one.state.get("Pid") or 0)
        if first not in everything:
            raise NotLookedAtError(
                "the host does not show the containers' processes: they are those of another machine"
            )
        dead = [process.name for process in _below(first, children) if process.state == "Z"]
        if dead:
            names = listed(sorted(set(dead)))
            yield Found(
                one.name,
                f"{plural(len(dead), 'zombie process', 'zombie processes')}: {names}",
                f"{look.docker('run')} --name {one.name} --init …",
            )

    return look.each_running(judge)


def _below(pid: int, children: Mapping[int, list[Process]]) -> Iterator[Process]:
    waiting, seen = [pid], {pid}
    while waiting:
        for process in children.get(waiting.pop(), ()):
            if process.pid not in seen:
                seen.add(process.pid)
                waiting.append(process.pid)
                yield process


def many_services(look: Look) -> Looked:
    """Daemons of whole machines inside a container."""

    def judge(one: Container) -> Iterator[Found]:
        told = look.of_object("inside", one.id)
        column = [str(title).upper() for title in told["Titles"]].index("COMMAND")
        names = {str(row[column]).split()[0].rpartition("/")[2] for row in told["Processes"] or () if row[column]}
        daemons = sorted(names & SERVICES.keys())
        if daemons:
            what = listed([f"{name} ({SERVICES[name]})" for name in daemons])
            yield Found(one.name, f"it runs {what}", look.docker("top", one.name))

    return look.each_running(judge)


def held_still(look: Look) -> Looked:
    """Containers that are paused for longer than a snapshot takes."""
    pauses: Mapping[str, int] = look.part("pauses")

    def judge(one: Container) -> Iterator[Found]:
        if not one.state.get("Paused"):
            return
        since = from_ms(pauses[one.id] * 1000) if one.id in pauses else None
        held_s = (look.now - since).total_seconds() if since else None
        if held_s is None or held_s > look.settings.held_still_s:
            time = f"for {span(held_s)}" if held_s is not None else "for longer than the engine remembers"
            yield Found(one.name, f"it is paused {time}", look.docker("unpause", one.name))

    return look.each_running(judge)


def ulimits(look: Look) -> Looked:
    """Too few open files, or so many that old programs loop over all of them at each start."""
    limits: Mapping[int, int] = look.part("open_files")

    def judge(one: Container) -> Iterator[Found]:
        pid = int(one.state.get("Pid") or 0)
        if pid not in limits:
            raise NotLookedAtError("the limits of the containers' processes cannot be read: only root can")
        remedy = f"{look.docker('run')} --name {one.name} --ulimit nofile=65536:65536 …"
        if limits[pid] < FEWEST_FILES:
            yield Found(one.name, f"it may open {limits[pid]} files", remedy)
        elif limits[pid] > MOST_FILES:
            number = "without a limit" if limits[pid] >= ENDLESS else f"{limits[pid]:,} files"
            yield Found(one.name, f"it may open {number}: old programs close each of them at every start", remedy)

    return look.each_running(judge)


def pids(look: Look) -> Looked:
    """Processes without a limit, or near it."""

    def judge(one: Container) -> Iterator[Found]:
        limit = int(one.host_config.get("PidsLimit") or 0)
        if limit <= 0:
            yield Found(
                one.name, "it may start any number of processes", look.docker("update", "--pids-limit", "256", one.name)
            )
            return
        current = int(((look.of_object("stats", one.id)).get("pids_stats") or {}).get("current") or 0)
        if current >= FULL * limit:
            yield Found(
                one.name,
                f"it has {current} of {limit} processes",
                look.docker("update", "--pids-limit", str(2 * limit), one.name),
            )

    return look.each_running(judge)


def port_open(look: Look) -> Looked:
    """Ports that are published on every address, past the firewall of the host."""

    def judge(one: Container) -> Iterator[Found]:
        open_ports = {
            (inside, str(binding.get("HostPort")))
            for inside, bindings in ((one.attrs.get("NetworkSettings") or {}).get("Ports") or {}).items()
            for binding in bindings or ()
            if _is_everywhere(str(binding.get("HostIp") or ""))
        }
        for inside, outside in sorted(open_ports):
            remedy = f"{look.docker('run')} --name {one.name} -p {shlex.quote(f'127.0.0.1:{outside}:{inside}')} …"
            if one.is_ours:
                remedy = f"set publish_address in [services.{one.own_service}.runtime.docker] to an address of a private network"
            yield Found(one.name, f"port {outside} is published on all addresses, for {inside}", remedy)

    return look.each_running(judge)


def _is_everywhere(address: str) -> bool:
    try:
        return ipaddress.ip_address(address or "0.0.0.0").is_unspecified  # noqa: S104 - compared
    except ValueError:
        return False


def data_inside(look: Look) -> Looked:
    """Data in the writable layer, which is lost with the container."""
    bound = look.settings.writable_layer_mb * 1e6
    layers = {one.get("Id"): int(one.get("SizeRw") or 0) for one in look.part("disk_use").get("Containers") or ()}

    def judge(one: Container) -> Iterator[Found]:
        if one.id not in layers:
            raise NotLookedAtError(f"the engine does not tell the size of {one.name}")
        size = layers[one.id]
        if size > bound:
            yield Found(
                one.name,
                f"its writable layer has {sizes(size)}",
                f"{look.docker('run')} --name {one.name} -v {one.name}-data:/data …",
            )
        logs = [str(change.get("Path")) for change in look.of_object("changes", one.id) if _is_log(change)]
        if logs:
            yield Found(one.name, f"it writes logs inside: {listed(sorted(logs))}", look.docker("diff", one.name))

    return look.each_running(judge)


def _is_log(change: Mapping[str, object]) -> bool:
    path = str(change.get("Path") or "")
    return path.startswith(LOG_FOLDER) and "." in path.rpartition("/")[2]


def density(look: Look) -> Looked:
    """More containers than processors carry, more memory promised than there is, or no limit at all."""
    info, running = look.info, look.running
    processors, memory = int(info.get("NCPU") or 0), int(info.get("MemTotal") or 0)
    if not processors or not memory:
        raise NotLookedAtError("the engine does not tell its processors and memory")
    found = []
    if len(running) > look.settings.containers_per_cpu * processors:
        what = f"{plural(len(running), 'container')} on {plural(processors, 'processor')}"
        found.append(
            Found(
                look.facts.name,
                what,
                "move some to another host: pratique release SERVICE REVISION, with more runtime.docker.hosts",
            )
        )
    promised = sum(one.memory_limit for one in running)
    if promised > memory:
        what = f"the containers may use {sizes(promised)} of memory together, and the host has {sizes(memory)}"
        found.append(Found(look.facts.name, what, look.docker("stats", "--no-stream")))

    def judge(one: Container) -> Iterator[Found]:
        if not one.memory_limit:
            yield Found(
                one.name,
                "it may use all of the host's memory",
                look.docker("update", "--memory", "512m", "--memory-swap", "512m", one.name),
            )

    each = look.each_running(judge)
    return Looked((*found, *each.found), each.of + 1, each.unseen)
