"""A million access lines imported into the embedded store, beside GoAccess on the same file; the same requests as JSON, CSV and Parquet.

    python tests/benchmarks/imports.py          (needs goaccess: apt-get install goaccess)

Both are timed as whole processes, start-up included: `pratique import` writes to a store on disk, GoAccess
writes its report as JSON. The file is made from a fixed seed.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

REQUESTS = ["GET /", "GET /product/{}", "GET /search?q={}", "POST /cart", "POST /checkout"]
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15",
    "curl/8.1",
]
GOACCESS = ['--log-format=%h %^[%d:%t %^] "%r" %s %b "%R" "%u" %T', "--date-format=%d/%b/%Y", "--time-format=%T"]


def write_log(path: Path, lines: int, seed: int = 1) -> None:
    """Six hours of combined lines with the request time."""
    rng = np.random.default_rng(seed)
    start = datetime(2026, 11, 20, tzinfo=UTC)
    seconds = np.sort(rng.integers(0, 6 * 3600, lines))
    times = [(start + timedelta(seconds=s)).strftime("%d/%b/%Y:%H:%M:%S +0000") for s in range(6 * 3600)]
    columns = (
        rng.integers(0, 255, (lines, 3)).tolist(),
        seconds.tolist(),
        rng.integers(0, len(REQUESTS), lines).tolist(),
        rng.integers(0, 5000, lines).tolist(),
        rng.choice([200, 200, 200, 404, 503], lines).tolist(),
        rng.integers(100, 90000, lines).tolist(),
        rng.integers(0, len(AGENTS), lines).tolist(),
        rng.lognormal(-3.0, 0.6, lines).tolist(),
    )
    with path.open("w", encoding="ascii") as file:
        for (a, b, c), second, kind, number, code, size, agent, took in zip(*columns, strict=True):
            request = REQUESTS[kind].format(number)
            file.write(
                f'10.{a}.{b}.{c} - - [{times[second]}] "{request} HTTP/1.1" {code} {size} '
                f'"https://example.org/" "{AGENTS[agent]}" {took:.3f}\n'
            )


def write_json(path: Path, source: Path) -> None:
    """The requests of a combined log as Caddy writes them."""
    pattern = re.compile(r'^(\S+) - - \[([^]]+)\] "(\w+) (\S+) [^"]*" (\d+) (\d+) "([^"]*)" "([^"]*)" ([0-9.]+)$')
    with source.open(encoding="ascii") as lines, path.open("w", encoding="ascii") as file:
        for line in lines:
            found = pattern.match(line)
            assert found is not None
            client, time, method, uri, code, size, referer, agent, took = found.groups()
            headers = f'{{"Referer":["{referer}"],"User-Agent":["{agent}"]}}'
            request = f'{{"client_ip":"{client}","method":"{method}","host":"shop.example","uri":"{uri}","headers":{headers}}}'
            seconds = datetime.strptime(time, "%d/%b/%Y:%H:%M:%S %z").timestamp()
            file.write(
                f'{{"level":"info","ts":{seconds},"logger":"http.log.access","request":{request},"duration":{took},'
                f'"size":{size},"status":{code},"resp_headers":{{"X-Revision":["r1"]}}}}\n'
            )


def write_tables(folder: Path) -> None:
    """The requests of access.jsonl as access.csv and access.parquet."""
    with (folder / "access.jsonl").open(encoding="ascii") as lines, (folder / "access.csv").open("w") as file:
        file.write("time,revision,method,path,status,took\n")
        for line in map(json.loads, lines):
            request = line["request"]
            values = (line["ts"], "r1", request["method"], request["uri"], line["status"], line["duration"])
            file.write(",".join(map(str, values)) + "\n")
    pl.read_csv(folder / "access.csv").write_parquet(folder / "access.parquet")


def timed(command: list[str], folder: Path) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def imported(folder: Path, file: str, fmt: str, *options: str) -> list[float]:
    """Seconds of three imports, each into an empty store."""
    command = [sys.executable, "-m", "pratique.cli", "import", file, "--service", "shop", "--format", fmt, *options]
    found = []
    for _ in range(3):
        shutil.rmtree(folder / ".pratique", ignore_errors=True)
        found.append(timed(command, folder))
    return found


def main() -> None:
    """Print both times and the ratio of the speeds; the best of three for Pratique and one for GoAccess."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    arguments = parser.parse_args()
    peer = shutil.which("goaccess")
    if peer is None:
        sys.exit("goaccess is needed as the peer: apt-get install goaccess")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_log(folder / "access.log", arguments.lines)
        theirs = timed([peer, "access.log", *GOACCESS, "-o", "out.json", "--no-progress", "--no-global-config"], folder)
        write_json(folder / "access.jsonl", folder / "access.log")
        ours = imported(folder, "access.log", "combined", "--revision", "r1")
        json_times = imported(folder, "access.jsonl", "caddy")
        write_tables(folder)
        tables = {
            name: imported(folder, f"access.{name}", name, "--field", "duration=took:s") for name in ("csv", "parquet")
        }
    print(f"{arguments.lines:,} lines, {Path(peer).name} {theirs:.1f} s ({arguments.lines / theirs:,.0f} lines/s)")
    print(
        f"pratique import {min(ours):.1f} s ({arguments.lines / min(ours):,.0f} lines/s), runs {', '.join(f'{t:.1f}' for t in ours)}"
    )
    print(f"ratio of the speeds: {theirs / min(ours):.1f} (to reach: 12)")
    print(f"the same requests as JSON: {min(json_times):.1f} s ({arguments.lines / min(json_times):,.0f} lines/s)")
    for name, times in tables.items():
        rate, ratio = arguments.lines / min(times), min(json_times) / min(times)
        print(
            f"the same requests as {name}: {min(times):.1f} s ({rate:,.0f} rows/s), {ratio:.1f} times as fast as JSON"
        )


if __name__ == "__main__":
    main()
