"""Everything that collectors may look at. A source that does not exist is missing, and its collectors cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pratique.delivery.deployments import Record, record_of
from pratique.errors import PratiqueError
from pratique.ledger.entry import Entry
from pratique.ledger.history import ReleaseRecord, releases_of
from pratique.maturity.model import MaturityModel
from pratique.maturity.repository import Repository

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.store.base import Store

SOURCES = ("repository", "results", "ledger", "runs", "store", "registry", "drift")
"""The sources of evidence by name; a review can be made without each."""
DECLARED = ("repository", "results")


@dataclass(frozen=True)
class Sources:
    """The sources of one review. Everything in them is read when a collector first asks for it.

    now: the time of the review, UTC. since: start of the window where the caller gives one. services: names of the services that are
    reviewed; none: all. entries: the ledger's, oldest first. without: sources that must not be looked at.
    drift: looks at the services now, and returns the differences from what was set, by service, None for a service that could not be looked at;
    None where nobody can look.
    digest_of: the digest of a revision now: (service, revision) → digest. Raises PratiqueError when the revision is gone.
    """

    model: MaturityModel
    now: datetime
    folder: Path | None = None
    since: datetime | None = None
    services: tuple[str, ...] = ()
    config: Config | None = None
    entries: Sequence[Entry] = ()
    open_store: Callable[[], Store] | None = None
    drift: Callable[[], Mapping[str, Sequence[str] | None]] | None = None
    digest_of: Callable[[str, str], str] | None = None
    without: frozenset[str] = field(default_factory=frozenset)

    def missing(self, source: str) -> str:
        """Return why a source cannot be looked at; "" when it can."""
        if source in self.without:
            return f"the review was made without {source}"
        if source in DECLARED:
            if self.repository is None:
                return self.repository_problem or "there is no git repository"
            return "" if self.repository.files else "the repository has no tracked file yet"
        there, problem = {
            "ledger": (bool(self.entries), "the ledger has no entry"),
            "runs": (self._has_runs, "no run of a runbook is recorded"),
            "store": (self.open_store is not None, "there is no store"),
            "registry": (self.digest_of is not None, "no source gives the digests of releases"),
            "drift": (self.drift is not None, "the services cannot be examined"),
        }[source]
        return "" if there else problem

    @cached_property
    def _has_runs(self) -> bool:
        return self.config is not None and (self.config.state_dir / "runs").is_dir()

    @cached_property
    def runs(self) -> dict[str, Path]:
        """The folders of the runs of runbooks by the id of the run."""
        if self.config is None or self.missing("runs"):
            return {}
        folder = self.config.state_dir / "runs"
        with suppress(OSError):
            return {run.name: run for run in folder.iterdir()}
        return {}

    def leaving_out(self, *sources: str) -> Sources:
        """Return the same sources without some."""
        return replace(self, without=self.without | frozenset(sources))

    @cached_property
    def _opened(self) -> tuple[Repository | None, str]:
        if self.folder is None or "repository" in self.without:
            return None, ""
        try:
            return Repository(self.folder), ""
        except PratiqueError as error:
            return None, str(error)

    @property
    def repository(self) -> Repository | None:
        """The repository; None when there is none."""
        return self._opened[0]

    @property
    def repository_problem(self) -> str:
        """Why there is no repository."""
        return self._opened[1]

    @property
    def git(self) -> Repository:
        """The repository, for collectors that are asked only where there is one."""
        if self.repository is None:
            raise PratiqueError(self.missing("repository"))
        return self.repository

    def start(self, days: int) -> datetime:
        """Return the start of a window of so many days, or where the caller wants windows to start."""
        return self.since or self.now - timedelta(days=days)

    def entries_of(self, *kinds: str, since: datetime | None = None) -> list[Entry]:
        """Return the entries of some kinds and of the reviewed services, oldest first; none without the ledger.

        since: only those from then on up to the time of the review.
        """
        if "ledger" in self.without:
            return []
        return [
            entry
            for entry in self.entries
            if entry.kind in kinds
            and self._is_reviewed(entry.service)
            and (since is None or since <= entry.time <= self.now)
        ]

    @cached_property
    def releases(self) -> list[ReleaseRecord]:
        """All runs that release or roll back, oldest first."""
        return [record for record in self._records if record.outcome != "first" and not self.is_rollback(record)]

    @cached_property
    def rollbacks(self) -> list[ReleaseRecord]:
        """All runs that went back to an earlier revision, oldest first."""
        return [record for record in self._records if self.is_rollback(record)]

    @cached_property
    def _records(self) -> list[ReleaseRecord]:
        return releases_of(self.entries_of("release", "report"))

    def is_rollback(self, record: ReleaseRecord) -> bool:
        """Whether a record is a run of the rollback."""
        return self.started(record).data.get("runbook") == "rollback"

    def started(self, record: ReleaseRecord) -> Entry:
        """Return the entry with which a run began."""
        return self._started[record.run or ""] if record.run in self._started else self._none

    @cached_property
    def _started(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        for entry in self.entries_of("release"):
            if entry.run and entry.data.get("event") == "started":
                found.setdefault(entry.run, entry)
        return found

    @cached_property
    def _none(self) -> Entry:
        return Entry(0, datetime.fromtimestamp(0, UTC), "release", "", "", "", None, None, "", "")

    @cached_property
    def deliveries(self) -> dict[str, Record]:
        """What the ledger knows of the deliveries of each reviewed service, as the delivery metrics count them."""
        entries: dict[str, list[Entry]] = {}
        for entry in () if "ledger" in self.without else self.entries:
            if entry.service and self._is_reviewed(entry.service):
                entries.setdefault(entry.service, []).append(entry)
        return {service: record_of(service, found) for service, found in entries.items()}

    @cached_property
    def deployed(self) -> list[ReleaseRecord]:
        """The releases that are deployments, by the moment when they got all of the traffic."""
        found = [record for record in self.releases if (record.service, record.run) in self._moments]
        return sorted(found, key=self.deployed_at)

    @cached_property
    def _moments(self) -> dict[tuple[str, str], datetime]:
        return {(one.service, one.run): one.time for found in self.deliveries.values() for one in found.deployments}

    def deployed_at(self, record: ReleaseRecord) -> datetime:
        """Return when a deployment got all of the traffic."""
        return self._moments[record.service, record.run or ""]

    def deployments(self, days: int, last: int = 0) -> list[ReleaseRecord]:
        """Return the deployments of a window, oldest first. last: only so many latest ones, of any age; 0: the window."""
        known = [record for record in self.deployed if self.deployed_at(record) <= self.now]
        if last:
            return known[-last:]
        start = self.start(days)
        return [record for record in known if self.deployed_at(record) >= start]

    def commit_of(self, record: ReleaseRecord) -> str:
        """Return the commit that a release recorded; "" when it did not."""
        commit = self.started(record).data.get("commit")
        return commit if isinstance(commit, str) else ""

    @property
    def differences(self) -> list[str] | None:
        """What differs now from what was set, in sentences; None where none was seen, and not every service could be looked at."""
        found = [f"{service}: {text}" for service, texts in self._looked_at.items() for text in texts or ()]
        return found if found or (self._looked_at and not self.unseen) else None

    @property
    def unseen(self) -> list[str]:
        """The services that could not be looked at now."""
        return [service for service, texts in self._looked_at.items() if texts is None]

    @cached_property
    def _looked_at(self) -> Mapping[str, Sequence[str] | None]:
        return {} if self.missing("drift") or self.drift is None else self.drift()

    @cached_property
    def store(self) -> Store | None:
        """The store; None when it does not exist or cannot be opened."""
        if self.open_store is None or "store" in self.without:
            return None
        with suppress(PratiqueError):
            opened = self.open_store()
            return opened if opened.exists() else None
        return None

    def _is_reviewed(self, service: str) -> bool:
        return not self.services or service in self.services or not service
