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
    of_runs = [entry for entry in entries if entry.kind == "release" and entry.run]
    rollbacks = {e.run for e in of_runs if e.data.get("runbook") == "rollback" or e.data.get("outcome") == "reverted"}
    baselines = {e.run: e.data.get("baseline") for e in of_runs if e.data.get("event") == "started"}
    found: list[ServingPeriod] = []
    for entry in entries:
        sole = [name for name, share in shares_of(entry).items() if share >= ALL_TRAFFIC]
        if not sole or (found and found[-1].revision == sole[0]):
            continue
        if (
            found
            and entry.run
            and entry.run == found[-1].run
            and sole[0] == (baselines.get(entry.run) or _before(found))
        ):
            # a run that undid its own promotion: that release never counts
            found.pop()
            if found and found[-1].revision == sole[0]:
                found[-1] = replace(found[-1], end=None)
                continue
        if found:
            found[-1] = replace(found[-1], end=entry.time)
        found.append(ServingPeriod(sole[0], entry.time, None, entry.run or "", entry.run in rollbacks))
    return found


def _before(found: list[ServingPeriod]) -> str:
    return found[-2].revision if len(found) > 1 else ""
