"""Settings of the judge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pratique.config.types import OUTCOME, Strict

Reaction = Literal["ignore", "note", "hold", "rollback"]


class GuardPolicy(Strict):
    """One outcome of requests that must not get worse, with its tolerances.

    The fields are the keys of `[services.NAME.judge.guards]` in the service file.
    Raises: pydantic.ValidationError naming the field.

    >>> GuardPolicy(outcome="p95", tolerated_slower=1.1).quantile
    0.95
    """

    outcome: Annotated[str, Field(pattern=OUTCOME)]
    tolerated_ratio: Annotated[float, Field(ge=1.0, le=10.0)] | None = None
    tolerated_excess: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    tolerated_slower: Annotated[float, Field(ge=1.0, le=4.0)] = 1.0
    weight: Annotated[float, Field(gt=0.0)] = 1.0
    on_worse: Reaction = "rollback"
    must_be_shown: bool = True

    @field_validator("outcome")
    @classmethod
    def _is_quantile(cls, outcome: str) -> str:
        if outcome.startswith("p") and not 0.0 < float(outcome[1:]) < 100.0:
            raise ValueError("a quantile is above p00 and below p100, such as p95")
        return outcome

    @property
    def is_latency(self) -> bool:
        """Whether the outcome is "slower than a quantile of the baseline"."""
        return self.outcome.startswith("p")

    @property
    def quantile(self) -> float:
        """The quantile of a latency outcome, as a share: 0.95 for "p95"."""
        return float(self.outcome[1:]) / 100.0


def default_guards() -> dict[str, GuardPolicy]:
    """Return the guards of a service that defines none; `reference.toml` explains their tolerances."""
    return {
        "5xx": GuardPolicy(outcome="5xx", tolerated_ratio=1.5, tolerated_excess=0.001, weight=0.5),
        "no answer": GuardPolicy(outcome="no answer", tolerated_ratio=1.5, tolerated_excess=0.001, weight=0.04),
        "4xx": GuardPolicy(outcome="4xx", tolerated_ratio=2.0, tolerated_excess=0.01, weight=0.05),
        "p50": GuardPolicy(outcome="p50", tolerated_slower=2 ** (2 / 16), tolerated_excess=0.005, weight=0.1),
        "p95": GuardPolicy(outcome="p95", tolerated_slower=2 ** (2 / 16), tolerated_excess=0.005, weight=0.1),
        "p99": GuardPolicy(outcome="p99", tolerated_slower=2 ** (4 / 16), tolerated_excess=0.005, weight=0.05),
        **_watching(),
    }


def _watching() -> dict[str, GuardPolicy]:
    """Guards that stop a canary that differs, and that need not be shown to be met for a promotion."""
    return {
        "other codes": GuardPolicy(
            outcome="other", tolerated_ratio=1.5, tolerated_excess=0.01, weight=0.04, must_be_shown=False
        ),
        "fewer 4xx": GuardPolicy(
            outcome="fewer 4xx", tolerated_ratio=2.0, tolerated_excess=0.01, on_worse="hold", must_be_shown=False
        ),
    }


def with_every_code_watched(guards: dict[str, GuardPolicy]) -> dict[str, GuardPolicy]:
    """Return the guards and, for outcomes that none of them names, the default ones, which then only watch.

    >>> list(with_every_code_watched({"slow": GuardPolicy(outcome="p95")}))
    ['slow', '5xx', 'no answer', 'other codes', 'fewer 4xx']
    """
    named = {guard.outcome for guard in guards.values()}
    defaults = default_guards()
    missing = {
        name: defaults[name] for name in ("5xx", "no answer", *_watching()) if defaults[name].outcome not in named
    }
    weight = max(guard.weight for guard in guards.values())
    added = {
        name: guard.model_copy(update={"must_be_shown": False, "weight": weight * guard.weight})
        for name, guard in missing.items()
    }
    return {name: guard for name, guard in {**guards, **added}.items() if guard.on_worse != "ignore"}


class Policy(Strict):
    """When the evidence is sufficient to roll back or to promote a canary.

    The fields are the keys of `[services.NAME.judge]` in the service file.
    Raises: pydantic.ValidationError naming the field.

    >>> Policy(minimum_requests=1000).alpha
    0.01
    """

    alpha: Annotated[float, Field(gt=0.0, le=0.2)] = 0.01
    alpha_promote: Annotated[float, Field(gt=0.0, le=0.2)] = 0.05
    minimum_requests: Annotated[int, Field(ge=1)] = 300
    deadline_min: Annotated[float, Field(gt=0.0)] = 60.0
    at_deadline: Literal["inconclusive", "rollback"] = "inconclusive"
    warmup_windows: Annotated[int, Field(ge=0)] = 3
    dispersion: Literal["measured"] | Annotated[float, Field(ge=1.0)] = "measured"
    dispersion_without_history: Annotated[float, Field(ge=1.0)] = 2.0
    dispersion_block: Annotated[int, Field(ge=1)] = 10
    history_min: Annotated[float, Field(ge=0.0)] = 1440.0
    share_tolerance: Annotated[float, Field(gt=1.0)] = 1.25
    on_share_mismatch: Reaction = "hold"
    on_no_data: Reaction = "hold"
    on_outage: Reaction = "hold"
    guards: dict[str, GuardPolicy] = Field(default_factory=default_guards)

    @property
    def guards_in_force(self) -> dict[str, GuardPolicy]:
        """The guards, and the default ones for the codes that none of them names; without ignored ones."""
        return with_every_code_watched(self.guards)

    @model_validator(mode="after")
    def _has_guards(self) -> Policy:
        if not self.guards:
            raise ValueError("at least one guard is required: remove the table to use the defaults")
        return self
