"""How a guard's evidence answers to the counts: learned from a few simulated canaries that the guard itself judges.

Evidence is a sum over windows, so it is nearly linear in the canary's and in the baseline's bad requests beyond those
expected. A dozen runs through the judge's own guard are enough to fit that line. Thousands of runs then need counts
only, which makes the chance in a forecast small at little cost (regression as control variate: Glasserman 2003,
Monte Carlo Methods in Financial Engineering, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pratique.judge.guard import Guard
from pratique.judge.hypergeometric import Floats, Ints
from pratique.planning.timeline import Timeline

RUNS = 12
POINTS = 5
"""Times at which the evidence is read in each run."""
BEYOND = 2.0
"""How far beyond the time found first the runs go, so that slow ones also arrive."""
FIRST_LOOK = 48
"""Cells of the first attempt at that."""
LOOK_EVERY = 6


@dataclass(frozen=True)
class Stream:
    """One outcome in both arms: the share of bad requests of baseline and canary, by cell, shape (2, cells).

    requests: expected requests per cell, shape (2, cells), 0 where the guard does not count.
    """

    requests: Floats
    shares: tuple[float, float]
    timeline: Timeline

    def draw(self, rng: np.random.Generator, runs: int, cells: slice) -> tuple[Ints, Ints]:
        """Return bad requests and requests of independent runs, shape (runs, 2, cells)."""
        n = rng.poisson(self.requests[:, cells], (runs, *self.requests[:, cells].shape))
        return rng.binomial(n, np.array(self.shares)[:, None]), n

    @property
    def expected(self) -> Floats:
        """Expected bad requests, shape (2, cells)."""
        return np.asarray(self.requests * np.array(self.shares)[:, None], np.float64)

    @property
    def information(self) -> Floats:
        """The clock of the evidence: cumulated requests of the smaller arm, as it were; shape (cells,)."""
        baseline, canary = self.requests
        return np.asarray(np.cumsum(baseline * canary / np.maximum(baseline + canary, 1e-300)), np.float64)


@dataclass(frozen=True)
class Response:
    """The evidence of one kind: its mean over the cells, and what bad requests beyond the expected ones add.

    mean: shape (cells,). slope: evidence of one more bad request of an arm, shape (2, cells), baseline first.
    bend: evidence of the squared difference of the arms, and balance: the baseline's part in it; shape (cells,).
    level: the evidence that is needed. stretch: the times in the runs through the guard, as multiples of those by the line.
    """

    mean: Floats
    slope: Floats
    bend: Floats
    balance: Floats
    level: float
    stretch: float = 1.0

    def paths(self, beyond: Floats) -> Floats:
        """Return the evidence. beyond: cumulated bad requests beyond the expected ones, shape (runs, 2, cells).

        They may end before the forecast's last cell.
        """
        cells = beyond.shape[2]
        difference = beyond[:, 1] - self.balance[:cells] * beyond[:, 0]
        found = self.mean[:cells] + (self.slope[:, :cells] * beyond).sum(axis=1) + self.bend[:cells] * difference**2
        return np.asarray(found, np.float64)


Reading = Callable[[Guard, Timeline, Ints, Ints, list[int]], Floats]
"""Feeds cells to a guard that has seen none, and returns its evidence after some of them, shape (kinds, cells read).

bad, n: shape (2, cells), baseline first. The list has the cells that are read, rising.
"""


def learn(
    stream: Stream,
    make: Callable[[], Guard],
    read: Reading,
    levels: Floats,
    rng: np.random.Generator,
    *,
    runs: int = RUNS,
    dense: bool = False,
) -> list[Response] | None:
    """Return the response of each kind of evidence; None when no kind reaches its level within the timeline.

    make: makes the guard as it is before the canary. levels: the evidence needed, by kind. runs: to learn from. dense: read the
    guard after every cell, and compare the times at which evidence reaches its level with those by the line.
    """
    reach = _reach(stream, make, read, levels, rng)
    if reach is None:
        return None
    clock = stream.information
    chosen = _points(clock, reach)
    cells = slice(0, chosen[-1] + 1)
    bad, n = stream.draw(rng, runs, cells)
    beyond = np.cumsum(bad - stream.expected[:, cells], axis=2)
    timeline = stream.timeline.until(cells.stop)
    read_at = list(range(cells.stop)) if dense else chosen
    found = np.stack([read(make(), timeline, bad[run], n[run], read_at) for run in range(runs)])
    nothing = np.zeros((2, 1), np.int64)
    empty = read(make(), timeline.until(1), nothing, nothing, [0])[:, 0]
    fitted = [
        _fit(
            stream,
            chosen,
            beyond[:, :, chosen],
            found[:, kind, chosen] if dense else found[:, kind],
            float(empty[kind]),
            float(levels[kind]),
        )
        for kind in range(len(levels))
    ]
    return [_stretched(fit, beyond, found[:, kind], timeline) for kind, fit in enumerate(fitted)] if dense else fitted


def _stretched(response: Response, beyond: Floats, found: Floats, timeline: Timeline) -> Response:
    """Correct the times for what the line does not know: the same counts, by the guard and by the line."""
    by_line, by_guard = (
        first_passage([paths], [response.level], timeline.minutes) for paths in (response.paths(beyond), found)
    )
    both = np.isfinite(by_line) & np.isfinite(by_guard)
    if not both.any():
        return response
    return replace(response, stretch=float(np.exp(np.mean(np.log(by_guard[both] / by_line[both])))))


def _reach(
    stream: Stream, make: Callable[[], Guard], read: Reading, levels: Floats, rng: np.random.Generator
) -> int | None:
    """The first cell, of a few, after which a run has reached a level; None for never."""
    cells = len(stream.timeline)
    for end in (FIRST_LOOK, 2 * FIRST_LOOK, cells):
        stop = min(end, cells)
        bad, n = stream.draw(rng, 1, slice(0, stop))
        looks = sorted({*range(4, stop, LOOK_EVERY), stop - 1})
        reached = (read(make(), stream.timeline.until(stop), bad[0], n[0], looks) >= levels[:, None]).any(axis=0)
        if reached.any():
            return int(looks[int(reached.argmax())])
    return None


def _points(clock: Floats, reach: int) -> list[int]:
    """Cells at about equal steps of the clock until beyond `reach`."""
    goals = np.linspace(0.2, BEYOND, POINTS) * clock[reach]
    found = np.minimum(np.searchsorted(clock, goals), len(clock) - 1)
    return sorted({int(cell) for cell in found} | {min(reach + 1, len(clock) - 1)})


def _fit(stream: Stream, chosen: list[int], beyond: Floats, found: Floats, start: float, level: float) -> Response:
    """Fit mean, slopes and bend by least squares.

    The mean rises from its known start in proportion to the clock, less the price of a mixture, which grows more
    slowly. The slopes may change with the clock. The bend falls with it, as in a likelihood ratio of normal counts.
    """
    runs, clock = len(found), stream.information
    now = clock / clock[chosen[-1]]
    requests = np.cumsum(stream.requests, axis=1)
    balance = requests[1] / np.maximum(requests[0], 1e-9)
    # before the first reading, counts are too small to be called normal
    flat = 1.0 / np.maximum(now, now[chosen[0]])
    at, fall = np.tile(now[chosen], runs), np.tile(flat[chosen], runs)
    effects = [beyond[:, arm].reshape(-1) for arm in range(2)]
    squared = (effects[1] - np.tile(balance[chosen], runs) * effects[0]) ** 2
    columns = [at, np.sqrt(at), *(effect * part for effect in effects for part in (1.0, at)), squared * fall]
    solved, *_ = np.linalg.lstsq(np.stack(columns, axis=1), found.reshape(-1) - start, rcond=1e-9)
    rise, price, b, b_more, c, c_more, bend = solved
    scale = np.minimum(now, 1.0)
    slope = np.stack([b + b_more * scale, c + c_more * scale])
    return Response(start + rise * now + price * np.sqrt(now), slope, bend * flat, balance, level)


def first_passage(paths: list[Floats], levels: list[float], minutes: Floats) -> Floats:
    """Return when any kind of evidence first reaches its level, in minutes, inf for never; shape (runs,).

    paths: evidence by kind, shape (runs, cells). Within a cell the evidence is taken to rise evenly.
    """
    best = np.full(len(paths[0]), math.inf)
    for path, level in zip(paths, levels, strict=True):
        passed = path >= level
        if not passed.any():
            continue
        cell = passed.argmax(axis=1)
        runs = np.arange(len(path))
        now, before = path[runs, cell], np.where(cell > 0, path[runs, cell - 1], -1e9)
        begin = np.where(cell > 0, minutes[cell - 1], 0.0)
        part = (level - before) / np.maximum(now - before, 1e-12)
        time = begin + (minutes[cell] - begin) * np.clip(part, 0.0, 1.0)
        best = np.minimum(best, np.where(passed.any(axis=1), time, math.inf))
    return best
