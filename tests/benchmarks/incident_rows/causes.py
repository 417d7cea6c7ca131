"""Did a release cause it: grades in stories with a known cause, and what is said beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import numpy as np

from benchmarks.incident_rows.streams import analysed, autoregressive, rng_of, wander
from pratique.incident.parallel_trends import placebos
from support.incident_stories import ACTIONS, Traffic, change

Story = Callable[[np.random.Generator], tuple[Traffic, list]]

STEPS = {60: (0.98, 0.02), 75: (0.9, 0.1), 90: (0.5, 0.5)}
"""Weights of a canary that is raised twice."""
HARMED = "the others fared worse at each larger weight"


def others(rng: np.random.Generator) -> list:
    """Twelve changes of other services in a day."""
    return [
        change(float(minute), f"r{number}", service=f"s{number}")
        for number, minute in enumerate(rng.uniform(-1320, 120, 12))
    ]


def grades(runs: int) -> None:
    """The grade of the release."""

    def story(name: str, make: Story) -> None:
        rng, found, answers = rng_of("grades", name), Counter(), Counter()
        for _ in range(runs):
            traffic, changes = make(rng)
            incident = analysed([traffic.rows(rng)], changes=changes).incident
            own = [suspect.grade for suspect in incident.suspects if suspect.change.service == "shop"]
            found[own[0] if own else "none"] += 1
            answers[incident.answer] += 1
        print(f"{name:<48} {dict(found)}; {dict(answers)}", flush=True)

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


def dose(runs: int) -> None:
    """A canary whose weight is raised twice: is it said that the others fare worse the more weight it has?"""

    def shared(traffic: Traffic) -> Traffic:
        return traffic.fail(60, 3.0).fail(75, 2.0).fail(90, 3.0)

    stories: dict[str, Callable[[Traffic], Traffic]] = {
        "both arms worse with each weight: x3, x6, x18": shared,
        "outage x8 at 60, the same at every weight": lambda traffic: traffic.fail(60, 8.0),
        "outage x8 from 60 to 100": lambda traffic: traffic.fail(60, 8.0, until=100),
        "the canary alone, x40": lambda traffic: traffic.fail(60, 40.0, "r42"),
        "outage that grows by itself, x3, x6, x18 at 65, 80, 95": lambda traffic: (
            traffic.fail(65, 3.0).fail(80, 2.0).fail(95, 3.0)
        ),
    }
    for name, harm in stories.items():
        rng, said, shown, found = rng_of("dose", name), 0, 0, Counter()
        for _ in range(runs):
            traffic = wander(harm(Traffic.quiet(weights=STEPS, per_minute=2000)), rng)
            incident = analysed([traffic.rows(rng)], changes=[change(60)]).incident
            shown += incident.onset is not None
            for suspect in incident.suspects[:1]:
                said += HARMED in suspect.reason
                found[suspect.grade] += 1
        print(f"{name:<54} shown {shown} of {runs}, said {said}; {dict(found)}", flush=True)


def parallel_trends(runs: int) -> None:
    """Difference-in-differences: how often the place is among the largest 5 % of the earlier times."""
    for size in (2.0, 4.0, 8.0):
        rng, ranks = rng_of("parallel trends", size), []
        for _ in range(runs):
            traffic = wander(Traffic.quiet(weights={60: (0.0, 1.0)}).fail(60, size, "r42", ACTIONS[2]), rng)
            found = analysed([traffic.rows(rng)], changes=[change(60)])
            known = [measured.placebos for measured in found.measures.suspects if measured.placebos is not None]
            ranks += [beside.rank / len(beside.log_ratios) for beside in known[:1]]
        rare = sum(rank <= 0.05 for rank in ranks)
        print(
            f"full switch that breaks one action x{size:g}: compared {len(ranks)} of {runs}, largest 5 % {rare}",
            flush=True,
        )
    for name, factor in (("nothing changes", 1.0), ("everything rises x8 alike", 8.0)):
        rng = rng_of("parallel trends", name)
        rare = sum(_rank_by_chance(rng, factor) <= 0.05 for _ in range(10 * runs))
        print(f"{name}, a tenth of the requests as the place: largest 5 % {rare} of {10 * runs}", flush=True)


def _rank_by_chance(rng: np.random.Generator, factor: float, blocks: int = 48) -> float:
    """The rank of a place that moves as the rest does; 18,000 requests a block, a share that wanders."""
    level = autoregressive(rng, blocks + 1, 0.2)
    level[-1] *= factor
    n = np.array([1_800, 16_200])[:, None] * np.ones(blocks + 1, np.int64)
    bad = rng.poisson(n * 0.004 * level)
    times = np.datetime64("2026-11-20", "ms") + np.arange(blocks) * np.timedelta64(1800, "s")
    found = placebos(bad[0, :-1], n[0, :-1], bad[1, :-1], n[1, :-1], times, (bad[:, -1], n[:, -1]))
    return found.rank / len(found.log_ratios)


def hits_all(runs: int) -> None:
    """Four services: which are said to have begun at the same time?"""

    def service(name: str, rng: np.random.Generator, at: int | None) -> Traffic:
        traffic = wander(Traffic.quiet(name), rng)
        return traffic if at is None else traffic.fail(at, 8.0)

    names = ("shop", "cart", "search", "users")
    stories: dict[str, Callable[[np.random.Generator], tuple[int | None, ...]]] = {
        "all four within 2 minutes": lambda rng: tuple(60 + int(rng.integers(0, 3)) for _ in names),
        "shop alone": lambda _: (60, None, None, None),
        "cart 40 minutes before, others quiet": lambda _: (60, 20, None, None),
        "cart 10 minutes before, others quiet": lambda _: (60, 50, None, None),
    }
    for name, make in stories.items():
        rng, said, shown = rng_of("hits all", name), Counter(), 0
        for _ in range(runs):
            rows = [service(own, rng, at).rows(rng) for own, at in zip(names, make(rng), strict=True)]
            incident = analysed(rows).incident
            shown += incident.onset is not None
            found = re.search(
                r"at the same time in (\d) of (\d) services", incident.sentence + " ".join(incident.findings)
            )
            said[int(found[1]) if found else 1] += 1
        print(
            f"{name:<38} shown {shown} of {runs}; services said to share it: {dict(sorted(said.items()))}", flush=True
        )
