"""Settings of the judge: every default in one place, each with its reason."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pratique.config.types import Strict

Reaction = Literal["ignore", "note", "hold", "rollback"]


class GuardPolicy(Strict):
    """One thing that must not get worse: an outcome of a request, and how much more of it is tolerated.

    outcome: "5xx" (a class of status codes), "503" (one code), or "p95" (slower than the baseline's
        95 % quantile before the canary started).
    tolerated_ratio: odds ratio of the outcome, canary to baseline, that is still fine. For a latency
        outcome it is left out and follows from `tolerated_slower`.
    tolerated_excess: canary share minus baseline share, in shares of requests (0.001 is 1 in 1,000),
        that is still fine. A guard is broken only when both tolerances are passed, and met as soon as
        either is shown to hold.
    tolerated_slower: for a latency outcome, the factor by which the whole distribution may be slower.
    weight: its part of the release's evidence; the weights of all guards are scaled to sum to 1.
    """

    outcome: Annotated[str, Field(pattern=r"^([1-5]xx|[1-5][0-9]{2}|p[0-9]{2}(\.[0-9]+)?)$")]
    tolerated_ratio: Annotated[float, Field(ge=1.0, le=10.0)] | None = None
    tolerated_excess: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    tolerated_slower: Annotated[float, Field(ge=1.0, le=4.0)] = 1.0
    weight: Annotated[float, Field(gt=0.0)] = 1.0

    @property
    def is_latency(self) -> bool:
        """Whether the outcome is "slower than a quantile of the baseline"."""
        return self.outcome.startswith("p")

    @property
    def quantile(self) -> float:
        """The quantile of a latency outcome, as a share: 0.95 for "p95"."""
        return float(self.outcome[1:]) / 100.0


def default_guards() -> dict[str, GuardPolicy]:
    """The guards of a service that names none.

    5xx: ratio 1.5 as in JUDGE.md; an excess of 1 in 1,000, because a rise from 1 to 3 in a million is
        no reason to stop, and rare errors cannot show a ratio in reasonable time.
    4xx: ratio 2 and 1 in 100, because clients cause most of them and a client release can double them.
    p50, p95: two whole buckets (2^(2/16): +9 %); p99: four (+19 %), since its threshold is the least
        certain. An excess of half a percent of requests is below what a person notices.
    Weights: errors half, latency 0.4, client errors 0.1.
    """
    return {
        "5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5, tolerated_excess=0.001, weight=0.5),
        "4xx": GuardPolicy(outcome="4xx", tolerated_ratio=2.0, tolerated_excess=0.01, weight=0.1),
        "p50": GuardPolicy(outcome="p50", tolerated_slower=2 ** (2 / 16), tolerated_excess=0.005, weight=0.15),
        "p95": GuardPolicy(outcome="p95", tolerated_slower=2 ** (2 / 16), tolerated_excess=0.005, weight=0.15),
        "p99": GuardPolicy(outcome="p99", tolerated_slower=2 ** (4 / 16), tolerated_excess=0.005, weight=0.1),
    }


class Policy(Strict):
    """How a canary is judged.

    alpha: chance of rolling back a canary that is within its tolerances, over the whole canary and all
        guards and actions. 0.01: one good release of a hundred at worst is held up.
    alpha_promote: chance, per guard, of promoting one that is exactly at its tolerance. 0.05.
    minimum_requests: canary requests below which nothing is promoted. 300: three of them may be at the
        99 % quantile.
    deadline_min: minutes after the canary's first request; then `at_deadline`. 60.
    at_deadline: "inconclusive" holds what is; "rollback" takes the canary out. Never a pass.
    warmup_windows: windows of a canary's start left out of latency, never out of errors. 3.
    dispersion: overdispersion φ that divides the evidence: "measured", or a number from 1. Measured on
        the baseline's history and on earlier windows.
    dispersion_without_history: φ where there is nothing to measure it on. 1.5.
    dispersion_block: windows in a block, longer than a disturbance lasts. 10.
    history_min: minutes of the baseline before the canary that thresholds and φ come from. 1440.
    share_tolerance: odds ratio of the measured share of traffic to the weight in force that is still
        explained. 1.25: keep-alive and retries move shares by less.
    on_share_mismatch, on_no_data: what a finding does. "hold" forbids promotion.
    """

    alpha: Annotated[float, Field(gt=0.0, le=0.2)] = 0.01
    alpha_promote: Annotated[float, Field(gt=0.0, le=0.2)] = 0.05
    minimum_requests: Annotated[int, Field(ge=1)] = 300
    deadline_min: Annotated[float, Field(gt=0.0)] = 60.0
    at_deadline: Literal["inconclusive", "rollback"] = "inconclusive"
    warmup_windows: Annotated[int, Field(ge=0)] = 3
    dispersion: Literal["measured"] | Annotated[float, Field(ge=1.0)] = "measured"
    dispersion_without_history: Annotated[float, Field(ge=1.0)] = 1.5
    dispersion_block: Annotated[int, Field(ge=1)] = 10
    history_min: Annotated[float, Field(ge=0.0)] = 1440.0
    share_tolerance: Annotated[float, Field(gt=1.0)] = 1.25
    on_share_mismatch: Reaction = "hold"
    on_no_data: Reaction = "hold"
    guards: dict[str, GuardPolicy] = Field(default_factory=default_guards)

    @model_validator(mode="after")
    def _has_guards(self) -> Policy:
        if not self.guards:
            raise ValueError("at least one guard is needed; leave the table out for the defaults")
        return self
