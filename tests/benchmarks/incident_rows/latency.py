"""Latency outcomes: shown, dated and found in the place, and claims where nothing is slower."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from benchmarks.incident_rows.streams import analysed, autoregressive, rng_of
from support.incident_stories import ACTIONS, HOSTS, START, Traffic, slow_rows

STORIES = {
    "p95, one action on one host 3x slower": (
        "p95",
        lambda at, action, host, _: np.where((at >= 60) & (action == ACTIONS[1]) & (host == HOSTS[1]), 3.0, 1.0),
        (None, ACTIONS[1], None, HOSTS[1]),
    ),
    "p95, a dependency slows everything 1.8x": ("p95", lambda at, *_: np.where(at >= 60, 1.8, 1.0), (None,) * 4),
    "p99, only requests above 200 ms 3x slower": (
        "p99",
        lambda at, _action, _host, took: np.where((at >= 60) & (took > 200), 3.0, 1.0),
        (None,) * 4,
    ),
}


def latency(runs: int) -> None:
    """Rises of the share of slow requests, with their places."""
    for name, (outcome, slower, truth) in STORIES.items():
        rng, shown, dated, found = rng_of("latency", name), 0, 0, 0
        for _ in range(runs):
            incident = analysed([slow_rows(rng, Traffic.quiet(per_minute=200), slower)], outcome).incident
            if incident.onset is None:
                continue
            shown += 1
            dated += incident.onset.started.first <= START + timedelta(minutes=60) <= incident.onset.started.last
            named = [(p.revision, p.action, p.code, p.host) for p in incident.places.found] if incident.places else []
            found += named == [truth]
        print(f"{name:<44} shown {shown}, start in the set {dated}, place {found} of {runs}", flush=True)


def quiet_latency(runs: int) -> None:
    """Nothing slower than usual, in a service whose durations wander together by 5 %."""
    for outcome in ("p95", "p99"):
        rng, claimed = rng_of("quiet latency", outcome), 0
        for _ in range(runs):
            traffic = Traffic.quiet(per_minute=200)
            level = autoregressive(rng, len(traffic.n), 0.05)
            rows = slow_rows(rng, traffic, lambda at, *_, level=level, from_=traffic.history: level[at + from_])
            claimed += analysed([rows], outcome).incident.onset is not None
        print(f"{outcome}, nothing slower, durations wandering by 5 %: claimed {claimed} of {runs}", flush=True)
