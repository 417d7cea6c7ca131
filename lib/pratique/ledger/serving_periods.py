"""Derive from the entries of the ledger which revision had all of the traffic, when, and by which run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pratique.ledger.entry import Entry
from pratique.ledger.history import shares_of

ALL_TRAFFIC = 1.0 - 1e-9


@dataclass(frozen=True)
class ServingPeriod:
    """A time in which a revision had all traffic. Times are UTC; end: None while it still has.

    run: the run that gave it the traffic, "" for the first revision. by_rollback: whether that run was a rollback.
    """

    revision: str
    start: datetime
    end: datetime | None
    run: str
    by_rollback: bool


def serving_periods(entries: Iterable[Entry]) -> list[ServingPeriod]:
    """Return the serving periods in all entries of a service, oldest first.

    While the traffic is split, the period of the revision that had all of it continues.
    """
    entries = list(entries)
    rollbacks = {e.run for e in entries if e.kind == "release" and e.data.get("runbook") == "rollback"}
    found: list[ServingPeriod] = []
    for entry in entries:
        sole = [name for name, share in shares_of(entry).items() if share >= ALL_TRAFFIC]
        if not sole or (found and found[-1].revision == sole[0]):
            continue
        if len(found) > 1 and entry.run and entry.run == found[-1].run and found[-2].revision == sole[0]:
            # a run that undid its own promotion: that release never counts
            found.pop()
            found[-1] = replace(found[-1], end=None)
            continue
        if found:
            found[-1] = replace(found[-1], end=entry.time)
        found.append(ServingPeriod(sole[0], entry.time, None, entry.run or "", entry.run in rollbacks))
    return found
