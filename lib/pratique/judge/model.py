"""What the judge says: values only, ready to be shown, stored as JSON, or branched on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Decision = Literal["promote", "rollback", "continue", "inconclusive"]
GuardState = Literal["worse", "met", "open", "not evaluated"]

SERVICE = "*"
"""The `action` of a guard's result for the service as a whole."""


@dataclass(frozen=True)
class GuardResult:
    """One guard, for one action or for the service as a whole (`action == "*"`).

    bad, requests: per revision; for a latency guard `bad` counts requests slower than `threshold_ms`
        and `requests` those that carry a duration after the warm-up.
    ratio, ratio_low, ratio_high: odds ratio of the outcome, canary to baseline, stratified by window,
        with its confidence sequence: low at 1 - alpha, high at 1 - alpha_promote. None: cannot be told yet.
    excess, excess_high: canary share minus baseline share, and its upper bound at 1 - alpha_promote.
    tolerated_ratio, tolerated_excess: what it was judged against.
    e_value: current evidence that it is worse than tolerated; it is weighed at 1/alpha.
    first_fired: end of the first window at which this guard's own evidence passed 1/alpha (UTC).
    state: "worse", "met", "open" (neither shown yet), or "not evaluated"; the last is never a pass.
    named: whether e-BH names this action as worse (false discovery rate alpha).
    reason: one line, with the numbers that were judged.
    """

    guard: str
    action: str
    bad: dict[str, int]
    requests: dict[str, int]
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    excess: float | None
    excess_high: float | None
    tolerated_ratio: float
    tolerated_excess: float
    e_value: float
    first_fired: datetime | None
    state: GuardState
    reason: str
    threshold_ms: float | None = None
    named: bool = False


@dataclass(frozen=True)
class Finding:
    """Something missing or odd in the data that a person must know.

    kind: "no data", "share mismatch", "late lines", "dropped lines", "gap", "no history",
        "few instances", "noisy", "warm-up" …; effect: what the policy made of it.
    """

    kind: str
    effect: Literal["note", "hold", "rollback"]
    message: str


@dataclass(frozen=True)
class Lack:
    """What a verdict that is not ready still needs, as far as can be told.

    requests: further canary requests; minutes: at the present rate. None: cannot be told.
    """

    requests: int | None
    minutes: float | None
    message: str


@dataclass(frozen=True)
class Trace:
    """The evidence after every window, for drawing.

    times: end of each window, datetime64[ms] (UTC), shape (windows,).
    combined: combined e-value at each look, shape (windows,); guards: the same per guard.
    """

    times: npt.NDArray[np.datetime64]
    combined: npt.NDArray[np.float64]
    guards: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The judge's answer, with its evidence.

    start, end: the time range judged, UTC, [start, end). e_value: combined evidence, against 1/alpha.
    fired: end of the window at which the combined evidence first passed 1/alpha; a rollback stays one.
    dispersion: φ per guard, service level. guards: service-level results first, then actions.
    """

    verdict: Decision
    reason: str
    service: str
    baseline: str
    canary: str
    start: datetime
    end: datetime
    window_s: int
    requests: dict[str, int]
    e_value: float
    needed: float
    fired: datetime | None
    guards: tuple[GuardResult, ...]
    findings: tuple[Finding, ...]
    lack: Lack | None
    dispersion: dict[str, float]
    trace: Trace
    alpha: float
    alpha_promote: float
    method: str
    version: str

    @property
    def exit_status(self) -> int:
        """0 promote, 1 rollback, 2 continue or inconclusive."""
        return {"promote": 0, "rollback": 1}.get(self.verdict, 2)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain JSON values: times as ISO 8601 with Z, no NaN and no infinity (null)."""
        content = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "trace"}
        return {name: _plain(value) for name, value in content.items()} | {"exit_status": self.exit_status}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
