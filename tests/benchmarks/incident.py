"""The incident analysis on simulated faults, beside its peers: the tables of docs/explanation/incident-statistics.md.

    python tests/benchmarks/incident.py                 20 runs a row (a few minutes on two cores)
    python tests/benchmarks/incident.py --runs 200      more runs a row
    python tests/benchmarks/incident.py --only places   one part; may be given several times
    python tests/benchmarks/incident.py --public FOLDER the cases of incident_rows/public_set.py, from a local copy

All streams come from one seed and are analysed by the code that `pratique incident` runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.incident_rows.causes import dose, grades, hits_all, parallel_trends
from benchmarks.incident_rows.latency import latency, quiet_latency
from benchmarks.incident_rows.places import further_places, places, quiet_places
from benchmarks.incident_rows.public_set import public_set
from benchmarks.incident_rows.starts import ends, quiet_starts, second_pass, starts
from benchmarks.incident_rows.whole_days import days, how_long

PARTS = {
    "places": places,
    "quiet-places": quiet_places,
    "further-places": further_places,
    "quiet-starts": quiet_starts,
    "starts": starts,
    "ends": ends,
    "second-pass": second_pass,
    "grades": grades,
    "dose": dose,
    "parallel-trends": parallel_trends,
    "hits-all": hits_all,
    "latency": latency,
    "quiet-latency": quiet_latency,
    "days": days,
    "time": how_long,
}


def main() -> None:
    """Print the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs a row")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given several times")
    parser.add_argument("--public", type=Path, metavar="FOLDER", help="only the labelled cases in this folder")
    options = parser.parse_args()
    if options.public:
        public_set(options.public)
        return
    for name in options.only or PARTS:
        print(f"-- {name}")
        PARTS[name](options.runs)


if __name__ == "__main__":
    main()
