"""Whole canaries judged window by window, to compare a forecast with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from pratique.config import Policy
from pratique.judge import Judge
from pratique.planning.traffic import worse
from pratique.telemetry.buckets import lower_ms
from pratique.telemetry.rollups import SCHEMA, Rollups
from support.simulate import START

WINDOW_S = 60
FIRST, LAST = 59, 190
EDGES = [lower_ms(bucket) for bucket in range(FIRST + 1, LAST)]
DURATIONS = np.diff([0.0, *(NormalDist(math.log(100.0), 0.6).cdf(math.log(edge)) for edge in EDGES), 1.0])
"""Share of each bucket from FIRST on."""
CLIENT_ERRORS = 0.02
CODES = (503, 404, 200)
HOSTS = ("a", "b")


def rollups(
    rng: np.random.Generator, revision: str, windows: range, per_window: Sequence[float], failing: float
) -> Rollups:
    """Poisson counts of one action on two hosts; latencies have one distribution. per_window: mean requests of each window."""
    requests = rng.poisson(np.array(per_window)[:, None] / 2, (len(windows), len(HOSTS)))
    n = rng.multinomial(requests, [failing, CLIENT_ERRORS, 1 - failing - CLIENT_ERRORS])
    window, host, code = n.nonzero()
    counts = rng.multinomial(n[window, host, code], DURATIONS)
    row, bucket = counts.nonzero()
    offsets = np.searchsorted(row, np.arange(len(counts) + 1)).astype(np.int32)
    begin_ms = int(START.timestamp() * 1000)
    constant = {"window_s": WINDOW_S, "service": "shop", "revision": revision, "action": "GET /", "source": "simulated"}
    columns = {name: pa.repeat(value, len(counts)) for name, value in constant.items()} | {
        "window": pa.array(begin_ms + np.array(windows)[window] * WINDOW_S * 1000),
        "code": pa.array(np.array(CODES)[code]),
        "host": pa.array(HOSTS).take(pa.array(host)),
        "n": pa.array(n[window, host, code]),
        "sum_ms": pa.repeat(0.0, len(counts)),
        "bucket": pa.ListArray.from_arrays(offsets, pa.array(bucket + FIRST)),
        "count": pa.ListArray.from_arrays(offsets, pa.array(counts[row, bucket])),
    }
    return Rollups(pa.table({name: columns[name] for name in SCHEMA.names}).cast(SCHEMA))


def history(per_minute: float, failing: float, *, minutes: int = 60, seed: int = 1) -> Rollups:
    return rollups(np.random.default_rng(seed), "r1", range(-minutes, 0), [per_minute] * minutes, failing)


def minutes_to_decision(
    policy: Policy,
    per_minute: float,
    failing: float,
    stages: tuple[float, ...],
    *,
    factor: float,
    seed: int,
    min_windows: int = 3,
) -> float:
    """Minutes until the judge promotes (factor 1) or rolls back a canary whose odds of a 5xx are `factor` times as high.

    A canary of factor 1 that is rolled back, and one without a decision in two days, are nan and inf.
    """
    rng = np.random.default_rng(seed)
    judge = Judge(policy, "shop", "r1", "r2", WINDOW_S, start=START)
    judge.update(history(per_minute, failing, seed=seed + 10_000))
    at = 0
    while at < 2880:
        size = 1 if factor > 1 or at < 40 else at // 40
        windows = range(at, at + size)
        shares = [stages[min(window // min_windows, len(stages) - 1)] / 100 for window in windows]
        baseline = rollups(rng, "r1", windows, [per_minute * (1 - share) for share in shares], failing)
        canary = rollups(rng, "r2", windows, [per_minute * share for share in shares], worse(failing, factor))
        judge.update(Rollups(pa.concat_tables([baseline.table, canary.table])))
        at += size
        if factor > 1 and judge.state.fired_ms is not None:
            return float(at)
        if factor == 1 and at >= len(stages) * min_windows:
            verdict = judge.verdict(START).verdict
            if verdict != "continue":
                return float(at) if verdict == "promote" else math.nan
    return math.inf
