"""Did the rise begin in several services at about the same time? Then they share its cause, which the others do without."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from pratique.incident.history import learn
from pratique.incident.measures import Times
from pratique.incident.model import Onset, Unaffected
from pratique.incident.outcome import Outcome
from pratique.incident.unaffected import left_alone, upper_limit
from pratique.incident.when import find_onset
from pratique.judge.hypergeometric import Ints
from pratique.store.base import Store


@dataclass(frozen=True)
class OtherServices:
    """The other services. hit: those that rose at the same time. unaffected: those that did not. number: of all of them."""

    hit: tuple[str, ...] = ()
    unaffected: tuple[Unaffected, ...] = ()
    number: int = 0

    @property
    def sentence(self) -> str:
        """The services that rose at the same time, in words; "" for none."""
        if not self.hit:
            return ""
        rose = f"{len(self.hit) + 1} of {self.number + 1} services ({', '.join(self.hit[:5])})"
        return f"It began at the same time in {rose}: look at what they share."


def other_services(
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
) -> OtherServices:
    """Return the other services: those with a rise whose set of starts overlaps that of `onset`, and those without a rise."""
    start = times[0].astype("datetime64[ms]").astype(int)
    asked = {"by": ["service", *outcome.columns], "slower_than_ms": outcome.slower_than_ms}
    from_start = datetime.fromtimestamp(int(start) / 1000, onset.best.tzinfo)
    past = store.counts(None, before, from_start, step_s=block_s, **asked)  # type: ignore[arg-type]
    present = store.counts(None, from_start, end, step_s=window_s, **asked)  # type: ignore[arg-type]
    names = sorted(set(present["service"].to_pylist()) - {service})
    blocks = max(int((from_start - before).total_seconds()) // block_s, 1)
    hit, unaffected = [], []
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
            after = times >= np.datetime64(onset.best.replace(tzinfo=None), "ms")
            limit = upper_limit(float(bad[after].sum()), float(history.expected(n)[after].sum()), history.phi)
            unaffected.append(left_alone("service", name, int(n[after].sum()), limit, tolerated=tolerated))
            continue
        first, last = (from_start + timedelta(seconds=window_s * window) for window in (rise.first, rise.last))
        if first <= onset.started.last and last >= onset.started.first:
            hit.append(name)
    return OtherServices(tuple(hit), tuple(unaffected), len(names))


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
