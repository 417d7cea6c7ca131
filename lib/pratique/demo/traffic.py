"""Made-up requests of a service, window by window, from a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pratique.telemetry.rollups import Rollups

Floats = npt.NDArray[np.float64]
WINDOW_S = 60
SOURCE = "demo"
STEPS = 24
"""Buckets of a histogram of durations; each is 2^(1/16) times as long as the one before."""


@dataclass(frozen=True)
class Action:
    """One action. share: of the service's requests, 0 to 1. median_ms: of its durations. failing: its usual share of 503."""

    name: str
    share: float
    median_ms: float
    failing: float


@dataclass(frozen=True)
class Fault:
    """Requests that fail beyond the usual: a share of those of one action, from `start` to `end`.

    revision: None for every one. code: of the failures.
    """

    action: str
    code: int
    share: float
    start: datetime
    end: datetime
    revision: str | None = None


@dataclass(frozen=True)
class Service:
    """A service's traffic. per_minute: requests at noon; at night there are half as many. shares: (time, revision → share)."""

    name: str
    per_minute: float
    actions: Sequence[Action]
    shares: Sequence[tuple[datetime, dict[str, float]]]
    hosts: Sequence[str] = ("web1", "web2")
    faults: Sequence[Fault] = field(default=())


def traffic(service: Service, start: datetime, end: datetime, *, seed: int) -> Rollups:
    """Return the requests of a service in [start, end), in windows of WINDOW_S."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(start.timestamp()), int(end.timestamp()), WINDOW_S)
    hours = times / 3600.0
    rate = service.per_minute * (0.75 + 0.25 * np.cos((hours % 24 - 12) / 24 * 2 * np.pi))
    # what every service does: a little more or less than planned, for some minutes
    rate = rate * np.exp(np.convolve(rng.normal(0, 0.03, len(times) + 4), np.ones(5) / 5**0.5, "valid"))
    parts = [
        _cell(rng, service, action, host, revision, times, rate)
        for revision in dict.fromkeys(name for _, shares in service.shares for name in shares)
        for action in service.actions
        for host in service.hosts
    ]
    return Rollups.from_counts(pa.concat_tables(parts), window_s=WINDOW_S)


def _cell(
    rng: np.random.Generator, service: Service, action: Action, host: str, revision: str, times: npt.NDArray[np.int64],
    rate: Floats,
) -> pa.Table:  # fmt: skip
    """The requests of one revision, action and host, as rows of counts."""
    mean = rate * action.share * _share(service, revision, times) / len(service.hosts)
    n = rng.poisson(mean)
    usual = rng.binomial(n, action.failing)
    bad: dict[int, npt.NDArray[np.int64]] = {503: usual, 404: rng.binomial(n - usual, 0.004)}
    for fault in service.faults:
        if fault.action == action.name and fault.revision in (None, revision):
            inside = (times >= fault.start.timestamp()) & (times < fault.end.timestamp())
            left = n - sum(bad.values())
            bad[fault.code] = bad.get(fault.code, 0) + np.where(inside, rng.binomial(left, fault.share), 0)
    codes = {**bad, 200: n - sum(bad.values())}
    names = {"service": service.name, "revision": revision, "action": action.name, "host": host, "source": SOURCE}
    tables = [_rows(rng, times, count, code, action.median_ms, names) for code, count in codes.items()]
    return pa.concat_tables(tables)


def _share(service: Service, revision: str, times: npt.NDArray[np.int64]) -> Floats:
    found = np.zeros(len(times))
    for since, shares in service.shares:
        found[times >= since.timestamp()] = shares.get(revision, 0.0)
    return found


def _rows(
    rng: np.random.Generator, times: npt.NDArray[np.int64], count: npt.NDArray[np.int64], code: int, median_ms: float,
    names: dict[str, str],
) -> pa.Table:  # fmt: skip
    kept = np.flatnonzero(count)
    n = count[kept]
    steps = np.arange(STEPS) - STEPS // 2
    weights = np.exp(-0.5 * (steps / 6.0) ** 2)
    histogram = rng.multinomial(n, weights / weights.sum()) if len(n) else np.zeros((0, STEPS), np.int64)
    rows, columns = np.nonzero(histogram)
    bucket = int(16 * np.log2(median_ms)) + steps
    offsets = np.concatenate(([0], np.cumsum((histogram > 0).sum(axis=1)))).astype(np.int32)
    counted = histogram[rows, columns]
    sums = np.bincount(rows, weights=counted * np.exp2((bucket[columns] + 0.5) / 16), minlength=len(n))
    return pa.table(
        {
            "time_ms": times[kept] * 1000,
            **{name: pa.array([value] * len(n), pa.string()) for name, value in names.items()},
            "code": pa.array(np.full(len(n), code, np.int16)),
            "n": n,
            "sum_ms": sums.astype(np.float64),
            "bucket": pa.ListArray.from_arrays(pa.array(offsets), pa.array(bucket[columns].astype(np.int16))),
            "count": pa.ListArray.from_arrays(pa.array(offsets), pa.array(counted.astype(np.int64))),
        }
    )
