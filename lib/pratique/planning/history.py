"""Measure a service's traffic in the store, with the judge's own thresholds, outcomes and dispersion."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pratique.clock import from_ms
from pratique.config import Policy
from pratique.errors import MissingError
from pratique.judge import Judge
from pratique.judge.guard import Guard
from pratique.planning.seen import revisions_seen
from pratique.planning.traffic import Outcome, Traffic
from pratique.store.base import Store
from pratique.store.read_only import is_scraped
from pratique.telemetry.rollups import Limits, Rollups

RATE_MIN = 60.0
"""Minutes, up to the last request, in which the requests a minute are counted."""
BASELINE, CANARY = "baseline", "canary"


def measure(store: Store, service: str, policy: Policy, *, window_s: int | None = None) -> Traffic:
    """Return the traffic of a service as the store has it.

    The revision with most requests within `policy.history_min` before the last request is the baseline: its outcomes
    and its dispersion are those that a release would meet. Requests a minute are those of all revisions in the last
    hour with requests. window_s: of the judge; default that of the data.
    Raises: MissingError (an unknown service); the errors of the store.
    """
    seen = revisions_seen(store, service)
    end = max(revision.last for revision in seen) + timedelta(seconds=1)
    start = end - timedelta(minutes=max(policy.history_min, RATE_MIN))
    names = [revision.revision for revision in store.revisions(service, start, end)]
    rows = store.read(service, names, start, end)
    if not len(rows) and is_scraped(store):
        raise MissingError(
            "no request to measure: give the traffic with --requests-per-minute, or wait until the server has scraped some"
        )
    return traffic_of(rows, policy, window_s=window_s)


def traffic_of(rollups: Rollups, policy: Policy, *, window_s: int | None = None) -> Traffic:
    """Return the traffic that rollups show; the revision with most requests is the baseline.

    window_s: of the judge; default the longest window in the data. Raises: MissingError when there is no request.
    """
    table = rollups.table
    if not len(table):
        raise MissingError("no request to measure: give the traffic with --requests-per-minute, or import a log first")
    window_s = window_s or int(pc.max(table["window_s"]).as_py())
    largest = table.group_by("revision").aggregate([("n", "sum")]).sort_by([("n_sum", "descending")])
    name = str(largest["revision"][0].as_py())
    history = table.filter(pc.equal(table["revision"].cast(pa.string()), name))
    outcomes = _outcomes(history, policy, window_s, rollups.limits)
    recent, minutes = _recent(table)
    actions: dict[str, float] = defaultdict(float)
    for action, n in zip(recent["action"].to_pylist(), recent["n"].to_pylist(), strict=True):
        actions[action] += n / minutes
    span = f"{minutes:,.0f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"
    source = f"the last {span} and the history of {name} in the store"
    return Traffic(dict(actions), outcomes, window_s, int(pc.sum(history["n"]).as_py()), source)


def _recent(table: pa.Table) -> tuple[pa.Table, float]:
    """The rows of the last hour with requests, and the minutes that they cover."""
    start_ms = _ms(table)
    ends = start_ms + table["window_s"].to_numpy() * 1000
    last = int(ends.max())
    first = max(int(start_ms.min()), last - int(RATE_MIN * 60_000))
    return table.filter(pa.array(start_ms >= first)), max((last - first) / 60_000, 1e-3)


def _outcomes(history: pa.Table, policy: Policy, window_s: int, limits: Limits) -> dict[str, Outcome]:
    """The rates of the outcomes, the tolerated ratios and the dispersion, as the judge finds them."""
    judged = _judged_once(history, policy.model_copy(update={"warmup_windows": 0}), window_s, limits)
    found = {}
    for guard in judged:
        bad, n = int(guard.bad[0].sum()), int(guard.n[0].sum())
        # no bad request seen: half a request is as good a guess as any
        rate = max(bad, 0.5) / max(n, 1)
        phi = guard.phi if policy.dispersion == "measured" else float(policy.dispersion)
        found[guard.name] = Outcome(min(rate, 0.999), guard.tolerance, phi, guard.settings.tolerated_slower)
    return found


def _judged_once(history: pa.Table, policy: Policy, window_s: int, limits: Limits) -> list[Guard]:
    """Guards that know the history, and then have judged all of it again as if it were one window.

    So the guards count the outcomes by the thresholds that they have learned. A few of the same rows are the canary,
    because nothing is judged without one.
    """
    end_ms = int((_ms(history) + history["window_s"].to_numpy() * 1000).max())
    end_ms = -(-end_ms // (window_s * 1000)) * window_s * 1000
    judge = Judge(policy, "planned", BASELINE, CANARY, window_s, start=from_ms(end_ms))
    again, canary = _moved(history, from_ms(end_ms), BASELINE), _moved(history.slice(0, 1), from_ms(end_ms), CANARY)
    judge.update(Rollups(_named(history, BASELINE), limits))
    judge.update(Rollups(pa.concat_tables([again, canary]), limits))
    return judge.state.guards


def _moved(table: pa.Table, window: datetime, revision: str) -> pa.Table:
    moved = pa.array([window] * len(table), table.schema.field("window").type)
    return _named(table.set_column(table.schema.get_field_index("window"), "window", moved), revision)


def _named(table: pa.Table, revision: str) -> pa.Table:
    names = pa.array(np.full(len(table), revision, dtype=object), pa.string())
    return table.set_column(table.schema.get_field_index("revision"), "revision", names)


def _ms(table: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    starts = table["window"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())
    return np.asarray(starts.to_numpy(), np.int64)
