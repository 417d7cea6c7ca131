"""Whole canaries judged window by window, to compare a forecast with."""

from __future__ import annotations

import math
from datetime import timedelta
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


def rollups(
    rng: np.random.Generator, revision: str, windows: range, per_window: list[float], failing: float
) -> Rollups:
    """Poisson counts of one action on two hosts; latencies have one distribution."""
    rows = []
    for window, mean in zip(windows, per_window, strict=True):
        for host in ("a", "b"):
            codes = rng.multinomial(rng.poisson(mean / 2), [failing, CLIENT_ERRORS, 1 - failing - CLIENT_ERRORS])
            for code, n in zip((503, 404, 200), codes.tolist(), strict=True):
                counts = rng.multinomial(n, DURATIONS)
                seen = counts.nonzero()[0]
                key = {
                    "window": START + timedelta(seconds=window * WINDOW_S),
                    "window_s": WINDOW_S,
                    "service": "shop",
                    "revision": revision,
                    "action": "GET /",
                    "code": code,
                    "host": host,
                    "source": "simulated",
                }
                values = {"n": n, "sum_ms": 0.0, "bucket": (seen + FIRST).tolist(), "count": counts[seen].tolist()}
                rows += [key | values] if n else []
    return Rollups(pa.Table.from_pylist(rows, schema=SCHEMA))


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
