"""Cases that operators labelled: the data set of RobustSpot (Sun and others 2023), 135 minutes of a video service.

The set is not part of this repository. It is in the repository of that paper (FRPv6/RobustSpot on GitHub, MIT licence): `--public FOLDER`
reads `config/anomaly.yaml` and `data/*.csv` there. A row of a case is a minute, some attributes, viewers, and how many of them stalled.
The history is the minutes before the labelled one, without those that are shown to hold an incident, of the service or of a part. The one
setting that was chosen on the set, place_likelihood.UNEVEN, was chosen on every second case; the halves are printed apart.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import yaml

from benchmarks.incident_peers import PEERS
from pratique.incident.cells import CODE, Cells, clustering, cuboids_of, expected_shares, spreads
from pratique.incident.earlier_incidents import usual_entries
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
        print(f"{name:<12} {len(pairs)} cases: {_scores(pairs)}; {took[name] / len(pairs):.2f} s a case", flush=True)
        for half, chosen in (("UNEVEN was chosen", pairs[1::2]), ("nothing was chosen", pairs[::2])):
            print(f"   on which {half:<18} {len(chosen)} cases: {_scores(chosen)}", flush=True)


def _scores(pairs: list[tuple[list[Place], list[Place]]]) -> str:
    """The scores of (named, true) places."""
    cases, found = len(pairs), [len(set(places) & set(truth)) for places, truth in pairs]
    first = sum(bool(places) and places[0] in truth for places, truth in pairs)
    f1 = 2 * sum(found) / sum(len(set(places)) + len(truth) for places, truth in pairs)
    hit, none = sum(map(bool, found)), sum(not places for places, _ in pairs)
    return f"first place {first / cases:.3f}, set F1 {f1:.3f}, named at all {hit / cases:.3f}; nothing named {none}"


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
    past, block = _usual(leaves, sizes, leaf[~now], at[~now], value[~now], n[~now])
    own, bad_past, n_past = (of[~now][past] for of in (leaf, value, n))
    bad_before, n_before = (np.bincount(own, of, count).astype(np.int64) for of in (bad_past, n_past))
    bad, served = (np.bincount(leaf[now], of[now], count).astype(np.int64) for of in (value, n))
    order = sorted(range(len(sizes)), key=lambda dimension: sizes[dimension])
    share = expected_shares(
        leaves, sizes, bad_before, n_before, coarser=[order[:end] for end in range(1, len(order) + 1)]
    )
    mean = n_past * share[own]
    cells = Cells(
        names=tuple(map(tuple, names)),
        keys=leaves,
        bad=bad,
        n=served,
        bad_before=bad_before,
        n_before=n_before,
        expected=served * share,
        spread=spreads(leaves, sizes, cuboids_of(sizes), own, block, bad_past, mean),
        blocks=int(block.max()) + 1,
        clustered=clustering(bad_past, mean),
    )
    truth = [
        tuple(names[at].index(str(one[name])) if name in one else None for at, name in enumerate(attributes))
        for one in (cause if isinstance(cause, list) else [cause])
    ]
    return cells, truth


def _usual(
    keys: np.ndarray, sizes: tuple[int, ...], leaf: np.ndarray, at: np.ndarray, bad: np.ndarray, n: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of the minutes before are usual, without minutes that hold an incident of the service or of a part, and their blocks."""
    minutes, block = np.unique(at, return_inverse=True)
    of_minutes = (np.bincount(block, of, len(minutes)) for of in (bad, n))
    used = learn(*of_minutes, alpha=ALPHA, tolerated=TOLERATED).used
    chosen = np.flatnonzero(used[block])
    number = (np.cumsum(used) - 1)[block[chosen]]
    usual = usual_entries(
        keys, sizes, cuboids_of(sizes), leaf[chosen], number, bad[chosen], n[chosen], alpha=ALPHA, tolerated=TOLERATED
    )
    return chosen[usual], number[usual]
