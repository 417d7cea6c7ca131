"""When: claims on quiet streams, the set of starts, the set of ends, and the second pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import numpy as np

from benchmarks.incident_peers.segmentation import binary_segmentation, penalised, three_sigma
from benchmarks.incident_rows.streams import DAY, END, WINDOWS, analysed, learned, rng_of, stream, wander
from pratique.incident.first_pass import first_pass
from pratique.incident.observed import observe
from pratique.incident.outcome import outcome_of
from pratique.incident.time_range import range_of
from pratique.incident.when import find_onset
from support.incident_stories import ACTIONS, HOSTS, START, MemoryStore, Traffic

Factor = Callable[[int], np.ndarray]
window = np.arange(WINDOWS)


def quiet_starts(runs: int) -> None:
    """Any start claimed in a quiet range."""
    for rate, wandering in ((500, 0.0), (6000, 0.0), (500, 0.2), (6000, 0.2), (6000, 0.4)):
        rng = rng_of("quiet starts", rate, wandering)
        claims: Counter[str] = Counter()
        for _ in range(runs):
            past, bad, n = stream(rng, rate, np.ones(WINDOWS), wandering)
            history = learned(past, rate)
            rise = find_onset(bad, n * history.share, history.phi, tolerated=1.5 * history.caution)
            claims["Pratique"] += rise is not None
            claims["3 sigma"] += not np.isnan(three_sigma(past, bad))
            claims["Pelt"] += not np.isnan(penalised(bad, past.var()))
        others = ", ".join(f"{name} {claims[name] / runs:.2f}" for name in ("3 sigma", "Pelt"))
        print(
            f"quiet two hours, {rate} a minute, sd {wandering}: a start claimed {claims['Pratique']} of {runs}; {others}",
            flush=True,
        )


def starts(runs: int) -> None:
    """Minutes off, width of the set, and whether it holds the true start."""
    kinds: list[tuple[str, int, Factor, str]] = [
        ("500 a minute, step x3", 500, lambda s: np.where(window < s, 1.0, 3.0), "step"),
        ("500 a minute, step x10", 500, lambda s: np.where(window < s, 1.0, 10.0), "step"),
        ("6,000 a minute, step x5", 6000, lambda s: np.where(window < s, 1.0, 5.0), "step"),
        ("6,000 a minute, step x2", 6000, lambda s: np.where(window < s, 1.0, 2.0), "step"),
        ("6,000, ramp of 20 to x5", 6000, lambda s: 1 + 4 * np.clip((window - s + 1) / 20, 0, 1), "ramp"),
        ("6,000, blip of 5 x5", 6000, lambda s: np.where((window >= s) & (window < s + 5), 5.0, 1.0), "blip"),
        ("6,000, ramp of 13 to x4", 6000, lambda s: 1 + 3 * np.clip((window - s + 1) / 13, 0, 1), "ramp"),
        (
            "6,000, x2, 15 later x5",
            6000,
            lambda s: np.where(s > window, 1.0, np.where(s + 15 > window, 2.0, 5.0)),
            "step",
        ),
    ]
    held = shown_all = 0
    for wandering in (0.2, 0.0):
        for name, rate, factor, shape in kinds:
            rng = rng_of("starts", name, wandering)
            off, width, named, inside, simple, binary = [], [], 0, 0, [], []
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
                inside += bool(found.in_starts[start])
            held, shown_all = held + inside, shown_all + len(off)
            print(
                f"sd {wandering}, {name:<24} shown {len(off)} of {runs}: off {np.median(off):.1f} ({np.percentile(off, 90):.1f}), "
                f"set {np.median(width):.1f}, holds the start {inside}, shape {named / len(off):.2f}; "
                f"3 sigma off {np.nanmedian(simple):.1f}, Binseg off {np.nanmedian(binary):.1f}",
                flush=True,
            )
    print(f"true start in the set: {held} of {shown_all}", flush=True)


def ends(runs: int) -> None:
    """Over or not: rises that ended are said to be over, those that go on are not, and the set of ends holds the true end."""
    for name, rate, size, length in (
        ("500 a minute, x10 for 10", 500, 10.0, 10),
        ("6,000 a minute, x5 for 5", 6000, 5.0, 5),
        ("6,000 a minute, x5 for 20", 6000, 5.0, 20),
        ("6,000 a minute, x3 for 30", 6000, 3.0, 30),
        ("500 a minute, x10, goes on", 500, 10.0, DAY),
        ("6,000 a minute, x5, goes on", 6000, 5.0, DAY),
        ("6,000 a minute, x3, goes on", 6000, 3.0, DAY),
        ("6,000, ramp of 20 to x5, goes on", 6000, 0.0, DAY),
    ):
        rng = rng_of("ends", name)
        shown = over = held = 0
        width = []
        for _ in range(runs):
            start = int(rng.integers(40, 80))
            factor = np.where((start <= window) & (start + length > window), size, 1.0)
            factor = factor if size else 1 + 4 * np.clip((window - start + 1) / 20, 0, 1)
            past, bad, n = stream(rng, rate, factor, 0.2)
            history = learned(past, rate)
            found = find_onset(bad, n * history.share, history.phi, tolerated=1.5 * history.caution)
            if found is None:
                continue
            shown += 1
            if found.ended is not None:
                over += 1
                width.append(int(found.in_ends.sum()))
                held += length < DAY and bool(found.in_ends[start + length])
        sets = (
            f", set of ends {np.median(width):.1f} wide, holds the end {held} of {over}"
            if length < DAY and over
            else ""
        )
        print(f"sd 0.2, {name:<34} shown {shown} of {runs}, said to be over {over}{sets}", flush=True)


def second_pass(runs: int) -> None:
    """The set of starts of the first look, and of the place that is named, for a fault in an action of one host."""
    for size in (10.0, 25.0):
        rng = rng_of("second pass", size)
        width, held, shown, dated = {"first": [], "second": []}, Counter(), 0, 0
        for _ in range(runs):
            start = int(rng.integers(40, 90))
            traffic = wander(Traffic.quiet(per_minute=2000).fail(start, size, ACTIONS[2], HOSTS[1]), rng)
            rows = traffic.rows(rng)
            onset = analysed([rows]).incident.onset
            if onset is None:
                continue
            shown += 1
            rise = _first(MemoryStore.of(rows))
            true = START + timedelta(minutes=start)
            width["first"].append(int(rise.in_starts.sum()))
            held["first"] += bool(rise.in_starts[start])
            dated += "dated inside" in onset.reason
            width["second"].append(int((onset.started.last - onset.started.first).total_seconds() // 60) + 1)
            held["second"] += onset.started.first <= true <= onset.started.last
        print(
            f"one action of one host x{size:g}, shown {shown} of {runs}, dated in the place {dated}: first look {np.median(width['first']):.1f} "
            f"windows, holds the start {held['first']}; second {np.median(width['second']):.1f}, {held['second']}",
            flush=True,
        )


def _first(store: MemoryStore):
    """The rise of the first look, with the settings of `investigate`."""
    asked = range_of(store, "shop", START, END, None, complete=END)
    outcome = outcome_of("5xx", store, "shop", asked.before, asked.start)
    observed = observe(
        store, "shop", outcome,
        start=asked.start, end=asked.end, before=asked.before, window_s=asked.window_s, block_s=asked.block_s,
    )  # fmt: skip
    return first_pass(observed, alpha=0.01, tolerated=1.5).rise
