"""Judge what a store holds: one call from the store to the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow.compute as pc

from pratique.clock import utc_now
from pratique.config import Policy
from pratique.errors import MissingError, UsageError
from pratique.judge.engine import Judge, WeightChanges
from pratique.judge.model import Verdict
from pratique.store.base import Seen, Store
from pratique.telemetry.rollups import Rollups


def compare(
    store: Store,
    service: str,
    baseline: str,
    canary: str,
    *,
    policy: Policy | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    window_s: int | None = None,
    weights: WeightChanges = (),
    notes: Sequence[str] = (),
    now: datetime | None = None,
) -> Verdict:
    """Compare a canary with its baseline over [start, end), UTC.

    start: default the canary's first window; what the baseline did before is its history. window_s: length of
    the windows looked at; default that of the data. now: when the verdict is asked for, for the deadline.
    Raises: UsageError (an empty range, twice the same revision), MissingError (no such service, revision, or no
    request in the range).
    """
    policy = policy or Policy()
    if baseline == canary:
        raise UsageError(f"baseline and canary are both {canary!r}: name two revisions")
    if start is not None and end is not None and start >= end:
        raise UsageError(
            f"the time range is empty: start {start:%Y-%m-%dT%H:%M} is not before end {end:%Y-%m-%dT%H:%M}"
        )
    known = _known(store, service, baseline, canary, start, end)
    start = start or known[canary].first
    rollups = store.read(service, [baseline, canary], start - timedelta(minutes=policy.history_min), end)
    judge = Judge(policy, service, baseline, canary, window_s or _window_s(rollups), start=start)
    judge.update(rollups)
    return judge.verdict(now or utc_now(), weights=weights, notes=notes)


def _known(
    store: Store, service: str, baseline: str, canary: str, start: datetime | None, end: datetime | None
) -> dict[str, Seen]:
    """What the store knows of the service's revisions; both that are asked for are among them, in the range."""
    known = {seen.revision: seen for seen in store.revisions(service)}
    if not known:
        services = sorted({seen.service for seen in store.revisions()})
        there = f"it holds {', '.join(services[:20])}" if services else "it is empty: import a log first"
        raise MissingError(f"the store holds nothing of service {service!r}: {there}")
    for revision in (baseline, canary):
        if revision not in known:
            raise MissingError(
                f"the store holds no revision {revision!r} of {service!r}: it holds {', '.join(sorted(known)[:20])}"
            )
        seen = known[revision]
        if (start is not None and seen.last < start) or (end is not None and seen.first >= end):
            wanted = f"{start.isoformat() if start else 'the beginning'} to {end.isoformat() if end else 'the end'}"
            raise MissingError(
                f"no request of {revision!r} from {wanted}: it was seen from {seen.first.isoformat()} to {seen.last.isoformat()}"
            )
    return known


def _window_s(rollups: Rollups) -> int:
    if not len(rollups):
        raise MissingError("no request of either revision in the time range")
    return int(pc.max(rollups.table["window_s"]).as_py())
