"""Cases that operators labelled: the data set of RobustSpot (Sun and others 2023), 135 minutes of a video service.

The set is not part of this repository. It is in the repository of that paper (FRPv6/RobustSpot on GitHub, MIT licence): `--public FOLDER`
reads `config/anomaly.yaml` and `data/*.csv` there. A row of a case is a minute, some attributes, viewers, and how many of them stalled.
The history is the minutes before the labelled one, without those that are shown to hold an incident. Nothing is tuned on the set.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from benchmarks.incident_peers import PEERS
from pratique.incident.cells import CODE, Cells, expected_shares, spreads
from pratique.incident.history import learn
from pratique.incident.place_fit import chosen_set
from pratique.incident.where import shown_cells

ALPHA, TOLERATED = 0.01, 1.5
NUMBERS = ("min", "value", "cnt")

Place = tuple[int | None, ...]
Cause = dict[str, object]


def public_set(folder: Path) -> None:
    """First place, whole set, and whether the true place is named at all, beside the peers."""
    named: dict[str, list[tuple[list[Place], list[Place]]]] = defaultdict(list)
    took: dict[str, float] = defaultdict(float)
    for case in yaml.safe_load((folder / "config" / "anomaly.yaml").read_text("utf-8")):
        cells, truth = read_case(folder / "data" / f"{case['data']}.csv", case["timestamp"], case["cause"])
        for name, method in {"Pratique": ours, **PEERS}.items():
            begin = time.perf_counter()
            named[name].append((method(cells), truth))
            took[name] += time.perf_counter() - begin
    for name, pairs in named.items():
        cases, found = len(pairs), [len(set(places) & set(truth)) for places, truth in pairs]
        first = sum(bool(places) and places[0] in truth for places, truth in pairs)
        f1 = 2 * sum(found) / sum(len(set(places)) + len(truth) for places, truth in pairs)
        hit = sum(map(bool, found))
        print(
            f"{name:<12} {cases} cases: first place {first / cases:.3f}, set F1 {f1:.3f}, named at all {hit / cases:.3f}; "
            f"nothing named {sum(not places for places, _ in pairs)}; {took[name] / cases:.2f} s a case",
            flush=True,
        )


def ours(cells: Cells) -> list[Place]:
    """The places in the order of the page."""
    return [place.values for place in chosen_set(cells, shown_cells(cells, ALPHA), alpha=ALPHA)]


def read_case(path: Path, minute: int, cause: Cause | list[Cause]) -> tuple[Cells, list[Place]]:
    """Return the leaf cells of the labelled minute beside the minutes before it, and the labelled places."""
    with path.open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if int(row["min"]) <= minute]
    attributes = [name for name in rows[0] if name not in NUMBERS]
    names = [sorted({row[name] for row in rows}) for name in attributes]
    attributes.insert(CODE, "")
    names.insert(CODE, [""])
    keys = np.array([[names[at].index(row.get(name, "")) for row in rows] for at, name in enumerate(attributes)])
    at, value, n = (np.array([int(float(row[name])) for row in rows]) for name in NUMBERS)
    sizes = tuple(map(len, names))
    leaves, leaf = np.unique(keys, axis=1, return_inverse=True)
    leaf, count, now = leaf.reshape(-1), leaves.shape[1], at == minute
    minutes, block = np.unique(at[~now], return_inverse=True)
    of_minutes = (np.bincount(block, of[~now], len(minutes)) for of in (value, n))
    usual = learn(*of_minutes, alpha=ALPHA, tolerated=TOLERATED).used
    past = np.isin(at, minutes[usual])
    bad_before, n_before, bad, served = (
        np.bincount(leaf[part], of[part], count).astype(np.int64) for part in (past, now) for of in (value, n)
    )
    order = sorted(range(len(sizes)), key=lambda dimension: sizes[dimension])
    share = expected_shares(
        leaves, sizes, bad_before, n_before, coarser=[order[:end] for end in range(1, len(order) + 1)]
    )
    cells = Cells(
        names=tuple(map(tuple, names)),
        keys=leaves,
        bad=bad,
        n=served,
        bad_before=bad_before,
        n_before=n_before,
        expected=served * share,
        spread={},
        blocks=int(usual.sum()),
    )
    own, block = leaf[past], np.unique(at[past], return_inverse=True)[1]
    found = spreads(leaves, sizes, cells.cuboids(), own, block, value[past], n[past] * share[own])
    truth = [
        tuple(names[at].index(str(one[name])) if name in one else None for at, name in enumerate(attributes))
        for one in (cause if isinstance(cause, list) else [cause])
    ]
    return replace(cells, spread=found), truth
