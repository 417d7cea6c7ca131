"""The traffic that a plan is made for: requests a minute, and how often each guard's outcome occurs in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from pratique.config import GuardPolicy, Policy
from pratique.errors import UsageError

SPREAD = 0.6
"""Standard deviation of the log of durations that is assumed where none were measured."""
RARE = 0.001
"""Share of requests with the outcome of a guard that is assumed where none was measured or given."""
USUAL = {"5xx": 0.005, "4xx": 0.02}


@dataclass(frozen=True)
class Outcome:
    """One guard's outcome in the baseline's traffic.

    rate: share of requests with the outcome. ratio: tolerated odds ratio. dispersion: φ as the judge measures it.
    slower: for a latency guard, the factor by which all durations grow when the ratio is reached.
    """

    rate: float
    ratio: float
    dispersion: float
    slower: float = 1.0


@dataclass(frozen=True)
class Traffic:
    """What the judge will see of a service.

    actions: requests a minute by action, of both revisions together. outcomes: by guard. window_s: length of a window
    in seconds. history: baseline requests that the judge knows before the canary; 0 means none.
    source: where the numbers come from, in a few words.
    """

    actions: Mapping[str, float]
    outcomes: Mapping[str, Outcome]
    window_s: int
    history: int
    source: str

    @property
    def per_minute(self) -> float:
        """Requests a minute of the whole service."""
        return sum(self.actions.values())

    @property
    def stratified(self) -> float:
        """The part of the evidence that is left after comparing within each window and action.

        A window of one action tells N - 1 of its N requests; N is a Poisson number.
        """
        means = [rate * self.window_s / 60.0 for rate in self.actions.values()]
        return sum(mean + math.expm1(-mean) for mean in means) / max(sum(means), 1e-9)


def assume(
    policy: Policy,
    requests_per_minute: float,
    *,
    rates: Mapping[str, float] | None = None,
    actions: int = 1,
    window_s: int = 10,
    dispersion: float | None = None,
) -> Traffic:
    """Return traffic that is not measured: evenly divided over the actions, with lognormal durations.

    rates: share of requests with the outcome, by guard. dispersion: φ; default: that of a service without history.
    Raises: UsageError (a rate of an unknown or a latency guard, numbers out of range).
    """
    if not 0 < requests_per_minute < 1e9:
        raise UsageError(f"requests per minute must be above 0, not {requests_per_minute:g}")
    if dispersion is not None and not 1 <= dispersion < 1e3:
        raise UsageError(f"the dispersion must be from 1 to 1000, not {dispersion:g}")
    for name, rate in (rates or {}).items():
        if name not in policy.guards or policy.guards[name].is_latency:
            known = ", ".join(guard for guard, settings in policy.guards.items() if not settings.is_latency)
            raise UsageError(f"no guard on status codes is called {name[:80]!r}; there are: {known or 'none'}")
        if not 0 <= rate < 1:
            raise UsageError(
                f"the error rate of {name} must be a share from 0 to below 1, not {rate:g}: 0.005 is 0.5 %"
            )
    known_rates = USUAL | dict(rates or {})
    measured = policy.dispersion if policy.dispersion != "measured" else dispersion
    outcomes = {
        name: Outcome(
            rate=1.0 - guard.quantile if guard.is_latency else known_rates.get(name, RARE),
            ratio=_assumed_ratio(guard),
            dispersion=float(measured or 1.0),
            slower=guard.tolerated_slower,
        )
        for name, guard in policy.guards.items()
    }
    names = [f"action {number}" for number in range(1, actions + 1)]
    return Traffic(
        actions=dict.fromkeys(names, requests_per_minute / actions),
        outcomes=outcomes,
        window_s=window_s,
        history=0 if measured is None else round(requests_per_minute * policy.history_min),
        source="assumed, not measured",
    )


def _assumed_ratio(guard: GuardPolicy) -> float:
    """The odds ratio of "slow" when every duration grows by the tolerated factor."""
    if not guard.is_latency:
        return guard.tolerated_ratio or 1.0
    normal, rate = NormalDist(), 1.0 - guard.quantile
    shifted = normal.cdf(normal.inv_cdf(rate) + math.log(guard.tolerated_slower) / SPREAD)
    return max(odds(shifted) / odds(rate), guard.tolerated_ratio or 1.0)


def odds(share: float) -> float:
    """Return the odds of a share below 1."""
    return share / (1.0 - share)


def worse(share: float, ratio: float) -> float:
    """Return the share whose odds are `ratio` times those of `share`."""
    return ratio * share / (1.0 + (ratio - 1.0) * share)
