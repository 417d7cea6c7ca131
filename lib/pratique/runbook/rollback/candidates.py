"""Rollback candidates: every revision that once had all traffic, when, and by which run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pratique.errors import MissingError
from pratique.ledger import Ledger
from pratique.ledger.serving_periods import ServingPeriod, serving_periods


@dataclass(frozen=True)
class RollbackCandidate:
    """A revision that a rollback can restore. digest, configuration: as it was released."""

    revision: str
    digest: str
    configuration: str
    periods: tuple[ServingPeriod, ...]

    def __str__(self) -> str:
        """Return one line: when it served, and by which run."""
        last = self.periods[-1]
        until = f"{last.end:%Y-%m-%d %H:%M:%S}" if last.end else "now"
        by = f"by run {last.run}" if last.run else "as the first revision"
        more = f", and {len(self.periods) - 1} x before" if len(self.periods) > 1 else ""
        return f"{self.revision}  {self.digest[:19]}…  {last.start:%Y-%m-%d %H:%M:%S} to {until} {by}{more}"


def rollback_candidates(ledger: Ledger, service: str) -> list[RollbackCandidate]:
    """Return the revisions that once had all traffic; the one that had it last comes last."""
    entries = ledger.entries(service)
    periods = serving_periods(entries)
    bound = {entry.revision: entry.data for entry in entries if entry.kind == "bind"}
    names = list(dict.fromkeys(period.revision for period in reversed(periods)))[::-1]
    return [
        RollbackCandidate(
            name,
            bound[name]["digest"],
            bound[name].get("configuration", ""),
            tuple(period for period in periods if period.revision == name),
        )
        for name in names
        if name in bound
    ]


def previous_revision(periods: Sequence[ServingPeriod], current: str) -> str:
    """Return the revision that served before `current` was released.

    A revision that was rolled back does not count: two rollbacks go two releases back, and not back and forth.
    Raises: MissingError when there is none.
    """
    line: list[str] = []
    for period in periods:
        if period.by_rollback and period.revision in line:
            del line[line.index(period.revision) + 1 :]
        else:
            line.append(period.revision)
    if current in line:
        line = line[: len(line) - 1 - line[::-1].index(current)]
    line = [name for name in line if name != current]
    if not line:
        raise MissingError(f"the ledger has no revision that served before {current!r}: name a revision")
    return line[-1]
