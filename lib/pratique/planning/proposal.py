"""Settings with which good releases are promoted in a wished time: found by search, checked by a forecast."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from pratique.config import GuardPolicy, Policy, RolloutSettings
from pratique.planning.forecast import Forecast, Known, forecast
from pratique.planning.traffic import Outcome, Traffic, odds, worse

RATIOS = (1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0)
EXCESSES = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05)
BUCKETS = (2, 3, 4, 5, 6, 8, 12, 16)
"""Tolerated slowness in buckets of 2^(1/16)."""
SHARES = (5.0, 10.0, 25.0, 50.0)


@dataclass(frozen=True)
class Proposal:
    """Changed settings, and the forecast with them. title: what changes, in a few words."""

    title: str
    policy: Policy
    rollout: RolloutSettings
    forecast: Forecast

    def changes(self, policy: Policy, rollout: RolloutSettings) -> dict[str, Any]:
        """Return the keys of `[services.NAME]` that differ from the given settings; all guards if one differs."""
        found: dict[str, Any] = {}
        if self.rollout.stages != rollout.stages:
            found["rollout"] = {"stages": list(self.rollout.stages)}
        if self.policy.deadline_min != policy.deadline_min:
            found["judge"] = {"deadline_min": self.policy.deadline_min}
        if self.policy.guards != policy.guards:
            guards = {name: guard.model_dump(exclude_defaults=True) for name, guard in self.policy.guards.items()}
            found["judge"] = found.get("judge", {}) | {"guards": guards}
        return found

    def to_json(self, policy: Policy, rollout: RolloutSettings) -> dict[str, Any]:
        """Return plain JSON values. policy, rollout: the settings that the changes refer to."""
        promoted = self.forecast.release.promoted
        return {
            "title": self.title,
            "changes": self.changes(policy, rollout),
            "promoted": {"median": promoted.median, "p90": promoted.p90},
        }


def propose(
    traffic: Traffic, policy: Policy, rollout: RolloutSettings, current: Forecast, within_min: float, known: Known
) -> list[Proposal]:
    """Return settings with which 90 % of good releases are promoted within some minutes, the mildest change first.

    current: the forecast with the settings as they are. known: what it has learned. Empty when they suffice already.
    """
    if _arrives(current, within_min):
        return []
    found = []
    wider = _more_traffic(rollout)
    if wider is not None:
        found += _checked("more traffic for the canary", traffic, policy, wider, within_min, known)
    found += _with_tolerances("wider tolerances", traffic, policy, rollout, within_min, known)
    if not found and wider is not None:
        found += _with_tolerances("more traffic and wider tolerances", traffic, policy, wider, within_min, known)
    patient = _patient(policy, rollout, current)
    return found + ([patient] if patient and within_min >= policy.deadline_min else [])


def _arrives(found: Forecast, within_min: float) -> bool:
    p90 = found.release.promoted.p90
    return p90 is not None and p90 <= within_min


def _with_tolerances(
    title: str, traffic: Traffic, policy: Policy, rollout: RolloutSettings, within_min: float, known: Known
) -> list[Proposal]:
    """A proposal with wider tolerances, if there is one. All guards together take longer than each alone."""
    for part in (1.0, 0.75, 0.5):
        tolerant = _tolerant(traffic, policy, rollout, part * within_min, known)
        if tolerant is None:
            return []
        found = _checked(title, traffic, tolerant, rollout, within_min, known)
        if found:
            return found
    return []


def _checked(
    title: str, traffic: Traffic, policy: Policy, rollout: RolloutSettings, within_min: float, known: Known
) -> list[Proposal]:
    found = forecast(adapted(traffic, policy), policy, rollout, factors=(), known=known)
    return [Proposal(title, policy, rollout, found)] if _arrives(found, within_min) else []


def _more_traffic(rollout: RolloutSettings) -> RolloutSettings | None:
    """The same rollout with further stages up to 50 %, where two revisions are compared best."""
    last = rollout.stages[-1]
    further = tuple(share for share in SHARES if share > last)
    return rollout.model_copy(update={"stages": (*rollout.stages, *further[-2:])}) if further else None


def _patient(policy: Policy, rollout: RolloutSettings, current: Forecast) -> Proposal | None:
    """The same settings with a deadline that 90 % of good releases meet."""
    p90 = current.release.promoted.p90
    if p90 is None or p90 <= policy.deadline_min:
        return None
    step = 15 if p90 < 240 else 60
    longer = policy.model_copy(update={"deadline_min": float(math.ceil(p90 / step) * step)})
    return Proposal("a longer deadline", longer, rollout, current)


def _tolerant(
    traffic: Traffic, policy: Policy, rollout: RolloutSettings, within_min: float, known: Known
) -> Policy | None:
    """The policy with the smallest tolerances that each guard shows in time; None when a guard has none."""
    guards = {}
    for name, guard in policy.guards.items():
        outcome = traffic.outcomes[name]
        fits = [
            changed
            for candidates in _wider(guard, outcome)
            if (changed := _first_in_time(name, candidates, traffic, policy, rollout, within_min, known)) is not None
        ]
        if not fits:
            return None
        guards[name] = min(fits, key=lambda changed: _tolerated_share(changed, outcome))
    return policy.model_copy(update={"guards": guards})


def _wider(guard: GuardPolicy, outcome: Outcome) -> Iterator[list[GuardPolicy]]:
    """Series of ever wider tolerances: the guard as it is first, then by ratio or slowness, and by excess."""
    if guard.is_latency:
        slower = [2 ** (steps / 16) for steps in BUCKETS if 2 ** (steps / 16) > guard.tolerated_slower * 1.001]
        yield [guard, *(guard.model_copy(update={"tolerated_slower": round(value, 4)}) for value in slower)]
        return
    ratios = [ratio for ratio in RATIOS if ratio > outcome.ratio]
    yield [guard, *(guard.model_copy(update={"tolerated_ratio": ratio}) for ratio in ratios)]
    excesses = [excess for excess in EXCESSES if excess > guard.tolerated_excess]
    yield [guard, *(guard.model_copy(update={"tolerated_excess": excess}) for excess in excesses)]


def _first_in_time(
    name: str,
    candidates: list[GuardPolicy],
    traffic: Traffic,
    policy: Policy,
    rollout: RolloutSettings,
    within_min: float,
    known: Known,
) -> GuardPolicy | None:
    """The first of ever wider settings that is shown in time, found by bisection."""

    def in_time(settings: GuardPolicy) -> bool:
        alone = policy.model_copy(update={"guards": {name: settings}})
        return _arrives(forecast(adapted(traffic, alone), alone, rollout, factors=(), known=known), within_min)

    if in_time(candidates[0]):
        return candidates[0]
    low, high = 0, len(candidates) - 1
    if high == 0 or not in_time(candidates[high]):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if in_time(candidates[middle]) else (middle, high)
    return candidates[high]


def _tolerated_share(guard: GuardPolicy, outcome: Outcome) -> float:
    """The largest share of bad requests in a canary that is within the tolerances."""
    ratio = _ratio_of(guard, outcome) if guard.is_latency else (guard.tolerated_ratio or 1.0)
    return max(worse(outcome.rate, ratio), outcome.rate + guard.tolerated_excess)


def adapted(traffic: Traffic, policy: Policy) -> Traffic:
    """Return the traffic with the tolerated ratios of another policy for the same outcomes.

    The ratio of a latency guard follows from its tolerated slowness: durations near the threshold are taken to be
    lognormal, with the spread that the ratio measured so far implies.
    """
    outcomes = {}
    for name, guard in policy.guards.items():
        outcome = traffic.outcomes[name]
        ratio = _ratio_of(guard, outcome) if guard.is_latency else guard.tolerated_ratio or 1.0
        outcomes[name] = replace(outcome, ratio=ratio)
    return replace(traffic, outcomes=outcomes)


def _ratio_of(guard: GuardPolicy, outcome: Outcome) -> float:
    if outcome.slower <= 1.0 or outcome.ratio <= 1.0 or guard.tolerated_slower == outcome.slower:
        return outcome.ratio
    normal = NormalDist()
    start = normal.inv_cdf(outcome.rate)
    reach = (normal.inv_cdf(worse(outcome.rate, outcome.ratio)) - start) / math.log(outcome.slower)
    shifted = min(normal.cdf(start + reach * math.log(guard.tolerated_slower)), 1.0 - 1e-9)
    return min(max(odds(shifted) / odds(outcome.rate), guard.tolerated_ratio or 1.0), 10.0)
