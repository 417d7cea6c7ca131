"""How hosts are examined: the table `[doctor]`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pratique.config.runtime import Engine
from pratique.config.types import Plain, Strict

CheckId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty: write why the finding may stay")
    return text


class AcceptedFinding(Strict):
    """A finding that may stay for a while. check: its id. host, object: patterns with * and ?. until: the last day, UTC."""

    check: CheckId
    host: Annotated[str, Field(min_length=1, max_length=300)] = "*"
    object: Annotated[str, Field(min_length=1, max_length=300)] = "*"
    reason: Annotated[str, Field(max_length=500), AfterValidator(_said)]
    until: dt.date


class DoctorSettings(Strict):
    """hosts: engines; empty for those of the services. Bounds are explained in reference.toml."""

    hosts: tuple[Engine, ...] = ()
    skip: tuple[CheckId, ...] = ()
    fail_on: Literal["critical", "high", "medium", "low"] = "medium"
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    request_timeout_s: Annotated[float, Field(gt=0, le=600)] = 10.0
    disk_percent: Annotated[float, Field(gt=0, le=100)] = 80.0
    disk_full_within_d: Annotated[float, Field(ge=0, le=3650)] = 7.0
    containers_per_cpu: Annotated[float, Field(gt=0, le=10_000)] = 20.0
    clock_skew_s: Annotated[float, Field(gt=0, le=86400)] = 1.0
    held_still_s: Annotated[float, Field(ge=0, le=86400)] = 60.0
    base_max_age_d: Annotated[float, Field(gt=0, le=36500)] = 180.0
    engine_max_age_d: Annotated[float, Field(gt=0, le=36500)] = 365.0
    certificate_warn_days: Annotated[float, Field(ge=0, le=36500)] = 14.0
    writable_layer_mb: Annotated[float, Field(gt=0, le=1e9)] = 100.0
    reclaimable_mb: Annotated[float, Field(ge=0, le=1e9)] = 1000.0
    certificates: tuple[Plain, ...] = ()
    backup_max_age_h: Annotated[float, Field(gt=0, le=1e6)] = 48.0
    drill_max_age_d: Annotated[float, Field(gt=0, le=36500)] = 90.0
    accepted: tuple[AcceptedFinding, ...] = ()
