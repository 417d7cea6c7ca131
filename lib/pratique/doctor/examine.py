"""Examine hosts: read their facts at once, run the checks, compare with the run before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pratique.clock import elapsed_s, utc_now
from pratique.doctor.changes import HostHistory, with_changes
from pratique.doctor.checks.table import CHECKS
from pratique.doctor.density import density_of
from pratique.doctor.facts.model import HostFacts, host_name
from pratique.doctor.facts.read import read_hosts
from pratique.doctor.facts.records import Orphans, read_records, with_records
from pratique.doctor.finding import Risk
from pratique.doctor.judge import judge
from pratique.doctor.look import Look
from pratique.doctor.model import Check, Examination, HostReport
from pratique.doctor.score import score_of
from pratique.errors import PratiqueError, UsageError
from pratique.outcomes import open_outcomes

if TYPE_CHECKING:
    from pratique.config import Config


def hosts_of(config: Config, hosts: Sequence[str] = ()) -> list[str]:
    """Return the engines to examine: those given, else those of `[doctor]`, else those of the services, else the local one.

    Raises: UsageError for an address that is none.
    """
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - slow to load

    from pratique.config.runtime import Engine  # noqa: PLC0415

    for host in hosts:
        try:
            TypeAdapter(Engine).validate_python(host if host != "local" else "")
        except ValidationError:
            raise UsageError(
                f"{host[:80]!r} is no engine: use local, unix:///PATH, tcp://127.0.0.1:PORT or ssh://USER@HOST"
            ) from None
    services = [service.runtime for service in config.services.values() if service.runtime.kind != "process"]
    known = hosts or config.doctor.hosts or [host for runtime in services for host in runtime.docker.hosts] or [""]
    return list(dict.fromkeys("" if host == "local" else host for host in known))


def checks_of(config: Config, only: Sequence[str] = (), skip: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks to run. only: their ids; none: all. skip: ids, besides those of `[doctor]`. Raises: UsageError."""
    known = {check.id: check for check in CHECKS}
    accepted = [one.check for one in config.doctor.accepted]
    for name in [*only, *skip, *config.doctor.skip, *accepted]:
        if name not in known:
            raise UsageError.unknown("check", name, sorted(known))
    left_out = {*skip, *(() if only else config.doctor.skip)}
    return tuple(check for check in CHECKS if (not only or check.id in only) and check.id not in left_out)


def examine(
    config: Config, *, hosts: Sequence[str] = (), only: Sequence[str] = (), skip: Sequence[str] = (), fail_on: Risk | None = None,
    orphans: Callable[[], Orphans] = dict, compare_with: str = "",
) -> Examination:  # fmt: skip
    """Examine hosts; nothing is changed and nothing is written.

    hosts: engines; none: see `hosts_of`. only, skip: ids of checks. fail_on: the least risk that makes the exit status 1.
    orphans: finds leftovers of runs. compare_with: the key of an earlier run; "" is the last one of each host.
    Raises: UsageError (no such check or host, no such earlier run), ConfigError.
    """
    engines, checks = hosts_of(config, hosts), checks_of(config, only, skip)
    apart = [] if hosts else balancers_apart(config, engines)
    addresses = [*engines, *apart]
    started, now = elapsed_s(), utc_now()
    names = [*map(host_name, addresses), RECORDS_NAME]
    history = {name: _history(config, name, compare_with) for name in names}
    facts = read_hosts(engines, config.doctor, certificates_of(config, addresses), without_engine=apart)
    records = read_records(config, now, orphans)
    fleet = tuple(with_records(one, records, _before(history[one.name])) for one in facts)
    looks = [Look(one, fleet, config.doctor, utc_now()) for one in fleet]
    reports = [
        _report(
            look, [check for check in checks if _belongs(check, look.facts.address in apart)], history[look.facts.name]
        )
        for look in looks
    ]
    own = [check for check in checks if check.theme == "records"]
    if own:
        reports.append(_report(Look(records, fleet, config.doctor, now), own, history[RECORDS_NAME]))
    took_ms = round((elapsed_s() - started) * 1000)
    return Examination(
        now,
        took_ms,
        tuple(report for report in reports if report.results),
        checks,
        fail_on or config.doctor.fail_on,
        config.file,
    )


RECORDS_NAME = "records"


def _history(config: Config, name: str, compare_with: str) -> HostHistory:
    """The run before; none where the outcomes cannot be read, which the checks of records tell. Raises: UsageError."""
    try:
        return HostHistory.read(open_outcomes(config.state_dir), name, compare_with)
    except UsageError:
        raise
    except PratiqueError:
        return HostHistory()


def _belongs(check: Check, without_engine: bool) -> bool:
    return check.by == ("host",) if without_engine else check.theme != "records"


def _before(history: HostHistory) -> dict[str, Any]:
    space = history.details.get("space")
    return {"space_before": {"at": history.at, "used": space}} if history.at and isinstance(space, dict) else {}


def _report(look: Look, checks: Sequence[Check], history: HostHistory) -> HostReport:
    results = tuple(judge(check, look) for check in checks)
    score, looked_at = score_of(results)
    report = HostReport(
        look.facts.address, look.facts.name, results, score, looked_at, density_of(look), space=space_of(look.facts)
    )
    return with_changes(report, history)


def space_of(facts: HostFacts) -> dict[str, int]:
    """The used kB of each disk, kept for the next run, which tells how fast they fill."""
    return {mount: one.used for mount, one in facts.parts.get("space", {}).items() if one.known}


def balancers_apart(config: Config, engines: Sequence[str]) -> list[str]:
    """The hosts of HAProxy that have no engine: only what the host itself tells is looked at there."""
    machines = {_machine(address) for address in engines}
    hosts = [
        host
        for service in config.services.values()
        if service.balancer.kind == "haproxy"
        for host in service.balancer.haproxy.hosts
    ]
    return [host for host in dict.fromkeys(hosts) if _machine(host) not in machines]


def _machine(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return parts.hostname or "", parts.port or 22


def certificates_of(config: Config, addresses: Sequence[str]) -> dict[str, list[str]]:
    """The certificates on each of the hosts: those of HAProxy, and on this machine those of `[doctor]`."""
    found: dict[str, list[str]] = {address: [] for address in addresses}
    here = next((address for address in addresses if not address.startswith("ssh://")), None)
    local = [str(config.path(path)) for path in config.doctor.certificates]
    for service in config.services.values():
        haproxy = service.balancer.haproxy
        if service.balancer.kind != "haproxy" or not haproxy.certificate:
            continue
        if not haproxy.hosts:
            local.append(str(config.path(haproxy.certificate)))
        for host in haproxy.hosts:
            there = next((one for one in addresses if _machine(one) == _machine(host)), None)
            if there is not None:
                found[there].append(haproxy.certificate)
    if here is not None:
        found[here] += local
    return {address: list(dict.fromkeys(paths)) for address, paths in found.items()}
