"""How long it takes to derive a history from 10,000 releases, 1,000 incidents and 10,000 commits.

Beside it, on the same ledger and repository: reading the entries from SQLite, and `git rev-list --count HEAD`.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pratique.delivery.commits import commits_of
from pratique.delivery.deployments import record_of
from pratique.delivery.history import history_of
from pratique.ledger.entry import Entry

START = datetime(2020, 1, 1, tzinfo=UTC)


def entries(releases: int, incidents: int, commits: list[str]) -> list[Entry]:
    """The entries of releases, one each two hours, of which each tenth causes an incident."""
    found: list[Entry] = []

    def add(kind: str, minutes: float, revision: str | None, run: str | None, data: dict[str, Any]) -> None:
        at = START + timedelta(minutes=minutes)
        found.append(Entry(len(found) + 1, at, kind, "shop", "ann", "", revision, run, "1", "", "", data))

    add("weight", 0, "r0", None, {"shares": {"r0": 1.0}})
    for number in range(1, releases + 1):
        revision, run, at, before = f"r{number}", f"run{number}", 120.0 * number, f"r{number - 1}"
        commit = commits[min(number, len(commits) - 1)] if commits else ""
        add("release", at, revision, run, {"event": "started", "digest": revision, "commit": commit})
        add("weight", at + 1, revision, run, {"shares": {before: 0.9, revision: 0.1}})
        add("verdict", at + 30, revision, run, {"decision": "promote", "requests": {before: 9000, revision: 1000}})
        add("weight", at + 30, revision, run, {"shares": {revision: 1.0}})
        add("release", at + 31, revision, run, {"event": "ended", "outcome": "promoted", "verdict": "promote"})
        if number % max(1, releases // incidents) == 0:
            times = {"began": f"{START + timedelta(minutes=at + 40):%Y-%m-%dT%H:%M:%SZ}"}
            data = {"event": "opened", "id": f"I{number}", "source": "x", "title": "x", "cause": revision}
            add("incident", at + 50, None, None, data | times)
    return found


def repository(folder: Path, commits: int) -> list[str]:
    """Make a repository with so many commits; return their hashes, oldest first."""
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    stream = "".join(
        f"commit refs/heads/main\ncommitter a <a@b> {int(START.timestamp()) + 7000 * number} +0000\ndata 1\nx\n"
        for number in range(commits)
    )
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=stream.encode(), check=True)
    listed = subprocess.run(
        ["git", "-C", str(folder), "rev-list", "--reverse", "main"], check=True, capture_output=True
    )
    return listed.stdout.decode().split()


def best_of(times: int, run: Callable[[], object]) -> float:
    """The shortest of several runs, in seconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--releases", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        commits = repository(path, given.releases)
        written = entries(given.releases, max(1, given.releases // 10), commits)
        end = START + timedelta(minutes=120 * given.releases + 200)
        texts = [entry.to_json() for entry in written]
        plain = best_of(3, lambda: [Entry(**text) for text in texts])
        without = best_of(3, lambda: history_of("shop", written, None, start=START, end=end, now=end))
        record = record_of("shop", written)
        lead = best_of(3, lambda: commits_of(record, path))
        git = best_of(
            3,
            lambda: subprocess.run(
                ["git", "-C", folder, "rev-list", "--count", "HEAD"], check=True, capture_output=True
            ),
        )
    print(f"{given.releases:,} releases, {given.releases // 10:,} incidents, {len(commits):,} commits")
    print(
        f"history from {len(written):,} entries: {without:.2f} s; making these entries from JSON alone: {plain:.2f} s"
    )
    print(f"lead times of all commits: {lead:.2f} s, {lead / git:.0f} x git rev-list --count ({git * 1000:.0f} ms)")


if __name__ == "__main__":
    main()
