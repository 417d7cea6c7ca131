"""From the store to the verdict on one core: 200 actions × 1,440 windows × 5 codes × 2 revisions with latency.

    python tests/benchmarks/compare.py [--quick] [--folder DIR]

Writes a store (not timed against a goal), then measures in fresh processes bound to one core: the read, the whole
way to the verdict, one more window through Judge.update, the memory's peak; and, as a peer on the same table,
a plain pandas groupby, which makes the counts per window, action and code and judges nothing.
Goals: verdict 2 s, one more window 50 ms. Exit status 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from pratique.policy import Policy
from pratique.store import open_store
from pratique.telemetry.rollups import SCHEMA, Rollups

SEED = 20261120
WINDOW_S = 60
START = datetime(2026, 5, 4, tzinfo=UTC)
CODES = {200: 8.0, 302: 2.0, 404: 1.5, 500: 1.0, 503: 1.0}
"""Mean requests of a window, action and revision by code; each has at least one, so that no row is spared."""
REVISIONS = ("r1", "r2")
GOALS = {"verdict_s": 2.0, "update_ms": 50.0}


def rollups(rng: np.random.Generator, first: int, windows: int, actions: int) -> Rollups:
    """Rows of some windows: counts are Poisson, durations lognormal around a median of each action's own."""
    shape = (windows, len(REVISIONS), actions, len(CODES))
    window, revision, action, code = (axis.ravel() for axis in np.indices(shape))
    n = 1 + rng.poisson(np.array(list(CODES.values()))[code] - 1 + 1e-9)
    rows = np.repeat(np.arange(len(n)), n)
    duration_ms = 5.0 * (1 + action[rows] % 40) * rng.lognormal(0.0, 0.6, len(rows))
    bucket = np.clip(np.floor(16 * np.log2(duration_ms)), -160, 511).astype(np.int64)
    packed, count = np.unique(rows * 1024 + bucket + 160, return_counts=True)
    offsets = np.searchsorted(packed // 1024, np.arange(len(n) + 1)).astype(np.int32)
    starts = (
        np.datetime64(START.replace(tzinfo=None), "ms") + (first + window) * np.timedelta64(WINDOW_S, "s")
    ).astype("datetime64[ms]")
    columns = {
        "window": pa.array(starts).cast(pa.timestamp("ms")).cast(pa.timestamp("ms", tz="UTC")),
        "window_s": pa.array(np.full(len(n), WINDOW_S, np.int32)),
        "service": encoded(np.zeros(len(n), np.int32), ["shop"]),
        "revision": encoded(revision, REVISIONS),
        "action": encoded(action, [f"GET /part/{number}/{{id}}" for number in range(actions)]),
        "code": pa.array(np.array(list(CODES), np.int16)[code]),
        "host": encoded(np.zeros(len(n), np.int32), ["host-1"]),
        "source": encoded(np.zeros(len(n), np.int32), ["collector"]),
        "n": pa.array(n.astype(np.int64)),
        "sum_ms": pa.array(np.bincount(rows, weights=duration_ms)),
        "bucket": pa.ListArray.from_arrays(offsets, pa.array((packed % 1024 - 160).astype(np.int16))),
        "count": pa.ListArray.from_arrays(offsets, pa.array(count.astype(np.int64))),
    }
    return Rollups(pa.table({name: columns[name] for name in SCHEMA.names}))


def encoded(index: np.ndarray, values: list[str] | tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(list(values)))


def fill(folder: str, windows: int, actions: int) -> None:
    """Write the store, an eighth of the windows at a time, as an import would."""
    rng, store = np.random.default_rng(SEED), open_store(folder)
    step = max(windows // 8, 1)
    for first in range(0, windows, step):
        store.write(rollups(rng, first, min(step, windows - first), actions))


def measure_read(folder: str) -> dict[str, float]:
    """Read both revisions, five times; the first in a fresh process is what a comparison pays."""
    store, taken = open_store(folder), []
    for _ in range(5):
        begun = time.perf_counter()
        found = store.read("shop", REVISIONS)
        taken.append(time.perf_counter() - begun)
    lists = sum(len(chunk.flatten()) for chunk in found.table["bucket"].chunks)
    return {"first_s": taken[0], "best_s": min(taken), "rows": len(found), "buckets": lists}


def measure_duckdb(folder: str) -> dict[str, float]:
    """The same rows through DuckDB into Arrow: why the read goes past it."""
    store, taken = open_store(folder), []
    for _ in range(3):
        begun = time.perf_counter()
        store.query("SELECT * FROM rollups WHERE revision IN ('r1', 'r2')", service="shop")
        taken.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    store.revisions("shop")
    return {"best_s": min(taken), "revisions_s": time.perf_counter() - begun}


def measure_verdict(folder: str) -> dict[str, float]:
    """The whole way, in a fresh process: open, read, tabulate, judge."""
    from pratique.judge import compare

    store = open_store(folder)
    begun = time.perf_counter()
    verdict = compare(store, "shop", *REVISIONS, policy=Policy())
    taken = time.perf_counter() - begun
    print(f"  verdict: {verdict.verdict}: {verdict.reason}", file=sys.stderr)
    return {"seconds": taken, "guards": len(verdict.guards)}


def measure_update(folder: str) -> dict[str, float]:
    """One more window into a judge that holds all the others; the slowest of ten, with its verdict."""
    from pratique.judge import Judge

    store = open_store(folder)
    (seen, _) = store.revisions("shop")
    split = seen.last - timedelta(seconds=9 * WINDOW_S)
    judge = Judge(Policy(), "shop", *REVISIONS, WINDOW_S)
    judge.update(store.read("shop", REVISIONS, None, split))
    judge.verdict(split)
    updates, verdicts = [], []
    for number in range(10):
        start = split + timedelta(seconds=number * WINDOW_S)
        end = start + timedelta(seconds=WINDOW_S)
        window = store.read("shop", REVISIONS, start, end)
        begun = time.perf_counter()
        judge.update(window)
        updated = time.perf_counter()
        judge.verdict(end)
        updates.append(1000 * (updated - begun))
        verdicts.append(1000 * (time.perf_counter() - updated))
    return {"median_ms": float(np.median(updates)), "max_ms": max(updates), "verdict_ms": float(np.median(verdicts))}


def measure_pandas(folder: str) -> dict[str, float]:
    """The peer: the same Delta table through deltalake into pandas, counts by window, revision, action and code."""
    from deltalake import DeltaTable

    begun = time.perf_counter()
    columns = ["window", "revision", "action", "code", "n"]
    frame = DeltaTable(folder).to_pyarrow_dataset().to_table(columns=columns, use_threads=False).to_pandas()
    read = time.perf_counter() - begun
    counts = frame.groupby(["window", "revision", "action", "code"])["n"].sum()
    return {"seconds": time.perf_counter() - begun, "read_s": read, "groups": len(counts)}


MEASURES = {
    "read": measure_read,
    "duckdb": measure_duckdb,
    "verdict": measure_verdict,
    "update": measure_update,
    "pandas": measure_pandas,
}


def on_one_core(name: str, folder: str) -> dict[str, float]:
    """Measure in a process of its own that has one core and one thread."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "TOKIO_WORKER_THREADS": "1"}
    core = max(os.sched_getaffinity(0))
    ran = subprocess.run(
        [sys.executable, __file__, "--measure", name, "--folder", folder],
        env={**os.environ, **one},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    return json.loads(ran.stdout)


def report(folder: str, build_s: float) -> int:
    read, duckdb, pandas = (on_one_core(name, folder) for name in ("read", "duckdb", "pandas"))
    verdict, update = (on_one_core(name, folder) for name in ("verdict", "update"))
    missed = verdict["seconds"] > GOALS["verdict_s"], update["max_ms"] > GOALS["update_ms"]
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(folder) for name in names)
    print(f"{read['rows']:,} rows, {read['buckets']:,} histogram buckets, {size / 1e6:.0f} MB on disk")
    print(f"{'written to the store in':<44}{build_s:8.2f} s")
    print(f"{'read, fresh process / best of 5':<44}{read['first_s']:8.2f} / {read['best_s']:.2f} s")
    print(f"{'read through DuckDB instead, best of 3':<44}{duckdb['best_s']:8.2f} s")
    print(f"{'revisions() by DuckDB':<44}{duckdb['revisions_s']:8.2f} s")
    print(f"{'store to verdict (goal 2 s)':<44}{verdict['seconds']:8.2f} s{'   MISSED' if missed[0] else ''}")
    print(f"{'  guards in the verdict':<44}{verdict['guards']:8,}")
    print(f"{'  peak memory':<44}{verdict['peak_mb']:8,.0f} MB")
    print(
        f"{'one more window, median / slowest (goal 50 ms)':<44}{update['median_ms']:8.1f} / {update['max_ms']:.1f} ms"
        f"{'   MISSED' if missed[1] else ''}"
    )
    print(f"{'  and its verdict, median':<44}{update['verdict_ms']:8.1f} ms")
    print(f"{'pandas groupby of the counts alone':<44}{pandas['seconds']:8.2f} s (read {pandas['read_s']:.2f} s)")
    print(f"{'  peak memory':<44}{pandas['peak_mb']:8,.0f} MB")
    return int(any(missed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows: does it run at all?")
    parser.add_argument("--folder", help="where to keep the store; one that is there is measured as it is")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        found = MEASURES[arguments.measure](arguments.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**found, "peak_mb": peak}))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or os.path.join(scratch, "store")
        begun = time.perf_counter()
        if not open_store(folder).exists():
            fill(folder, 144 if arguments.quick else 1440, 200)
        return report(folder, time.perf_counter() - begun)


if __name__ == "__main__":
    sys.exit(main())
