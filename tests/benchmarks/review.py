"""A maturity review of a repository with 10,000 commits, beside `git log` of the same history.

    python tests/benchmarks/review.py

Both are timed as whole processes, start-up included: `pratique review` collects everything that git, pipelines and
files tell; `git log --name-only` only prints the history with its files. The history is made from a fixed seed.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.delivering_team import FILES
from support.made_repository import History

LIMIT_S = 5.0
"""The most that a review may take."""


def make(folder: Path, commits: int) -> Path:
    """A year of merged branches, each of one commit."""
    rng, history, now = random.Random(1), History(), datetime.now(UTC)
    main = history.commit(now - timedelta(days=370), FILES)
    for number in range(commits // 2):
        time_of = now - timedelta(days=365 * (1 - number / (commits // 2)))
        changed = {f"src/m{rng.randrange(40)}.py": f"{number}\n", f"tests/test_m{rng.randrange(40)}.py": f"{number}\n"}
        side = history.commit(
            time_of,
            changed,
            message=f"SHOP-{number} change",
            author=f"dev{rng.randrange(20)}",
            branch="work",
            parents=[main],
        )
        main = history.commit(
            time_of + timedelta(minutes=5), changed, message=f"Merge SHOP-{number}", parents=[main, side]
        )
    return history.make(folder)


def seconds(*words: str, folder: Path) -> tuple[float, float]:
    """How long a process takes, and how much time of the processor it and its own processes use."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Time both, and fail when the review takes too long."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--commits", type=int, default=10_000)
    commits = arguments.parse_args().commits
    with tempfile.TemporaryDirectory() as name:
        folder = make(Path(name, "repository"), commits)
        review = min(
            seconds(sys.executable, "-m", "pratique", "review", "--no-record", folder=folder) for _ in range(3)
        )
        log = min(seconds("git", "log", "--first-parent", "-m", "--name-only", folder=folder) for _ in range(3))
    for words, (wall, processor) in (("pratique review", review), ("git log --name-only", log)):
        print(f"{commits:,} commits: {words:<20} {wall:.2f} s, processor {processor:.2f} s")
    sys.exit(commits <= 10_000 and review[0] > LIMIT_S)


if __name__ == "__main__":
    main()
