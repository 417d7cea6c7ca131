"""The store in InfluxDB beside curl, influxdb-client's query_data_frame and the store in a folder, on the same rows.

    python tests/benchmarks/influxdb.py [--scale 0.1]

At scale 1: 200 actions × 1,440 windows × 5 codes × 2 revisions, 2.88 million rows. A real server is started for it. Each pull runs
in a fresh process, and its memory is the peak of that whole process. curl and query_data_frame ask for the points of the same rows, with the packed
histogram as the only field, which is the fastest way to ask for them; curl throws the answer away, and neither unpacks the histograms. The store asks for the
points of windows; curl for these is printed too, and the disk and the time of a write that they cost.
Goals: pull at most 1.5 × curl and at least 5 × faster than query_data_frame, one more window within 50 ms.
Exit status 1 when one is missed.
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
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
from influxdb_client import InfluxDBClient

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.compare import CODES, REVISIONS, SEED, START, WINDOW_S, rollups
from pratique.config import Policy
from pratique.judge import Judge
from pratique.judge.compare import compare
from pratique.store import open_store
from pratique.store.influxdb import window_points
from pratique.store.influxdb.client import EARLIEST, LATEST, InfluxClient
from support.influxdb import TOKEN, server_running

ACTIONS, WINDOWS = 200, 1440
REPEATS = 5


def measured(name: str, url: str, file: Path) -> dict[str, float]:
    """Run one measurement in a fresh process."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", name, "--url", url, "--file", file],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def pull(url: str, _: Path) -> dict[str, float]:
    """Read all rows into Arrow, with the histograms as lists."""
    store = open_store(url)
    store.revisions("shop")
    begun, worked = time.perf_counter(), time.process_time()
    rows = len(store.read("shop", REVISIONS))
    cpu_s = time.process_time() - worked
    return {"s": time.perf_counter() - begun, "cpu_s": cpu_s, "rows": rows, "mb": peak_mb()}


def data_frame(url: str, file: Path) -> dict[str, float]:
    """Read the same rows with query_data_frame."""
    query = json.loads(file.read_text())
    server, organisation = json.loads(file.with_suffix(".server").read_text())
    with InfluxDBClient(server, TOKEN, org=organisation, timeout=3_600_000) as client:
        begun = time.perf_counter()
        names = {entry["id"]["name"]: entry["init"]["value"] for entry in query["extern"]["body"]}
        flux = query["query"]
        for name, value in names.items():
            literal = value if name in {"start", "stop"} else json.dumps(value)
            flux = f"{name} = {literal}\n{flux}"
        rows = len(client.query_api().query_data_frame(flux))
        return {"s": time.perf_counter() - begun, "rows": rows, "mb": peak_mb()}


def verdict(url: str, _: Path) -> dict[str, float]:
    """From the store to the verdict."""
    store = open_store(url)
    store.revisions("shop")
    begun = time.perf_counter()
    compare(store, "shop", *REVISIONS, policy=Policy(), start=START)
    return {"s": time.perf_counter() - begun}


def one_more(url: str, _: Path) -> dict[str, float]:
    """One more window, just written as in a release: read it and judge it, with all the others known; of ten of them."""
    store, rng, length = open_store(url), np.random.default_rng(SEED), timedelta(seconds=WINDOW_S)
    seen = store.revisions("shop")[0]
    known = store.read("shop", REVISIONS)
    actions = len(known.table["action"].unique())
    judge = Judge(Policy(), "shop", *REVISIONS, WINDOW_S)
    judge.update(known)
    reads, whole = [], []
    first = round((seen.last - START) / length) + 1
    for number in range(first, first + 10):
        store.write(rollups(rng, number, 1, actions))
        begun = time.perf_counter()
        rows = store.read("shop", REVISIONS, START + number * length, START + (number + 1) * length)
        reads.append(time.perf_counter() - begun)
        judge.update(rows)
        whole.append(time.perf_counter() - begun)
        assert len(rows) == actions * len(CODES) * len(REVISIONS)
    return {
        "read_ms": 1000 * float(np.median(reads)),
        "ms": 1000 * float(np.median(whole)),
        "most_ms": 1000 * max(whole),
    }


MEASURES = {measure.__name__: measure for measure in (pull, data_frame, verdict, one_more)}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def captured_queries():
    """The bodies of the queries that a store sends meanwhile."""
    send, found = InfluxClient._send, []

    def kept(self, method, path, content, *more):
        found.extend([content] if path == "/api/v2/query" else [])
        return send(self, method, path, content, *more)

    InfluxClient._send = kept
    try:
        yield found
    finally:
        InfluxClient._send = send


def query_of(url: str, *bounds, windows: bool = False) -> dict:
    """The query for the points of rows, or for those of windows, which a read sends."""
    store = open_store(url)
    with captured_queries() as found:
        reader = store._reader()
        first, stop = bounds or (EARLIEST, LATEST)
        if windows:
            reader.window_rows(
                "shop", REVISIONS, first, stop, {mark.source: mark.number for mark in reader.marks("shop")}
            )
        else:
            reader.rows("shop", REVISIONS, first, stop)
    return found[-1]


def curl(server, file: Path) -> float:
    """Seconds that curl takes for a query, and the bytes of its answer."""
    done = subprocess.run(
        ["curl", "-sf", "-o", os.devnull, "-w", "%{time_total} %{size_download}", "-H", f"Authorization: Token {TOKEN}",
         "-H", "Content-Type: application/json", "--data-binary", f"@{file}",
         f"{server.url}/api/v2/query?org={server.organisation}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout.split()[0])


@contextmanager
def without_windows():
    """Writes without the points of windows meanwhile: what they cost is the difference."""
    requests = window_points.requests
    window_points.requests = lambda *_: ()
    try:
        yield
    finally:
        window_points.requests = requests


def disk_mb(server, url: str) -> float:
    """What a bucket takes on the disk, its log included."""
    bucket = server.client.bucket(url.rpartition("/")[2])
    files = (server.folder / "engine").glob(f"*/{bucket.id}/**/*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def write(url: str, windows: int, actions: int) -> tuple[float, int]:
    """Write the store in eight parts; return the seconds without those to make the rows, and the number of rows."""
    rng, store, taken, rows = np.random.default_rng(SEED), open_store(url), 0.0, 0
    step = max(windows // 8, 1)
    for first in range(0, windows, step):
        part = rollups(rng, first, min(step, windows - first), actions)
        begun = time.perf_counter()
        store.write(part)
        taken += time.perf_counter() - begun
        rows += len(part)
    return taken, rows


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=0.1, help="share of the 200 actions")
    parser.add_argument("--measure", choices=MEASURES)
    parser.add_argument("--url")
    parser.add_argument("--file", type=Path)
    asked = parser.parse_args()
    os.environ["INFLUX_TOKEN"] = TOKEN
    if asked.measure:
        print(json.dumps(MEASURES[asked.measure](asked.url, asked.file)))
        return 0
    actions = max(1, round(ACTIONS * asked.scale))
    with server_running() as server, tempfile.TemporaryDirectory() as folder:
        return compared(server, Path(folder), actions)


def compared(server, folder: Path, actions: int) -> int:
    influx, delta, body = server.address(server.new_bucket()), str(folder / "delta"), folder / "query.json"
    rows_only = server.address(server.new_bucket())
    with without_windows():
        rows_only_s, _ = write(rows_only, WINDOWS, actions)
    seconds, rows = write(influx, WINDOWS, actions)
    delta_s, _ = write(delta, WINDOWS, actions)
    print(f"{actions} actions × {WINDOWS} windows × 5 codes × 2 revisions = {rows:,} rows")
    print(f"write           InfluxDB {seconds:7.2f} s ({rows / seconds:,.0f} rows/s)   folder {delta_s:.2f} s")
    print(
        f"                without points of windows {rows_only_s:.2f} s   on disk {disk_mb(server, influx):,.0f} MB, without them "
        f"{disk_mb(server, rows_only):,.0f} MB"
    )
    body.write_text(json.dumps(query_of(influx)))
    body.with_suffix(".server").write_text(json.dumps([server.url, server.organisation]))
    points = folder / "points.json"
    points.write_text(json.dumps(query_of(influx, windows=True)))
    curls, of_points, pulls = [], [], []
    for _ in range(REPEATS):
        curls.append(curl(server, body))
        pulls.append(measured("pull", influx, body))
        of_points.append(curl(server, points))
    pulled = min(pulls, key=lambda found: found["s"])
    frame = measured("data_frame", influx, body)
    folder_pull = measured("pull", delta, body)
    assert pulled["rows"] == folder_pull["rows"] == rows
    factor, faster = pulled["s"] / min(curls), frame["s"] / pulled["s"]
    print(
        f"pull            InfluxDB {pulled['s']:7.2f} s ({pulled['cpu_s']:.2f} s of the processor), {pulled['mb']:,.0f} MB   curl {min(curls):.2f} s, of the points of windows {min(of_points):.2f} s   "
        f"query_data_frame {frame['s']:.2f} s, {frame['mb']:,.0f} MB   folder {folder_pull['s']:.2f} s, {folder_pull['mb']:,.0f} MB"
    )
    print(f"                {factor:.2f} × curl (goal 1.5), {faster:.1f} × faster than query_data_frame (goal 5)")
    judged, folder_judged = measured("verdict", influx, body), measured("verdict", delta, body)
    print(f"to the verdict  InfluxDB {judged['s']:7.2f} s   folder {folder_judged['s']:.2f} s")
    more, folder_more = measured("one_more", influx, body), measured("one_more", delta, body)
    last = START + timedelta(seconds=WINDOW_S * WINDOWS)
    body.write_text(json.dumps(query_of(influx, last, last + timedelta(seconds=WINDOW_S))))
    curl_ms = 1000 * min(curl(server, body) for _ in range(5))
    print(
        f"one more window InfluxDB {more['ms']:7.1f} ms (read {more['read_ms']:.1f}, slowest {more['most_ms']:.1f})   "
        f"curl {curl_ms:.1f} ms   folder {folder_more['ms']:.1f} ms (goal 50)"
    )
    print(f"load of the machine meanwhile: {os.getloadavg()[0]:.1f}, with {os.cpu_count()} cores")
    memory = psutil.Process(server._process.pid).memory_info().rss / 1e6
    print(f"memory of the server afterwards: {memory:,.0f} MB")
    return int(factor > 1.5 or faster < 5 or more["ms"] > 50)


if __name__ == "__main__":
    sys.exit(main())
