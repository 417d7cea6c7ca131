"""Rollback candidates: every revision that once had all traffic, when, and by which run."""

from __future__ import annotations

from dataclasses import dataclass

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
