"""Did the rise begin in several services at about the same time? Then they share its cause."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from pratique.incident.history import learn
from pratique.incident.measures import Times
from pratique.incident.model import Onset
from pratique.incident.outcome import Outcome
from pratique.incident.when import find_onset
from pratique.judge.hypergeometric import Ints
from pratique.store.base import Store


def services_hit(
    store: Store,
    service: str,
    outcome: Outcome,
    onset: Onset,
    times: Times,
    *,
    window_s: int,
    block_s: int,
    before: datetime,
    end: datetime,
    alpha: float,
    tolerated: float,
) -> tuple[list[str], int]:
    """Return the other services with a rise whose set of starts overlaps that of `onset`, and how many others there are."""
    start = times[0].astype("datetime64[ms]").astype(int)
    asked = {"by": ["service", *outcome.columns], "slower_than_ms": outcome.slower_than_ms}
    from_start = datetime.fromtimestamp(int(start) / 1000, onset.best.tzinfo)
    past = store.counts(None, before, from_start, step_s=block_s, **asked)  # type: ignore[arg-type]
    present = store.counts(None, from_start, end, step_s=window_s, **asked)  # type: ignore[arg-type]
    names = sorted(set(present["service"].to_pylist()) - {service})
    blocks = max(int((from_start - before).total_seconds()) // block_s, 1)
    hit = []
    for name in names:
        (past_bad, past_n), (bad, n) = (
            _by_step(table, name, outcome, origin, step, count)
            for table, origin, step, count in (
                (past, before, block_s, blocks),
                (present, from_start, window_s, len(times)),
            )
        )
        history = learn(past_bad, past_n, alpha=alpha, tolerated=tolerated)
        if not history.n:
            continue
        rise = find_onset(
            bad, history.expected(n), history.phi, alpha=alpha / len(names), tolerated=tolerated * history.caution
        )
        if rise is None:
            continue
        first, last = (from_start + timedelta(seconds=window_s * window) for window in (rise.first, rise.last))
        if first <= onset.started.last and last >= onset.started.first:
            hit.append(name)
    return hit, len(names)


def _by_step(
    table: pa.Table, name: str, outcome: Outcome, origin: datetime, step_s: int, steps: int
) -> tuple[Ints, Ints]:
    """Bad and all requests of a service by step."""
    own = table.filter(np.array([value == name for value in table["service"].to_pylist()], bool))
    _, _, bad, n = outcome.split(own)
    at = (own["step"].cast("int64").to_numpy() - int(origin.timestamp() * 1000)) // (step_s * 1000)
    inside = (at >= 0) & (at < steps)
    found_bad, found_n = (np.bincount(at[inside], values[inside], steps).astype(np.int64) for values in (bad, n))
    return found_bad, found_n
