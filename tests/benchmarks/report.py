"""A report beside the plainest thing that could be called one: papermill and nbconvert on two imports.

    python tests/benchmarks/report.py [--rounds 5]

Both are run as commands in separate processes, in turn, on the same machine: `pratique report` on an hour's
comparison from the store to the HTML page; and `papermill` then `jupyter nbconvert --to html` on a notebook that only
imports pandas and plotly. Prints each median and their ratio; fails above 2.5.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pratique.store import open_store
from support.report_samples import START, sample_rollups

LIMIT = 2.5


def plain_notebook(path: Path) -> None:
    """A notebook that imports pandas and plotly, and nothing else."""
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [cell | {"source": "import pandas\nimport plotly.graph_objects"}]
    path.write_text(json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))


def seconds(*commands: list[str]) -> float:
    """How long the commands take one after the other."""
    began = time.perf_counter()
    for command in commands:
        # a report's status is its verdict: 0 to 2
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode > 2:
            sys.exit(done.stderr)
    return time.perf_counter() - began


def main() -> int:
    """Measure both in turn; 0 when the report takes at most 2.5 times as long."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        store, plain, out = (str(Path(folder, name)) for name in ("store", "plain.ipynb", "out.ipynb"))
        open_store(store).write(sample_rollups(minutes=60, rate=50.0, history=60))
        plain_notebook(Path(plain))
        report = ["report", "shop", "r2", "r3", "--start", START.isoformat(), "--store", store, "--out", folder]
        ours, peer = [], []
        for _ in range(rounds):
            ours.append(seconds([sys.executable, "-m", "pratique.cli", *report]))
            papermill = [sys.executable, "-m", "papermill", "--no-progress-bar", plain, out]
            peer.append(seconds(papermill, [sys.executable, "-m", "nbconvert", "--to", "html", out]))
        page = next(Path(folder).glob("*.html")).stat().st_size
    ratio = statistics.median(ours) / statistics.median(peer)
    print(f"pratique report                 {statistics.median(ours):6.2f} s  (page {page / 1e6:.1f} MB)")
    print(f"papermill + nbconvert, imports  {statistics.median(peer):6.2f} s")
    print(f"ratio {ratio:.2f}, at most {LIMIT}: {'ok' if ratio <= LIMIT else 'TOO SLOW'}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
