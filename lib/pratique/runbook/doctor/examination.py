"""Examine the hosts of a service file, keep the result as outcomes, and notify of what is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pratique.balancer import open_balancer
from pratique.clock import utc_now
from pratique.doctor.changes import records_of, subject_of
from pratique.doctor.examine import examine
from pratique.doctor.finding import Risk
from pratique.doctor.model import Examination, Finding, HostReport, Result
from pratique.errors import PratiqueError
from pratique.notify import Event, notify
from pratique.outcomes import open_outcomes
from pratique.runbook.common.parameters import new_run_id
from pratique.runbook.doctor.parameters import RUN_ID_WORD
from pratique.runbook.service.orphans import describe_orphans, find_orphans
from pratique.runtime import open_runtime

if TYPE_CHECKING:
    from pratique.config import Config


def examine_hosts(
    config: Config, *, hosts: Sequence[str] = (), only: Sequence[str] = (), skip: Sequence[str] = (), fail_on: Risk | None = None,
    compare_with: str = "",
) -> Examination:  # fmt: skip
    """Examine hosts as `pratique.doctor.examine` does, with the leftovers of runs. Nothing is written."""
    return examine(
        config,
        hosts=hosts,
        only=only,
        skip=skip,
        fail_on=fail_on,
        compare_with=compare_with,
        orphans=lambda: _orphans(config),
    )


def record_examination(config: Config, examination: Examination, run_id: str) -> int:
    """Keep the result of each host under the id of the run; return how many findings are new.

    Raises: BusyError, DataError, DeniedError, StorageError.
    """
    config.make_state_folder()
    outcomes = open_outcomes(config.state_dir)
    # notified before it is kept: after a death between the two, the next run tells it again under the same key
    notify_new(config, examination)
    for record in records_of(examination, run_id):
        outcomes.add(record)
    return sum(finding.is_new for host in examination.hosts for result in host.results for finding in result.findings)


def new_examination_id() -> str:
    """Return an id for an examination without a journal, as `pratique doctor` makes it."""
    return f"{new_run_id(RUN_ID_WORD)}-{utc_now():%f}"


def notify_new(config: Config, examination: Examination) -> None:
    """Notify of each finding that was not there in the run before. The same run before gives the same key, so it is reported once."""
    for host in examination.hosts:
        for result in host.results:
            for finding in result.findings:
                if finding.is_new:
                    notify(config, config.state_dir, _event(examination, host, result, finding))


def _event(examination: Examination, host: HostReport, result: Result, finding: Finding) -> Event:
    check, found = result.check, finding.found
    return Event(
        kind="doctor.finding",
        subject=subject_of(host.name),
        key=f"{finding.key} since {host.previous}",
        risk=check.risk,
        what=f"{found.object}: {found.what}. {check.why}",
        where=host.name,
        since=examination.at,
        command=found.remedy,
    )


def _orphans(config: Config) -> dict[str, Sequence[str] | str]:
    """Leftovers of runs, for each service; the reason where engine or balancer cannot tell."""
    found: dict[str, Sequence[str] | str] = {}
    for name in config.services:
        target = config.target(name)
        try:
            found[name] = describe_orphans(find_orphans(target, open_runtime(target), open_balancer(target)))
        except PratiqueError as error:
            found[name] = str(error)
    return found
