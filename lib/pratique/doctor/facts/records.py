"""The facts from Pratique's records: ledger, outcomes, the collector's status, leftovers of runs."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pratique.doctor.facts.model import RECORDS, HostFacts, PartStore
from pratique.ledger import open_ledger
from pratique.notify.overview import overview
from pratique.outcomes import OutcomeRecord, open_outcomes
from pratique.telemetry.collector_status import collector_status

if TYPE_CHECKING:
    from pratique.config import Config

RECORD_PARTS = ("bound_images", "outcomes", "notify_routes", "collector", "orphans", "own_host")
KINDS = ("backup", "drill")
LAST_OF_A_JOB = 1000
"""Records: a job can run every minute, and its records are kept for a year."""
Orphans = Mapping[str, Sequence[str] | str]
"""For each service a line for each instance that a run left behind, or the reason why that is not known."""


def read_records(config: Config, at: datetime, orphans: Callable[[], Orphans]) -> HostFacts:
    """Read all parts. orphans: finds leftovers of runs."""
    store = PartStore()
    store.read("bound_images", lambda: _bound_images(config))
    store.read("outcomes", lambda: _outcomes(config))
    store.read("notify_routes", lambda: overview(config))
    store.read("collector", lambda: collector_status(config.state_dir))
    store.read("orphans", orphans)
    store.read("own_host", platform.node)
    return store.facts(RECORDS, at, names=RECORD_PARTS, reason="it was not read")


def _bound_images(config: Config) -> Mapping[str, Mapping[str, str]]:
    """The digest of each released revision, by the repository that its service names."""
    found: dict[str, dict[str, str]] = {}
    ledger = open_ledger(config.state_dir)
    for name, service in config.services.items():
        if service.runtime.kind == "process":
            continue
        repository = service.runtime.docker.image.removeprefix("docker.io/library/").removeprefix("docker.io/")
        bound = {str(entry.revision): str(entry.data.get("digest") or "") for entry in ledger.entries(name, "bind")}
        found.setdefault(repository, {}).update(bound)
    return found


def _outcomes(config: Config) -> Mapping[str, Mapping[str, Sequence[OutcomeRecord]]]:
    """The records of each kind by subject, oldest first; of a job of the service file the last ones."""
    outcomes = open_outcomes(config.state_dir)
    found: dict[str, dict[str, list[OutcomeRecord]]] = {kind: {} for kind in KINDS}
    jobs = {f"job@{name}": outcomes.read("job", f"job@{name}", last=LAST_OF_A_JOB) for name in config.jobs}
    found["job"] = {subject: records for subject, records in jobs.items() if records}
    for kind in KINDS:
        for record in outcomes.read(kind=kind):
            found[kind].setdefault(record.subject, []).append(record)
    return found


def with_records(facts: HostFacts, records: HostFacts, more: Mapping[str, Any]) -> HostFacts:
    """Return the facts of a host with those of our records, which some of its checks need. more: other parts."""
    parts = {**records.parts, **facts.parts, **more}
    return HostFacts(facts.address, parts, {**records.missing, **facts.missing}, facts.at)
