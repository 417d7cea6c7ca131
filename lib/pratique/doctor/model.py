"""What an examination consists of: checks, their results on each host, and the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pratique.doctor.facts.model import RECORDS
from pratique.doctor.finding import RISKS, Found, Looked, Risk, Source, State, Theme
from pratique.doctor.look import Look


@dataclass(frozen=True)
class Check:
    """One check. find: a pure function of facts; it may raise NotLookedAtError.

    finds, why, remedy: for people. by: where its facts come from. source: where the advice comes from. shown: whether a real
    engine or host shows it in the tests, or recorded facts. each_host: False for a check from Pratique's records.
    """

    id: str
    theme: Theme
    risk: Risk
    by: tuple[Source, ...]
    finds: str
    why: str
    remedy: str
    source: str
    find: Callable[[Look], Looked]
    shown: Literal["real", "recorded"] = "real"


@dataclass(frozen=True)
class Finding:
    """A thing that was found. accepted: why it is accepted; "" if it is not. expired: that its acceptance ended.

    is_new: it was not there in the run before.
    """

    check: str
    found: Found
    accepted: str = ""
    expired: str = ""
    is_new: bool = False

    @property
    def key(self) -> str:
        """What tells it from the other findings of its host, in every run."""
        return f"{self.check}: {self.found.object}"


@dataclass(frozen=True)
class Result:
    """What one check says of one host. reason: why it, or a part of it, was not looked at. unlisted: findings that are not kept."""

    check: Check
    state: State
    findings: tuple[Finding, ...] = ()
    of: int = 0
    reason: str = ""
    unlisted: int = 0

    @property
    def open(self) -> tuple[Finding, ...]:
        """The findings that nobody accepted."""
        return tuple(finding for finding in self.findings if not finding.accepted)

    @property
    def score(self) -> float | None:
        """0 to 10: the part of the objects without an open finding; None when it was not looked at.

        One critical finding makes it 0: one way in is enough.
        """
        if self.state == "not looked at":
            return None
        if self.check.risk == "critical" and self.open:
            return 0.0
        bad = len({finding.found.object for finding in self.open}) + self.unlisted
        return round(10 * max(0.0, 1 - bad / max(self.of, bad, 1)), 1)


@dataclass(frozen=True)
class HostReport:
    """The results of one host. name: for people. score: 0 to 10. looked_at: the part of the checks by weight, 0 to 1.

    gone: keys of findings of the run before that are mended. carried: those that could not be looked at again.
    asked: ids of the checks of this run and of those before it.
    compared_with: when the run before was, UTC; None when there was none. previous: its key. space: used kB of each disk.
    """

    address: str
    name: str
    results: tuple[Result, ...]
    score: float | None
    looked_at: float
    density: Density | None = None
    gone: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    compared_with: datetime | None = None
    previous: str = ""
    asked: tuple[str, ...] = ()
    space: Mapping[str, int] = field(default_factory=dict)

    def result(self, check: str) -> Result | None:
        """The result of a check; None if it does not belong to this host."""
        return next((result for result in self.results if result.check.id == check), None)


@dataclass(frozen=True)
class ServiceLoad:
    """The containers of one service on a host. Sizes in bytes; limited: of the containers that have a limit."""

    service: str
    containers: int
    used: int | None
    limited: int
    unlimited: int


@dataclass(frozen=True)
class Density:
    """How full a host is: its containers by service, its processors and its memory in bytes."""

    services: tuple[ServiceLoad, ...]
    processors: int
    memory: int

    @property
    def containers(self) -> int:
        """The number of running containers."""
        return sum(load.containers for load in self.services)


@dataclass(frozen=True)
class Examination:
    """All hosts at one time, UTC. took_ms: how long it took. checks: those that were asked for. run: its id; "" if it is not kept."""

    at: datetime
    took_ms: int
    hosts: tuple[HostReport, ...]
    checks: tuple[Check, ...]
    fail_on: Risk = "medium"
    config_file: str = field(default="", compare=False)
    run: str = field(default="", compare=False)

    def worst_first(self) -> list[tuple[HostReport, Result]]:
        """Every result that is not good, worst first: findings before anything not looked at, then by risk and host."""
        rows = [(host, result) for host in self.hosts for result in host.results if result.state != "good"]
        return sorted(
            rows,
            key=lambda row: (
                not row[1].open,
                row[1].state != "found",
                risk_rank(row[1].check.risk),
                row[1].check.id,
                row[0].name,
            ),
        )

    @property
    def exit_status(self) -> int:
        """0 well, 1 found, 2 cannot be decided: nothing was found, but not everything was looked at."""
        counted = [result for host in self.hosts for result in host.results if counts(result.check.risk, self.fail_on)]
        if any(result.open for result in counted):
            return 1
        return 2 if any(result.reason for result in counted) or not counted else 0

    @property
    def sentence(self) -> str:
        """The outcome in one sentence."""
        number = sum(len(result.open) for host in self.hosts for result in host.results)
        unseen = sum(bool(result.reason) for host in self.hosts for result in host.results)
        hosts = sum(host.address != RECORDS for host in self.hosts)
        found = f"{number} finding{'' if number == 1 else 's'} on {hosts} host{'' if hosts == 1 else 's'}"
        return f"{found}; {unseen} check{'' if unseen == 1 else 's'} not looked at" if unseen else found


def risk_rank(risk: Risk) -> int:
    """0 for critical, 3 for low."""
    return RISKS.index(risk)


def counts(risk: Risk, fail_on: Risk) -> bool:
    """Whether a risk is at least the one from which a finding counts."""
    return risk_rank(risk) <= risk_rank(fail_on)
