"""Settings of scheduled jobs: commands that run beside a service at their times."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from pratique.config.runtime import Engine
from pratique.config.store import Reference
from pratique.config.types import Name, Seconds, Strict

SCHEDULE = r"^(@(hourly|daily|midnight|weekly|monthly|yearly|annually)|[0-9A-Za-z*,/#-]+( +[0-9A-Za-z*,/#-]+){4})?$"
"""Five fields of cron, or one of its words. What the fields may hold, `pratique.jobs.schedule` checks."""
WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""The words of cron, as fields."""
LONGEST_S = 10 * 86400


def _fields(schedule: str) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415 - for jobs only

    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - for jobs only

    fields = WORDS.get(schedule, schedule)
    try:
        if fields:
            next(CronSim(fields, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"cron does not know it ({error}): write five fields, such as 30 2 * * *") from None
    except StopIteration:
        raise ValueError("it names a day that never comes") from None
    return schedule


def _zone(name: str) -> str:
    try:
        if name:
            ZoneInfo(name)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError("not a time zone: write it as Europe/Vienna or UTC") from None
    except KeyError:
        raise ValueError("no such time zone is installed: write it as Europe/Vienna or UTC") from None
    return name


class JobSettings(Strict):
    """One job: a command that runs to its end, with the image and configuration of the revision that serves."""

    service: Name | Literal[""] = ""
    command: tuple[Annotated[str, Field(pattern=r"^[^\x00]*$", max_length=10_000)], ...] = ()
    schedule: Annotated[str, Field(pattern=SCHEDULE, max_length=200), AfterValidator(_fields)] = ""
    every_s: Annotated[float, Field(ge=0, le=LONGEST_S)] = 0.0
    timezone: Annotated[str, Field(pattern=r"^[A-Za-z0-9._+/-]{0,80}$"), AfterValidator(_zone)] = ""
    host: Engine = ""
    grace_s: Annotated[float, Field(ge=1, le=LONGEST_S)] = 300.0
    timeout_s: Annotated[float, Field(ge=1, le=LONGEST_S)] = 3600.0
    overlap: Literal["forbid", "replace"] = "forbid"
    retries: Annotated[int, Field(ge=0, le=20)] = 0
    retry_delay_s: Seconds = 30.0
    alert_after: Annotated[int, Field(ge=1, le=1000)] = 1
    alert_each: bool = False
    alert_repeat_h: Annotated[float, Field(ge=0, le=8760)] = 24.0
    keep_logs: Annotated[int, Field(ge=1, le=10_000)] = 20
    ping: Reference = ""

    @model_validator(mode="after")
    def _one_time(self) -> JobSettings:
        if self.schedule and self.every_s:
            raise ValueError("schedule and every_s are both set: keep one of them")
        if 0 < self.every_s < 1:
            raise ValueError("every_s is below 1: a job runs at most once a second")
        return self
