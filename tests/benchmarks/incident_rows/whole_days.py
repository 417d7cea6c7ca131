"""From the store to the answer: claims on quiet days, and how long it takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.incident_rows.streams import DAY, END, analysed, autoregressive, rng_of
from pratique.incident.investigate import investigate
from pratique.store import open_store
from support.incident_stories import START, Traffic, change, rollups_of


def days(runs: int) -> None:
    """Calibration: quiet days with a daily cycle of traffic and share, overdispersion and autocorrelation; any claim."""
    rng, onsets, claimed = rng_of("days"), 0, 0
    for run in range(1, runs + 1):
        traffic = Traffic.quiet(per_minute=float(np.exp(rng.uniform(np.log(60), np.log(3000)))))
        minute = np.arange(len(traffic.n))
        phase, cycle = rng.uniform(0, 2 * np.pi), 1 + 0.5 * np.sin(2 * np.pi * minute / DAY + rng.uniform(0, 2 * np.pi))
        share = 1 + 0.2 * np.sin(2 * np.pi * minute / DAY + phase)
        level = autoregressive(rng, len(minute), float(rng.uniform(0.0, 0.3)), 0.9)
        traffic.n *= cycle[:, None, None, None]
        traffic.share *= (share * level)[None, :, None, None, None]
        clustered = rng.gamma(4.0, 0.25, traffic.n.shape)
        traffic.share *= clustered[None]
        incident = analysed([traffic.rows(rng)]).incident
        onsets += incident.onset is not None
        claimed += bool(incident.places and incident.places.found)
        if run % 100 == 0 or run == runs:
            print(f"quiet days: an onset claimed {onsets}, a place {claimed} of {run}", flush=True)


def how_long(_runs: int) -> None:
    """Time and memory: 2 million rows of 26 hours in a store on disk, from the store to the answer, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        rows = write_big_store(folder)
        with get_context("spawn").Pool(1) as process:
            took, worked, before, peak, answer = process.apply(_answered, (folder,))
        paged, paged_worked = _page(folder)
    print(
        f"{rows:,} rows: {took[0]:.2f} s the first time, then {min(took[1:]):.2f} s, of which {min(worked):.2f} s of processor time; answer "
        f"{answer!r}; peak memory {peak:,.0f} MiB, {before:,.0f} MiB before the store is opened",
        flush=True,
    )
    print(
        f"{rows:,} rows: `pratique incident --out` prints the answer, starts a kernel and writes the page in {paged:.2f} s, of which "
        f"{paged_worked:.2f} s of processor time",
        flush=True,
    )


def write_big_store(folder: str) -> int:
    """Write a store with one bad canary and return its rows."""
    rng = rng_of("time")
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}, per_minute=22_000)
    actions, hosts = 64, 20
    parts = np.maximum(rng.dirichlet(np.full(actions, 0.7)), 1e-4)
    n = traffic.n.sum(axis=(2, 3))[:, :, None, None] * parts[:, None] / hosts * np.ones(hosts)
    share = 0.004 * np.array((0.7, 0.3))[:, None, None, None, None] * np.ones((2, *n.shape))
    names = tuple(f"GET /{at}" for at in range(actions)), tuple(f"h{at}" for at in range(hosts))
    rows = Traffic("shop", traffic.revisions, n, share, *names).fail(60, 40, "r42", "GET /3").rows(rng)
    open_store(folder).write(rollups_of(rows))
    return rows.num_rows


def _page(folder: str) -> tuple[float, float]:
    """Wall-clock and processor seconds of the command that runs the notebook in a new kernel."""
    times = [word for name, at in (("--start", START), ("--end", END)) for word in (name, f"{at:%Y-%m-%dT%H:%M}")]
    command = [sys.executable, "-m", "pratique.cli", "incident", "shop", "--store", folder, *times]
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "--out", f"{folder}/page"], check=False, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not list(Path(folder, "page").glob("*.html")):
        raise SystemExit("no page was written")
    return time.perf_counter() - begin, sum(after[:2]) - sum(before[:2])


def _answered(folder: str) -> tuple[list[float], list[float], float, float, str]:
    before = _peak_mib()
    store, took, worked, answer = open_store(folder), [], [], ""
    for _ in range(3):
        begin, cpu = time.perf_counter(), time.process_time()
        answer = investigate(store, "shop", start=START, end=END, changes=[change(60)]).incident.answer
        took.append(time.perf_counter() - begin)
        worked.append(time.process_time() - cpu)
    return took, worked, before, _peak_mib(), answer


def _peak_mib() -> float:
    """The most memory of this process; `getrusage` would count that of the process which started it too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
