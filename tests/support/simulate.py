"""Rollups of simulated traffic with known error rates and latencies."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pratique.telemetry.rollups import Rollups

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR_S = 3600


@dataclass(frozen=True)
class Behaviour:
    """How a revision behaves: share of 5xx and lognormal latency, and overrides per action."""

    failing: float = 0.005
    median_ms: float = 100.0
    spread: float = 0.6
    actions: dict[str, Behaviour] = field(default_factory=dict)

    def of(self, action: str) -> Behaviour:
        return self.actions.get(action, self)


def events(
    revision: str,
    behaviour: Behaviour,
    rng: np.random.Generator,
    *,
    windows: range,
    per_window: npt.ArrayLike,
    window_s: int = 60,
    actions: tuple[str, ...] = ("GET /",),
    hosts: tuple[str, ...] = ("a", "b"),
) -> pa.Table:
    """A Poisson number of requests in each window; window 0 starts at START, negative windows are earlier.

    per_window: its mean, one for all windows or one for each.
    """
    n = rng.poisson(per_window, len(windows))
    window = np.repeat(np.array(windows, np.int64), n)
    total = len(window)
    action = rng.integers(0, len(actions), total)
    each = [behaviour.of(name) for name in actions]
    failing = np.array([b.failing for b in each])[action]
    median = np.array([b.median_ms for b in each])[action]
    spread = np.array([b.spread for b in each])[action]
    start_ms = int(START.timestamp() * 1000)
    return pa.table(
        {
            "time_ms": start_ms + window * window_s * 1000 + rng.integers(0, window_s * 1000, total),
            "service": pa.DictionaryArray.from_arrays(np.zeros(total, np.int32), pa.array(["shop"])),
            "revision": pa.DictionaryArray.from_arrays(np.zeros(total, np.int32), pa.array([revision])),
            "action": pa.DictionaryArray.from_arrays(action.astype(np.int32), pa.array(list(actions))),
            "host": pa.DictionaryArray.from_arrays(
                rng.integers(0, len(hosts), total).astype(np.int32), pa.array(list(hosts))
            ),
            "source": pa.DictionaryArray.from_arrays(np.zeros(total, np.int32), pa.array(["simulated"])),
            "code": np.where(rng.random(total) < failing, 503, 200).astype(np.int16),
            "duration_ms": np.exp(np.log(median) + spread * rng.standard_normal(total)),
        }
    )


def rollups(*tables: pa.Table, window_s: int = 60) -> Rollups:
    """Roll up several tables of events into one."""
    return Rollups.from_events(pa.concat_tables([table.cast(plain(table)) for table in tables]), window_s=window_s)


def plain(table: pa.Table) -> pa.Schema:
    return pa.schema(
        [pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    )


def canary(
    good: Behaviour,
    bad: Behaviour,
    *,
    seed: int = 1,
    windows: int = 60,
    per_window: float = 600,
    share: float = 0.1,
    history: int = 60,
    window_s: int = 60,
    actions: tuple[str, ...] = ("GET /",),
) -> Rollups:
    """History of the baseline, then both revisions in parallel."""
    rng = np.random.default_rng(seed)
    common = {"window_s": window_s, "actions": actions}
    return rollups(
        events("r1", good, rng, windows=range(-history, 0), per_window=per_window, **common),
        events("r1", good, rng, windows=range(windows), per_window=per_window * (1 - share), **common),
        events("r2", bad, rng, windows=range(windows), per_window=per_window * share, **common),
        window_s=window_s,
    )
