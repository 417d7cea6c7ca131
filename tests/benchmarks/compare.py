"""From the store to the verdict on one core: 200 actions × 1,440 windows × 5 codes × 2 revisions with latency.

    python tests/benchmarks/compare.py [--quick] [--folder DIR]

Writes a store (not timed against a goal), then measures in fresh processes bound to one core: the read, the whole
way to the verdict, one more window through Judge.update, the memory's peak; and, as a peer on the same table,
a plain pandas groupby, which makes the counts per window, action and code and judges nothing.
Imports are paid before the clock starts, and so is the memory: a virtual machine may take 2 s to get a GB from
its host for the first time. What a process takes from its start to its end is printed too.
Goals: verdict 2 s, one more window 50 ms, the better of two processes. Exit status 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd  # noqa: F401  # Arrow imports it at its first computation; here, so that nobody is charged for it
import pyarrow as pa
from deltalake import DeltaTable

from pratique.config import Policy
from pratique.judge import Judge
from pratique.judge.compare import compare
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


def warm() -> None:
    """Have the host hand out the memory, give it back, and start counting its peak from here."""
    block = [np.ones(10_000_000) for _ in range(20)]
    del block
    Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """The most memory held since `warm`."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


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
    store.query("SELECT action, code, sum(n) FROM rollups GROUP BY action, code", service="shop")
    summed = time.perf_counter()
    store.revisions("shop")
    revisions_s = time.perf_counter() - summed
    return {"best_s": min(taken), "sum_s": summed - begun, "revisions_s": revisions_s}


def measure_verdict(folder: str) -> dict[str, float]:
    """The whole way, in a fresh process: open, read, tabulate, judge."""
    store = open_store(folder)
    begun = time.perf_counter()
    verdict = compare(store, "shop", *REVISIONS, policy=Policy(), start=START)
    taken = time.perf_counter() - begun
    print(f"  verdict: {verdict.verdict}: {verdict.reason}", file=sys.stderr)
    return {"seconds": taken, "guards": len(verdict.guards)}


def measure_update(folder: str) -> dict[str, float]:
    """One more window into a judge that holds all the others; the slowest of ten, with its verdict."""
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
    """Measure in a separate process that has one core and one thread."""
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "TOKIO_WORKER_THREADS": "1"}
    core = str(max(os.sched_getaffinity(0)))
    begun = time.perf_counter()
    ran = subprocess.run(
        ["taskset", "-c", core, sys.executable, __file__, "--measure", name, "--folder", folder],
        env={**os.environ, **one},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {**json.loads(ran.stdout), "process_s": time.perf_counter() - begun}


def better_of_two(name: str, folder: str, by: str) -> dict[str, float]:
    return min((on_one_core(name, folder) for _ in range(2)), key=lambda found: found[by])


def line(what: str, *figures: str, goal_missed: bool = False) -> None:
    print(f"{what:<50}{' / '.join(figures):>18}{'   MISSED' if goal_missed else ''}")


def report(folder: str, build_s: float | None) -> int:
    read, duckdb, pandas = (on_one_core(name, folder) for name in ("read", "duckdb", "pandas"))
    verdict = better_of_two("verdict", folder, "seconds")
    update = better_of_two("update", folder, "max_ms")
    missed = verdict["seconds"] > GOALS["verdict_s"], update["max_ms"] > GOALS["update_ms"]
    size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    print(f"{read['rows']:,} rows, {read['buckets']:,} histogram buckets, {size / 1e6:.0f} MB on disk, one core")
    if build_s is not None:
        line("made and written to the store", f"{build_s:.2f} s")
    line("read, first / best of 5", f"{read['first_s']:.2f}", f"{read['best_s']:.2f} s")
    line("read through DuckDB instead, best of 3", f"{duckdb['best_s']:.2f} s")
    line("a sum by action through DuckDB", f"{1000 * duckdb['sum_s']:.0f} ms")
    line("revisions()", f"{1000 * duckdb['revisions_s']:.0f} ms")
    line("store to verdict (goal 2 s)", f"{verdict['seconds']:.2f} s", goal_missed=missed[0])
    line("  guards in the verdict", f"{verdict['guards']:,}")
    line("  peak memory", f"{verdict['peak_mb']:,.0f} MB")
    line("  the whole process, with imports and warming", f"{verdict['process_s']:.2f} s")
    figures = f"{update['median_ms']:.1f}", f"{update['max_ms']:.1f} ms"
    line("one more window, median / slowest (goal 50 ms)", *figures, goal_missed=missed[1])
    line("  and the verdict after it, median", f"{update['verdict_ms']:.1f} ms")
    line("pandas: groupby of the counts alone", f"{pandas['seconds']:.2f} s")
    line("  of which reading four columns and n", f"{pandas['read_s']:.2f} s")
    line("  peak memory", f"{pandas['peak_mb']:,.0f} MB")
    return int(any(missed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows: does it run at all?")
    parser.add_argument("--folder", help="where to keep the store; one that is there is measured as it is")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        store = open_store(arguments.folder)
        store.read("shop", REVISIONS, START, START + timedelta(seconds=WINDOW_S))
        warm()
        print(json.dumps({**MEASURES[arguments.measure](arguments.folder), "peak_mb": peak_mb()}))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or str(Path(scratch, "store"))
        if open_store(folder).exists():
            return report(folder, None)
        begun = time.perf_counter()
        fill(folder, 144 if arguments.quick else 1440, 200)
        return report(folder, time.perf_counter() - begun)


if __name__ == "__main__":
    sys.exit(main())
