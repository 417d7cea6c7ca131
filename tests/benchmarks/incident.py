"""The incident analysis on simulated faults, beside its peers: the tables of docs/explanation/incident-statistics.md.

    python tests/benchmarks/incident.py                 20 runs a row (a few minutes on two cores)
    python tests/benchmarks/incident.py --runs 200      as many as the tables have
    python tests/benchmarks/incident.py --only places   one part: places, quiet, starts, grades, latency, days, time

All streams come from one seed and are analysed by the code that `pratique incident` runs.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.incident_peers import adtributor, binary_segmentation, penalised, three_sigma
from pratique.incident.history import learn
from pratique.incident.investigate import investigate
from pratique.incident.when import find_onset
from pratique.incident.where import find_places
from pratique.store import open_store
from support.incident_cells import FaultyCells, Values
from support.incident_stories import ACTIONS, HOSTS, MINUTES, START, MemoryStore, Traffic, change, rollups_of, slow_rows

SEED = 20261120
END = START + timedelta(minutes=MINUTES)
KINDS: list[tuple[int, ...]] = [(), (0,), (1,), (2,), (3,), (0, 1), (1, 2), (1, 3), (0, 1, 2), (1, 2, 3)]
"""Dimensions of a fault: revision, action, code, host."""
LEAST_MORE = 30
WINDOWS, DAY = 120, 1440
SHARE = 0.005


def rng_of(*names: object) -> np.random.Generator:
    """A generator for each row, the same in every run."""
    return np.random.default_rng([SEED, zlib.crc32(repr(names).encode())])


def faulty(rng: np.random.Generator, faults: int) -> tuple[FaultyCells, list[Values]]:
    """Traffic with that many faults, each with at least LEAST_MORE bad requests more; of two, neither lies in the other."""
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
    """Where: one fault, two faults, beside Adtributor."""
    for faults in (1, 2):
        rng = rng_of("places", faults)
        ours, peers, took = [], [], 0.0
        for _ in range(runs):
            traffic, truth = faulty(rng, faults)
            cells = traffic.cells()
            begin = time.perf_counter()
            ours.append((list(find_places(cells).values), truth))
            took += time.perf_counter() - begin
            peers.append((adtributor(cells), truth))
        print(f"{faults} fault{'s' if faults > 1 else ' '}, {runs} runs   {scores(ours)}   {took / runs:.2f} s a case")
        print(f"   Adtributor            {scores(peers)}", flush=True)


def quiet(runs: int) -> None:
    """Where: any place named with nothing wrong, and when: any start claimed."""
    for wandering in (0.0, 0.2, 0.4):
        rng = rng_of("quiet places", wandering)
        named = 0
        for _ in range(runs):
            cells = FaultyCells(rng, actions=40, hosts=8, codes=(0.6, 0.3, 0.1), equal=False, wandering=wandering)
            named += bool(find_places(cells.cells()).values)
        print(f"nothing wrong, service wandering by sd {wandering}: any place named {named} of {runs}", flush=True)
    for rate, wandering in ((500, 0.0), (6000, 0.0), (500, 0.2), (6000, 0.2), (6000, 0.4)):
        rng = rng_of("quiet starts", rate, wandering)
        claims = Counter()
        for _ in range(runs):
            past, bad, n = stream(rng, rate, np.ones(WINDOWS), wandering)
            history = learned(past, rate)
            claims["Pratique"] += (
                find_onset(bad, n * history.share, history.phi, tolerated=1.5 * history.caution) is not None
            )
            claims["3 sigma"] += not np.isnan(three_sigma(past, bad))
            claims["Pelt"] += not np.isnan(penalised(bad, past.var()))
        others = ", ".join(f"{name} {claims[name] / runs:.2f}" for name in ("3 sigma", "Pelt"))
        print(
            f"quiet two hours, {rate} a minute, sd {wandering}: a start claimed {claims['Pratique']} of {runs}; {others}",
            flush=True,
        )


def stream(
    rng: np.random.Generator, rate: int, factor: np.ndarray, wandering: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bad requests of a day and of the range by minute, with an AR(1) level, and the requests of the range."""
    total = DAY + WINDOWS
    level = autoregressive(rng, total, wandering)
    mean = rate * SHARE * level * np.concatenate([np.ones(DAY), factor])
    bad = rng.poisson(mean)
    return bad[:DAY], bad[DAY:], np.full(WINDOWS, rate)


def autoregressive(rng: np.random.Generator, length: int, sd: float, memory: float = 0.8) -> np.ndarray:
    """Levels with mean 1, a standard deviation of their log, and a correlation from step to step."""
    noise = rng.standard_normal(length + 50) * sd * np.sqrt(1 - memory**2)
    path = np.zeros(length + 50)
    for at in range(1, length + 50):
        path[at] = memory * path[at - 1] + noise[at]
    return np.exp(path[50:] - sd**2 / 2)


def learned(past: np.ndarray, rate: int):
    """The history in blocks of ten minutes."""
    blocks = past.reshape(-1, 10).sum(axis=1)
    return learn(blocks, np.full(len(blocks), 10 * rate), alpha=0.01, tolerated=1.5)


def starts(runs: int) -> None:
    """When: minutes off, width of the set, and whether it holds the true start."""
    at = np.arange(WINDOWS)
    kinds: list[tuple[str, int, Callable[[int], np.ndarray], str]] = [
        ("500 a minute, step x3", 500, lambda s: np.where(at < s, 1.0, 3.0), "step"),
        ("500 a minute, step x10", 500, lambda s: np.where(at < s, 1.0, 10.0), "step"),
        ("6,000 a minute, step x5", 6000, lambda s: np.where(at < s, 1.0, 5.0), "step"),
        ("6,000 a minute, step x2", 6000, lambda s: np.where(at < s, 1.0, 2.0), "step"),
        ("6,000, ramp of 20 to x5", 6000, lambda s: 1 + 4 * np.clip((at - s + 1) / 20, 0, 1), "ramp"),
        ("6,000, blip of 5 x5", 6000, lambda s: np.where((at >= s) & (at < s + 5), 5.0, 1.0), "blip"),
    ]
    held = shown_all = 0
    for wandering in (0.2, 0.0):
        for name, rate, factor, shape in kinds:
            rng = rng_of("starts", name, wandering)
            off, width, named, simple, binary = [], [], 0, [], []
            for _ in range(runs):
                start = int(rng.integers(40, 90))
                past, bad, n = stream(rng, rate, factor(start), wandering)
                history = learned(past, rate)
                found = find_onset(bad, n * history.share, history.phi, tolerated=1.5 * history.caution)
                simple.append(abs(three_sigma(past, bad) - start))
                binary.append(abs(binary_segmentation(bad) - start))
                if found is None:
                    continue
                off.append(abs(found.best - start))
                width.append(int(found.in_starts.sum()))
                named += found.shape == shape
                held += bool(found.in_starts[start])
                shown_all += 1
            ours = f"off {np.median(off):.1f} ({np.percentile(off, 90):.1f}), set {np.median(width):.1f}, shape {named / len(off):.2f}"
            print(
                f"sd {wandering}, {name:<24} shown {len(off)} of {runs}: {ours}; "
                f"3 sigma off {np.nanmedian(simple):.1f}, Binseg off {np.nanmedian(binary):.1f}",
                flush=True,
            )
    print(f"true start in the set: {held} of {shown_all}", flush=True)


def asked(rows: list[pa.Table], outcome: str = "5xx", changes: Iterable = ()):
    """The analysis of a store."""
    return investigate(MemoryStore.of(*rows), "shop", outcome, start=START, end=END, changes=tuple(changes)).incident


def grades(runs: int) -> None:
    """Whose: the grade of the release in stories with a known cause."""

    def story(name: str, make: Callable[[np.random.Generator], tuple[Traffic, list]]) -> None:
        rng, found, answers = rng_of("grades", name), Counter(), Counter()
        for _ in range(runs):
            traffic, changes = make(rng)
            incident = asked([traffic.rows(rng)], changes=changes)
            own = [suspect.grade for suspect in incident.suspects if suspect.change.service == "shop"]
            found[own[0] if own else "none"] += 1
            answers[incident.answer] += 1
        print(f"{name:<48} {dict(found)}; {dict(answers)}", flush=True)

    def others(rng: np.random.Generator) -> list:
        return [
            change(float(minute), f"r{number}", service=f"s{number}")
            for number, minute in enumerate(rng.uniform(-1320, 120, 12))
        ]

    def canary(rng: np.random.Generator):
        return Traffic.quiet(weights={60: (0.9, 0.1)}).fail(60, 40, "r42"), [change(60), *others(rng)]

    def innocent(rng: np.random.Generator):
        before = int(rng.integers(1, 31))
        return Traffic.quiet(weights={60 - before: (0.9, 0.1)}).fail(60, 8), [change(60 - before), *others(rng)]

    def switch(rng: np.random.Generator):
        return Traffic.quiet(weights={60: (0.0, 1.0)}).fail(60, 8, "r42"), [change(60), *others(rng)]

    def by_chance(rng: np.random.Generator):
        at = 60 - int(rng.integers(0, 3))
        return Traffic.quiet(weights={at: (0.0, 1.0)}).fail(60, 8), [change(at), *others(rng)]

    def both(rng: np.random.Generator):
        return Traffic.quiet(weights={60: (0.5, 0.5)}).fail(60, 8), [change(60), *others(rng)]

    def none(rng: np.random.Generator):
        return Traffic.quiet().fail(60, 8), [change(-300), *others(rng)]

    story("bad canary, 10 % weight, errors x40", canary)
    story("outage x8, innocent canary 1 to 30 min before", innocent)
    story("full switch that is the cause, x8", switch)
    story("outage x8, full switch within 2 min by chance", by_chance)
    story("canary that harms both arms, x8", both)
    story("outage x8, no release near", none)


def latency(runs: int) -> None:
    """Latency outcomes: is it shown, dated and found in its place."""
    stories = {
        "p95, one action on one host 3x slower": ("p95", lambda at, action, host, _: np.where((at >= 60) & (action == ACTIONS[1]) & (host == HOSTS[1]), 3.0, 1.0), (None, ACTIONS[1], None, HOSTS[1])),
        "p95, a dependency slows everything 1.8x": ("p95", lambda at, *_: np.where(at >= 60, 1.8, 1.0), (None,) * 4),
        "p99, only requests above 200 ms 3x slower": ("p99", lambda at, _a, _h, took: np.where((at >= 60) & (took > 200), 3.0, 1.0), (None,) * 4),
    }  # fmt: skip
    for name, (outcome, slower, truth) in stories.items():
        rng, shown, dated, found = rng_of("latency", name), 0, 0, 0
        for _ in range(runs):
            incident = asked([slow_rows(rng, Traffic.quiet(per_minute=200), slower)], outcome)
            if incident.onset is None:
                continue
            shown += 1
            dated += incident.onset.started.first <= START + timedelta(minutes=60) <= incident.onset.started.last
            named = [(p.revision, p.action, p.code, p.host) for p in incident.places.found] if incident.places else []
            found += named == [truth]
        print(f"{name:<44} shown {shown}, start in the set {dated}, place {found} of {runs}", flush=True)


def days(runs: int) -> None:
    """Calibration: quiet days with a daily cycle of traffic and share, overdispersion and autocorrelation; any claim."""
    rng, onsets, claimed = rng_of("days"), 0, 0
    for _ in range(runs):
        traffic = Traffic.quiet(per_minute=float(np.exp(rng.uniform(np.log(60), np.log(3000)))))
        minute = np.arange(len(traffic.n))
        phase, cycle = rng.uniform(0, 2 * np.pi), 1 + 0.5 * np.sin(2 * np.pi * minute / DAY + rng.uniform(0, 2 * np.pi))
        share = 1 + 0.2 * np.sin(2 * np.pi * minute / DAY + phase)
        level = autoregressive(rng, len(minute), float(rng.uniform(0.0, 0.3)), 0.9)
        traffic.n *= cycle[:, None, None, None]
        traffic.share *= (share * level)[None, :, None, None, None]
        clustered = rng.gamma(4.0, 0.25, traffic.n.shape)
        traffic.share *= clustered[None]
        incident = asked([traffic.rows(rng)])
        onsets += incident.onset is not None
        claimed += bool(incident.places and incident.places.found)
    print(f"quiet days: an onset claimed {onsets}, a place {claimed} of {runs}", flush=True)


def how_long(_runs: int) -> None:
    """Time: about 2 million rows of 26 hours in a store on disk, from the store to the answer."""
    rng = rng_of("time")
    traffic = Traffic.quiet(weights={60: (0.9, 0.1)}, per_minute=20_000)
    actions, hosts = 60, 20
    parts = np.maximum(rng.dirichlet(np.full(actions, 0.7)), 1e-4)
    n = traffic.n.sum(axis=(2, 3))[:, :, None, None] * parts[:, None] / hosts * np.ones(hosts)
    share = 0.004 * np.array((0.7, 0.3))[:, None, None, None, None] * np.ones((2, *n.shape))
    big = Traffic(
        "shop",
        traffic.revisions,
        n,
        share,
        tuple(f"GET /{at}" for at in range(actions)),
        tuple(f"h{at}" for at in range(hosts)),
    )
    rows = big.fail(60, 40, "r42", "GET /3").rows(rng)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(f"{folder}/store")
        store.write(rollups_of(rows))
        took = []
        for _ in range(3):
            begin = time.perf_counter()
            incident = investigate(store, "shop", start=START, end=END, changes=[change(60)]).incident
            took.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{rows.num_rows:,} rows: {took[0]:.2f} s the first time, then {min(took[1:]):.2f} s, answer {incident.answer!r}; peak memory of the whole benchmark {peak:,.0f} MiB",
        flush=True,
    )


PARTS = {
    "places": places,
    "quiet": quiet,
    "starts": starts,
    "grades": grades,
    "latency": latency,
    "days": days,
    "time": how_long,
}


def main() -> None:
    """Print the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="runs a row")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be given several times")
    options = parser.parse_args()
    for name in options.only or PARTS:
        print(f"-- {name}")
        PARTS[name](options.runs)


if __name__ == "__main__":
    main()
