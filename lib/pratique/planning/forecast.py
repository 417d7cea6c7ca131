"""The forecast: how long a good release takes to be promoted, and how soon a bad one is found."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pratique.config import Policy, RolloutSettings
from pratique.judge.hypergeometric import Floats, Ints
from pratique.planning.guards import PlannedGuard, WorseReader, planned_guards
from pratique.planning.response import Response, Stream, first_passage, learn
from pratique.planning.timeline import timeline
from pratique.planning.traffic import Traffic, worse

FACTORS = (1.5, 2.0, 5.0)
"""How much worse the canaries are whose detection is forecast: odds ratios of the outcome."""
RUNS = 600
"""Runs of counts alone."""
RUNS_WORSE = 20
"""Runs of a worse canary through the guard: their evidence is further from a line."""
SEED = 20261120
Progress = Callable[[int, int], None]
Known = dict[Hashable, list[Response] | None]
LONGEST_MIN = 30 * 1440.0
"""No forecast goes beyond a month."""
WHOLE = "release"
"""The name of the row for the whole release."""


@dataclass(frozen=True)
class Duration:
    """A time in minutes that depends on chance: its median and what 90 % do not exceed. None: longer than a month."""

    median: float | None
    p90: float | None


@dataclass(frozen=True)
class GuardForecast:
    """The forecast of one guard, or of the whole release.

    rate: share of the baseline's requests with the outcome; None for the release. promoted: until a canary like the
    baseline is shown to be within the tolerances. found: by factor, until a canary is rolled back whose outcome (of
    the release: every outcome) is that much worse, as an odds ratio. by: the tolerance that is shown first, "ratio"
    or "excess". tolerated: the factors that are within the guard's tolerances, so that they are not rolled back.
    """

    name: str
    rate: float | None
    promoted: Duration
    found: dict[float, Duration]
    by: str = ""
    tolerated: tuple[float, ...] = ()


@dataclass(frozen=True)
class Forecast:
    """What to expect of a release.

    guards: in the order of the policy. release: the whole. deadline_min: of the judge. within_deadline: the chance
    that a good release is promoted before the deadline. per_minute: requests; share: the canary's in the last stage.
    """

    guards: tuple[GuardForecast, ...]
    release: GuardForecast
    deadline_min: float
    within_deadline: float
    per_minute: float
    stages: tuple[float, ...]
    stage_min_windows: int
    window_s: int
    source: str

    @property
    def slowest(self) -> GuardForecast:
        """The guard that is promoted last."""
        return max(self.guards, key=lambda guard: _order(guard.promoted.median))

    @property
    def fits(self) -> bool:
        """Whether at least half of the good releases are promoted before the deadline."""
        return self.within_deadline >= 0.5

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; times in minutes."""
        found = asdict(self)
        for row in [*found["guards"], found["release"]]:
            row["found"] = {f"{factor:g}": duration for factor, duration in row["found"].items()}
        return found | {"fits": self.fits}


def _order(minutes: float | None) -> float:
    return math.inf if minutes is None else minutes


def forecast(
    traffic: Traffic,
    policy: Policy,
    rollout: RolloutSettings,
    *,
    factors: Sequence[float] = FACTORS,
    progress: Progress | None = None,
    known: Known | None = None,
) -> Forecast:
    """Return what to expect of a release under this traffic. The same input gives the same answer.

    factors: how much worse the canaries are whose detection is forecast; empty for the promotion alone. progress: called
    with the steps done and their number. known: keeps what one forecast has learned for the next one of the same traffic.
    """
    return _Forecaster(traffic, policy, rollout, progress or (lambda *_: None), {} if known is None else known).run(
        tuple(factors)
    )


class _Forecaster:
    def __init__(
        self, traffic: Traffic, policy: Policy, rollout: RolloutSettings, progress: Progress, known: Known
    ) -> None:
        self._traffic, self._policy, self._rollout = traffic, policy, rollout
        self._progress, self._known = progress, known
        self._guards = planned_guards(policy, traffic)
        self._timeline = timeline(rollout.stages, rollout.stage_min_windows, traffic.window_s, LONGEST_MIN)
        self._requests = self._timeline.requests(traffic.per_minute)

    def run(self, factors: tuple[float, ...]) -> Forecast:
        steps = len(self._guards) * (1 + len(factors))
        within: dict[str, list[Response] | None] = {}
        worse_by: dict[float, dict[str, list[Response] | None]] = {factor: {} for factor in factors}
        done = 0
        for guard in self._guards:
            self._progress(done, steps)
            within[guard.name] = self._within(guard)
            for factor in factors:
                worse_by[factor][guard.name] = self._worse(guard, factor)
            done += 1 + len(factors)
        self._progress(steps, steps)
        promoted, chance, alone, by = self._promoted(within)
        found = {factor: self._found(responses, factor) for factor, responses in worse_by.items()}
        rows = tuple(
            GuardForecast(
                guard.name,
                guard.outcome.rate,
                alone[guard.name],
                {factor: found[factor][guard.name] for factor in factors},
                by[guard.name],
                tuple(factor for factor in factors if _is_tolerated(guard, factor)),
            )
            for guard in self._guards
        )
        whole = GuardForecast(WHOLE, None, promoted, {factor: found[factor][WHOLE] for factor in factors})
        return Forecast(
            rows,
            whole,
            self._policy.deadline_min,
            chance,
            self._traffic.per_minute,
            tuple(self._rollout.stages),
            self._rollout.stage_min_windows,
            self._traffic.window_s,
            self._traffic.source,
        )

    def _within(self, guard: PlannedGuard) -> list[Response] | None:
        key = (guard.name, guard.settings.model_dump_json(), guard.outcome, tuple(self._rollout.stages))
        if key not in self._known:
            self._known[key] = self._learn_within(guard)
        return self._known[key]

    def _learn_within(self, guard: PlannedGuard) -> list[Response] | None:
        goal = -math.log(self._policy.alpha_promote)
        by_excess = goal if guard.settings.tolerated_excess > 0 and guard.outcome.rate <= 0.9 else math.inf
        stream = self._stream(guard, guard.outcome.rate)
        rng = np.random.default_rng(SEED)
        return learn(stream, guard.make, guard.read_within, np.array([goal, by_excess]), rng)

    def _worse(self, guard: PlannedGuard, factor: float) -> list[Response] | None:
        if _is_tolerated(guard, factor):
            return None
        rng = np.random.default_rng(SEED)
        level = -math.log(self._policy.alpha * guard.weight)
        stream = self._stream(guard, worse(guard.outcome.rate, factor))
        reader = WorseReader(self._traffic, rng)
        return learn(stream, guard.make_for_rollback, reader, np.array([level]), rng, runs=RUNS_WORSE, dense=True)

    def _stream(self, guard: PlannedGuard, canary: float) -> Stream:
        return Stream(self._counted(guard), (guard.outcome.rate, canary), self._timeline)

    def _counted(self, guard: PlannedGuard) -> Floats:
        """Expected requests that the guard counts: of latency those after the warm-up."""
        if not guard.settings.is_latency:
            return self._requests
        warm = self._timeline.last < self._policy.warmup_windows
        return np.where(warm, 0.0, self._requests)

    def _promoted(
        self, within: dict[str, list[Response] | None]
    ) -> tuple[Duration, float, dict[str, Duration], dict[str, str]]:
        """The time until promotion: of the release, its chance before the deadline, of each guard, and by what."""
        cells = self._cells([found for found in within.values() if found])
        minutes = self._timeline.minutes[:cells]
        beyond = self._beyond(1.0, cells)
        met, alone, by = np.ones((RUNS, cells), bool), {}, {}
        for guard in self._guards:
            responses = within[guard.name]
            if responses is None:
                met[:] = False
                alone[guard.name], by[guard.name] = Duration(None, None), ""
                continue
            paths = [response.paths(beyond[guard.name]) for response in responses]
            levels = [response.level for response in responses]
            met &= np.logical_or.reduce([path >= level for path, level in zip(paths, levels, strict=True)])
            times = [first_passage([path], [level], minutes) for path, level in zip(paths, levels, strict=True)]
            alone[guard.name] = self._duration(np.minimum.reduce(times))
            by[guard.name] = "ratio" if np.median(times[0]) <= np.median(times[-1]) else "excess"
        met &= np.cumsum(self._requests[1])[:cells] >= self._policy.minimum_requests
        met &= self._timeline.last[:cells] + 1 >= len(self._rollout.stages) * self._rollout.stage_min_windows
        middle = 0.5 * (minutes + np.append(0.0, minutes[:-1]))
        whole = np.where(met.any(axis=1), middle[met.argmax(axis=1)], math.inf)
        return self._duration(whole), float((whole <= self._policy.deadline_min).mean()), alone, by

    def _found(self, responses: dict[str, list[Response] | None], factor: float) -> dict[str, Duration]:
        """The time until rollback when one outcome is worse, by guard, and when all are."""
        known = {name: found[0] for name, found in responses.items() if found}
        cells = self._cells([[found] for found in known.values()])
        minutes = self._timeline.minutes[:cells]
        beyond = self._beyond(factor, cells)
        combined = np.full((RUNS, cells), -math.inf)
        alone = {}
        for guard in self._guards:
            if guard.name in known:
                response = known[guard.name]
                path = response.paths(beyond[guard.name])
                alone[guard.name] = response.stretch * first_passage([path], [response.level], minutes)
                combined = np.logaddexp(combined, path + math.log(guard.weight))
        whole = first_passage([combined], [-math.log(self._policy.alpha)], minutes)
        if alone:
            soonest = min(alone, key=lambda name: float(np.median(alone[name])))
            whole = known[soonest].stretch * whole
        nothing = Duration(None, None)
        found = {
            guard.name: self._duration(alone[guard.name]) if guard.name in alone else nothing for guard in self._guards
        }
        return found | {WHOLE: self._duration(whole)}

    def _cells(self, found: list[list[Response]]) -> int:
        """Cells to simulate: until well after the mean evidence has reached its level, of the slowest guard."""
        reached = [
            min(int(np.argmax(r.mean >= r.level)) if (r.mean >= r.level).any() else len(r.mean) - 1 for r in responses)
            for responses in found
        ]
        last = self._timeline.minutes[max(reached, default=0)]
        least = len(self._rollout.stages) * self._rollout.stage_min_windows
        return min(len(self._timeline), max(int(np.searchsorted(self._timeline.minutes, 4.0 * last)) + 1, least + 1))

    def _beyond(self, factor: float, cells: int) -> dict[str, Floats]:
        """Simulate counts: cumulated bad requests beyond the expected ones, by guard, shape (RUNS, 2, cells).

        The latency guards count the same requests: whatever is beyond p99 is beyond p50 too.
        """
        rng = np.random.default_rng(SEED + 1)
        expected = self._requests[:, :cells]
        requests = rng.poisson(expected, (RUNS, *expected.shape))
        slower: tuple[Ints, Floats] | None = None
        found = {}
        for guard in sorted(self._guards, key=lambda guard: -guard.outcome.rate):
            rate = guard.outcome.rate
            shares = np.array([rate, worse(rate, factor)])[:, None]
            if guard.settings.is_latency and slower is not None:
                before, before_shares = slower
                bad = rng.binomial(before, shares / before_shares)
            else:
                bad = rng.binomial(requests, shares)
            if guard.settings.is_latency:
                slower = bad, shares
            counted = self._counted(guard)[:, :cells]
            found[guard.name] = np.cumsum(np.where(counted > 0, bad, 0) - counted * shares, axis=2)
        return found

    def _duration(self, times: Floats) -> Duration:
        median, p90 = (self._on_a_look(float(np.quantile(times, q, method="higher"))) for q in (0.5, 0.9))
        return Duration(median, p90)

    def _on_a_look(self, minutes: float) -> float | None:
        """The end of the window in which it happens."""
        if not math.isfinite(minutes):
            return None
        window = self._traffic.window_s / 60.0
        return round(math.ceil(minutes / window - 1e-6) * window, 4)


def _is_tolerated(guard: PlannedGuard, factor: float) -> bool:
    """Whether a canary that much worse is within the guard's ratio or within its excess."""
    rate = guard.outcome.rate
    return factor <= guard.outcome.ratio or 0 < worse(rate, factor) - rate <= guard.settings.tolerated_excess
