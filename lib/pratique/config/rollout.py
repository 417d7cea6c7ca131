"""Settings of a rollout: its stages and the checks before them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pratique.config.types import RequestPath, Strict


class RolloutSettings(Strict):
    """How a release shifts traffic to the canary, stage by stage."""

    stages: tuple[Annotated[float, Field(gt=0, le=100)], ...] = (5.0, 25.0, 50.0)
    stage_min_windows: Annotated[int, Field(ge=1)] = 3
    lease_s: Annotated[float, Field(gt=0, le=8)] = 6.0
    on_lapse: Literal["extend", "end"] = "extend"
    baseline: Literal["running", "fresh"] = "running"
    approval: Literal["automatic", "ask"] = "automatic"
    acceptance_paths: tuple[RequestPath, ...] = ()
    acceptance_command: tuple[str, ...] = ()
    acceptance_timeout_s: Annotated[float, Field(gt=0, le=86400)] = 60.0

    @field_validator("stages")
    @classmethod
    def _rising(cls, stages: tuple[float, ...]) -> tuple[float, ...]:
        if not stages or list(stages) != sorted(set(stages)):
            raise ValueError("must be at least one percentage, in rising order, each once")
        return stages
