"""The lane of a job in a picture: its runs, and its due times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LaneRun:
    """One outcome on a lane. start: when the run began, or when it was due, UTC. duration_s: None when nothing ran.

    count: how many due times it stands for.
    """

    start: datetime
    outcome: str
    duration_s: float | None = None
    reason: str = ""
    count: int = 1


@dataclass(frozen=True)
class JobLane:
    """A job's lane. state: for its label. due: due times, UTC. usual_s: median and 95th percentile of its good runs."""

    name: str
    state: str
    runs: Sequence[LaneRun]
    due: Sequence[datetime] = ()
    usual_s: tuple[float, float] | None = None
