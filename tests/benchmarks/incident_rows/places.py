"""Where: places named, their precision, and whether further places are confirmed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from benchmarks.incident_peers import PEERS
from benchmarks.incident_rows.streams import rng_of
from pratique.incident.cells import CODE, Cells
from pratique.incident.confirmation import YES, confirmed
from pratique.incident.where import find_places
from support.incident_cells import FaultyCells, Values

KINDS: list[tuple[int, ...]] = [(), (0,), (1,), (2,), (3,), (0, 1), (1, 2), (1, 3), (0, 1, 2), (1, 2, 3)]
"""Dimensions of a fault: revision, action, code, host."""
LEAST_MORE = 30
ALPHA = 0.01


def faulty(rng: np.random.Generator, faults: int) -> tuple[FaultyCells, list[Values]]:
    """Traffic with that many faults, each with at least LEAST_MORE bad requests more; of several, none lies in another."""
    while True:
        cells = FaultyCells(rng, actions=40, hosts=8, codes=(0.6, 0.3, 0.1), equal=False)
        truth: list[Values] = []
        sizes = []
        for _ in range(faults):
            kind = KINDS[rng.integers(len(KINDS))]
            values = tuple(int(rng.integers(cells.sizes[at])) if at in kind else None for at in range(4))
            before = cells.excess
            if rng.random() < 0.5:
                cells.fault(values, "times", float(np.exp(rng.uniform(np.log(2.0), np.log(20.0)))))
            else:
                cells.fault(values, "more", float(np.exp(rng.uniform(np.log(0.01), np.log(0.3)))))
            truth.append(values)
            sizes.append(cells.excess - before)
        if min(sizes) >= max(LEAST_MORE, 0.05 * sum(sizes) if faults > 1 else 0) and not nested(truth):
            return cells, truth


def nested(truth: list[Values]) -> bool:
    """Whether one place lies in another."""
    return any(
        one is not other and all(a is None or a == b for a, b in zip(one, other, strict=True))
        for one in truth
        for other in truth
    )


def scores(found: Iterable[tuple[list[Values], list[Values]]]) -> str:
    """First place, three places, and the set, from (named, true) pairs."""
    pairs = list(found)
    hits = sum(len(set(named) & set(truth)) for named, truth in pairs)
    named, true = sum(len(set(n)) for n, _ in pairs), sum(len(t) for _, t in pairs)
    precision, recall = hits / max(named, 1), hits / max(true, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    top = [sum(any(place in t for place in n[:count]) for n, t in pairs) / len(pairs) for count in (1, 3)]
    return f"top-1 {top[0]:.3f}  top-3 {top[1]:.3f}  F1 {f1:.3f}  (P {precision:.3f}, R {recall:.3f})"


def places(runs: int) -> None:
    """One fault, two faults, beside the peers."""
    methods = {"Pratique": lambda cells: list(find_places(cells).values), **PEERS}
    for faults in (1, 2):
        rng = rng_of("places", faults)
        named: dict[str, list[tuple[list[Values], list[Values]]]] = defaultdict(list)
        took: Counter[str] = Counter()
        for _ in range(runs):
            traffic, truth = faulty(rng, faults)
            cells = traffic.cells()
            for name, method in methods.items():
                begin = time.perf_counter()
                named[name].append((method(cells), truth))
                took[name] += time.perf_counter() - begin
        print(f"{faults} fault{'s' if faults > 1 else ''}, {runs} runs")
        for name, pairs in named.items():
            print(f"   {name:<12} {scores(pairs)}   {took[name] / runs:.2f} s a case", flush=True)


def quiet_places(runs: int) -> None:
    """Any place named with nothing wrong."""
    for wandering in (0.0, 0.2, 0.4):
        rng = rng_of("quiet places", wandering)
        named = 0
        for _ in range(runs):
            cells = FaultyCells(rng, actions=40, hosts=8, codes=(0.6, 0.3, 0.1), equal=False, wandering=wandering)
            named += bool(find_places(cells.cells()).values)
        print(f"nothing wrong, service wandering by sd {wandering}: any place named {named} of {runs}", flush=True)


def further_places(runs: int) -> None:
    """Places after the first: how many that are confirmed on the other windows are false, and how many true ones are confirmed."""
    for faults in (1, 2, 3):
        rng = rng_of("further places", faults)
        count: Counter[tuple[bool, bool]] = Counter()
        for _ in range(runs):
            traffic, truth = faulty(rng, faults)
            cells = traffic.cells()
            found = find_places(cells, alpha=ALPHA)
            told = confirmed(found, *halves(rng, cells), alpha=ALPHA)
            for values, place in zip(found.values[1:], told.places.found[1:], strict=True):
                count[values in truth, place.reason.endswith(YES)] += 1
        kept = count[True, True] + count[False, True]
        print(
            f"{faults} fault{'s' if faults > 1 else ''}, {runs} runs: {sum(count.values())} further places, confirmed {kept}, of these "
            f"false {count[False, True]}; true ones confirmed {count[True, True]} of {count[True, True] + count[True, False]}, "
            f"false ones {count[False, True]} of {count[False, True] + count[False, False]}",
            flush=True,
        )


def halves(rng: np.random.Generator, cells: Cells) -> tuple[Cells, Cells]:
    """The requests of every second window, and the others."""
    by_request = cells.keys.copy()
    by_request[CODE] = 0
    request = np.unique(by_request, axis=1, return_inverse=True)[1].reshape(-1)
    share = cells.expected / np.maximum(cells.n, 1)
    of_request = np.zeros(request.max() + 1, np.int64)
    of_request[request] = cells.n
    n, bad = rng.binomial(of_request, 0.5)[request], rng.binomial(cells.bad, 0.5)
    other_n, other_bad = cells.n - n, cells.bad - bad
    return (
        replace(cells, bad=bad, n=n, expected=n * share),
        replace(cells, bad=other_bad, n=other_n, expected=other_n * share),
    )
