"""The question that a report answers, and how empty arguments are filled in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from pratique.errors import LISTED, UsageError
from pratique.report.given import only_service

if TYPE_CHECKING:
    from pratique.config import Config
    from pratique.ledger.history import ReleaseRecord
    from pratique.store.base import Store


@dataclass(frozen=True)
class Question:
    """The revisions to compare and the time range, UTC, [start, end).

    start: None means the canary's first window; end: None means the last one. weight: the canary's constant weight
    in percent; None means the weights that the ledger has.
    """

    service: str
    baseline: str
    canary: str
    start: datetime | None = None
    end: datetime | None = None
    weight: float | None = None

    @property
    def stem(self) -> str:
        """The file name of the report without its extension, safe for any file system."""
        bounds = [f"{time:%Y%m%dT%H%M%SZ}" for time in (self.start, self.end) if time is not None]
        return "-".join([*map(slug, (self.service, self.baseline, self.canary)), *bounds])


def complete_question(asked: Question, store: Store, config: Config) -> Question:
    """Fill in the service and the revisions that a question leaves empty.

    The service is the only one of the store. The revisions are those of the ledger's last release, in the time range in
    which that was judged, or else those that appeared last in the store.
    Raises: UsageError when there is no single choice; MissingError for a service that is not in the store.
    """
    asked = replace(asked, service=asked.service or only_service(store))
    if asked.baseline and asked.canary:
        return asked
    known = [seen.revision for seen in sorted(store.revisions(asked.service), key=lambda seen: seen.first)]
    if not known:
        from pratique.judge.compared_revisions import unknown_service  # noqa: PLC0415 - only here

        raise unknown_service(store, asked.service)
    return _of_last_release(asked, known, config) or _of_newest(asked, known)


def _of_last_release(asked: Question, known: list[str], config: Config) -> Question | None:
    """The question about the last release that agrees with the question, and whose revisions are in the store."""
    from pratique.ledger import open_ledger  # noqa: PLC0415 - sqlite

    ledger = open_ledger(config.state_dir)
    for release in reversed(ledger.releases(asked.service)):
        if release.baseline in known and release.revision in known and _agrees(release, asked):
            found = replace(asked, baseline=release.baseline or "", canary=release.revision)
            if asked.baseline or asked.canary or asked.start or asked.end:
                return found
            judged = ledger.entries(asked.service, kind="verdict", run=release.run)
            if not judged or judged[-1].data.get("end") is None:
                return found
            start, end = (datetime.fromisoformat(judged[-1].data[key]) for key in ("start", "end"))
            return replace(found, start=start, end=end)
    return None


def _agrees(release: ReleaseRecord, asked: Question) -> bool:
    return asked.baseline in ("", release.baseline) and asked.canary in ("", release.revision)


def _of_newest(asked: Question, known: list[str]) -> Question:
    # a balancer logs the revision "none" for a request that arrives before it has a pool
    others = [revision for revision in known if revision not in (asked.baseline, asked.canary, "none")]
    if len(others) + bool(asked.baseline) + bool(asked.canary) < 2:
        raise UsageError(
            f"baseline and canary are required: the store has {_newest(known) or 'no revision'} of {asked.service}"
        )
    canary = asked.canary or others.pop()
    return replace(asked, canary=canary, baseline=asked.baseline or others[-1])


def _newest(names: list[str]) -> str:
    more = f", and {len(names) - LISTED:,} older ones" if len(names) > LISTED else ""
    return ", ".join(names[-LISTED:]) + more


def slug(text: str) -> str:
    """Return text as a part of a file name: safe for any file system, and different for different texts."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:40].lstrip(".") or "_"
    return safe if safe == text else f"{safe}-{sha256(text.encode()).hexdigest()[:8]}"
