"""What collectors of the ledger share: links to releases, who is a pipeline or a committer, and how long commits waited."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from pratique.ledger.history import ReleaseRecord
from pratique.ledger.incidents import IncidentRecord, incidents_of
from pratique.maturity.sources import Sources

NO_RELEASE = "no release is recorded"


def link(sources: Sources, record: ReleaseRecord) -> str:
    """Return a release as a link of evidence."""
    return f"ledger {sources.started(record).number}"


def links(sources: Sources, records: Sequence[ReleaseRecord]) -> list[str]:
    """Return releases as links of evidence."""
    return [link(sources, record) for record in records]


def others(found: Sequence[ReleaseRecord], known: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """Return the releases that are not among those known, in their order."""
    runs = {(record.service, record.run) for record in known}
    return [record for record in found if (record.service, record.run) not in runs]


def is_pipeline(sources: Sources, who: str) -> bool:
    """Return whether a user of the ledger is a pipeline, by the pattern of the model."""
    return bool(re.search(sources.model.pipeline_users, who, re.IGNORECASE))


def committers(sources: Sources) -> set[str]:
    """Return every name by which the committers of a year are known: name, address and its part before the @."""
    repository = sources.repository
    if repository is None:
        return set()
    known = [one for one in repository.commits if one.time >= sources.now - timedelta(days=365)]
    return {
        name
        for one in known
        for name in (one.author, one.author.partition("@")[0].rpartition("+")[2], one.name)
        if name
    }


def incidents(sources: Sources) -> list[IncidentRecord]:
    """Return the incidents of the ledger."""
    return incidents_of(sources.entries_of("incident"))


def commit_waits(sources: Sources, found: Sequence[ReleaseRecord]) -> dict[tuple[str, str | None], float]:
    """Return days from the commit of a release to its start, by service and run, of those releases whose commit git knows."""
    if sources.repository is None:
        return {}
    times = sources.repository.commit_times([sources.commit_of(record) for record in found])
    return {
        (record.service, record.run): max(0.0, (record.start - made).total_seconds() / 86400)
        for record in found
        if (made := times.get(sources.commit_of(record))) is not None
    }
