"""Settings of a rollout: its stages and the checks before them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pratique.config.types import RequestPath, Strict


class RolloutSettings(Strict):
    """How a release goes: shares of traffic, one stage after another, each judged at every window.

    stages: percent. stage_min_windows: windows a stage lasts at least; the last stage lasts until the
    verdict or the deadline. lease_s: the canary's traffic lapses when the runbook dies; at most 8, so
    that it is back within 10 s. baseline: "running" compares with what runs, "fresh" starts an instance
    of the baseline as old as the canary. approval: "automatic", or "ask" the person between stages.
    acceptance_paths: paths that every new instance must answer below 400 before it gets any traffic.
    acceptance_command: argv of a test that must end with 0, once per instance, with {address}, {service},
    {revision} and {python} filled in. acceptance_timeout_s: for all of it, per instance.
    """

    stages: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (5.0, 25.0, 50.0)
    stage_min_windows: Annotated[int, Field(ge=1)] = 3
    lease_s: Annotated[float, Field(gt=0, le=8)] = 6.0
    baseline: Literal["running", "fresh"] = "running"
    approval: Literal["automatic", "ask"] = "automatic"
    acceptance_paths: tuple[RequestPath, ...] = ()
    acceptance_command: tuple[str, ...] = ()
    acceptance_timeout_s: Annotated[float, Field(gt=0, le=86400)] = 60.0

    @model_validator(mode="after")
    def _rising(self) -> RolloutSettings:
        if not self.stages or list(self.stages) != sorted(set(self.stages)):
            raise ValueError("stages must be given, rising, each once")
        return self
