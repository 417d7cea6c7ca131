"""Cases that operators labelled: the data set of RobustSpot (Sun and others 2023), 135 minutes of a video service.

The set is not part of this repository. It is in the repository of that paper (FRPv6/RobustSpot on GitHub, MIT licence): `--public FOLDER`
reads `config/anomaly.yaml` and `data/*.csv` there. A row of a case is a minute, some attributes, viewers, and how many of them stalled.
The history is the minutes before the labelled one. Nothing is tuned on the set.
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
from pratique.incident.place_fit import chosen_set
from pratique.incident.where import shown_cells

ALPHA = 0.01
NUMBERS = ("min", "value", "cnt")

Place = tuple[int | None, ...]


def public_set(folder: Path) -> None:
    """First place, whole set, and whether the true place is named at all, beside the peers."""
    named: dict[str, list[tuple[list[Place], Place]]] = defaultdict(list)
    took: dict[str, float] = defaultdict(float)
    for case in yaml.safe_load((folder / "config" / "anomaly.yaml").read_text("utf-8")):
        cells, truth = read_case(folder / "data" / f"{case['data']}.csv", case["timestamp"], case["cause"])
        for name, method in {"Pratique": ours, **PEERS}.items():
            begin = time.perf_counter()
            named[name].append((method(cells), truth))
            took[name] += time.perf_counter() - begin
    for name, pairs in named.items():
        cases = len(pairs)
        first = sum(places[:1] == [truth] for places, truth in pairs)
        hit = sum(truth in places for places, truth in pairs)
        f1 = 2 * hit / (cases + sum(len(set(places)) for places, _ in pairs))
        print(
            f"{name:<12} {cases} cases: first place {first / cases:.3f}, set F1 {f1:.3f}, named at all {hit / cases:.3f}; "
            f"nothing named {sum(not places for places, _ in pairs)}; {took[name] / cases:.2f} s a case",
            flush=True,
        )


def ours(cells: Cells) -> list[Place]:
    """The places in the order of the page."""
    return [place.values for place in chosen_set(cells, shown_cells(cells, ALPHA), alpha=ALPHA)]


def read_case(path: Path, minute: int, cause: dict[str, object]) -> tuple[Cells, Place]:
    """Return the leaf cells of the labelled minute beside the minutes before it, and the labelled place."""
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
    bad_before, n_before, bad, served = (
        np.bincount(leaf[part], of[part], count).astype(np.int64) for part in (~now, now) for of in (value, n)
    )
    order = sorted(range(len(sizes)), key=lambda dimension: sizes[dimension])
    share = expected_shares(leaves, sizes, bad_before, n_before, coarser=[order[:end] for end in range(1, len(order) + 1)])
    minutes, block = np.unique(at[~now], return_inverse=True)
    cells = Cells(
        names=tuple(map(tuple, names)),
        keys=leaves,
        bad=bad,
        n=served,
        bad_before=bad_before,
        n_before=n_before,
        expected=served * share,
        spread={},
        blocks=len(minutes),
    )
    past = leaf[~now]
    found = spreads(leaves, sizes, cells.cuboids(), past, block, value[~now], n[~now] * share[past])
    truth = tuple(names[at].index(str(cause[name])) if name in cause else None for at, name in enumerate(attributes))
    return replace(cells, spread=found), truth
