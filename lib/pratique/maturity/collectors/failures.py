"""What the ledger recorded of failed deployments, rollbacks and incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pratique.delivery.deployments import Record
from pratique.delivery.metrics import Failure, failures_of
from pratique.ledger.incidents import IncidentRecord
from pratique.maturity.collectors.records import committers, incidents, links
from pratique.maturity.collectors.registered import collector
from pratique.maturity.evidence import Evidence, compared, share, unknown
from pratique.maturity.model import Rule
from pratique.maturity.sources import Sources
from pratique.number_text import plural


@collector("ledger.rework", "ledger")
def rework(sources: Sources, rule: Rule) -> Evidence:
    """The share of failed deployments that the next release mended, and no rollback. Drills do not count."""
    start = sources.start(rule.days)
    known = incidents(sources)
    forward: list[bool] = []
    for service, record in sources.deliveries.items():
        own = [incident for incident in known if incident.service == service]
        forward += [
            _is_mended_forward(record, failure)
            for failure in failures_of(record, own)
            if start <= failure.deployment.time <= sources.now
        ]
    return share(
        rule, sum(forward), len(forward), f"failed deployments since {start:%Y-%m-%d} were fixed by the next release"
    )


def _is_mended_forward(record: Record, failure: Failure) -> bool:
    """Whether a later release, and no rollback, took a failed deployment out and names one of its incidents."""
    return failure.rolled_back is None and any(
        later.incident in failure.incidents
        and later.revision != failure.deployment.revision
        and later.time > failure.deployment.time
        for later in (*record.deployments, *record.redeployments)
    )


@collector("ledger.rollbacks", "ledger")
def rollbacks(sources: Sources, rule: Rule) -> Evidence:
    """How many rollbacks went back, drills too."""
    found = [
        record
        for record in sources.rollbacks
        if record.outcome in ("reverted", "promoted") and record.start >= sources.start(rule.days)
    ]
    return compared(
        rule,
        len(found),
        max(rule.of, len(found)),
        f"{plural(len(found), 'rollback')} since {sources.start(rule.days):%Y-%m-%d}",
        links(sources, found),
    )


@collector("incidents.connected", "ledger", presence=True)
def incidents_connected(sources: Sources, rule: Rule) -> Evidence:
    """Whether incidents are recorded at all."""
    found = incidents(sources)
    if not found:
        return unknown("no incident is recorded: perhaps nobody records incidents")
    return compared(
        rule.model_copy(update={"of": 1}),
        len(found),
        len(found),
        f"{plural(len(found), 'incident')} recorded, the latest of {_latest(found):%Y-%m-%d}",
        [f"ledger {one.number}" for one in found[-3:]],
    )


def _latest(found: Sequence[IncidentRecord]) -> datetime:
    return max(one.began for one in found)


@collector("incidents.people", "ledger", "repository")
def incident_people(sources: Sources, rule: Rule) -> Evidence:
    """How many committers recorded incidents or took part in them by a release or rollback."""
    known = committers(sources)
    entries = sources.entries_of("incident", since=sources.start(rule.days))
    found = {entry.who.casefold() for entry in entries} & known
    return compared(
        rule.model_copy(update={"of": 1}),
        len(found),
        len(entries),
        f"{plural(len(found), 'committer')} among those who recorded {plural(len(entries), 'entry', 'entries')} on incidents",
    )
