"""The judge's answer as plain values: verdict, guard results, findings and evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from pratique.weight_changes import WeightChange

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pratique.ledger.entry import LedgerHead

Decision = Literal["promote", "rollback", "continue", "inconclusive"]
GuardState = Literal["worse", "suspect", "met", "open", "not evaluated"]

WeightChanges = Sequence[WeightChange | tuple[datetime, dict[str, float]]]
"""Changes of the shares of traffic by revision, from 0 to 1. A pair is a change that was in force at its time (UTC)."""

SERVICE = "*"
"""The `action` of a guard's result for the whole service."""


@dataclass(frozen=True)
class GuardResult:
    """One guard, for one action or for the whole service.

    guard: name of the guard in the policy. action: the action, or "*" for the whole service.
    bad: bad requests per revision; for a latency guard, the requests slower than `threshold_ms`.
    requests: requests per revision; for a latency guard, those with a duration after the warm-up.
    ratio: odds ratio of a bad request, canary to baseline, stratified by window; beyond 20 it is not known more exactly.
        None: not known yet.
    ratio_low: lower bound of its confidence sequence, at 1 - alpha. None: no bound yet.
    ratio_high: upper bound of its confidence sequence, at 1 - alpha_promote. None: no bound yet.
    excess: share of bad requests, canary minus baseline, from -1 to 1. None: not known yet.
    excess_high: upper bound of the excess, at 1 - alpha_promote. None: no bound yet.
    tolerated_ratio: the odds ratio that the policy tolerates. tolerated_excess: the excess that the policy tolerates.
    e_value: current evidence that the canary is worse than tolerated; 1 is neutral, 1/alpha is enough.
    first_fired: end of the first window at which this guard's own evidence passed 1/alpha (UTC). None: never.
    state: "worse" (the evidence rolled the canary back, and this guard is a cause), "suspect" (its own evidence is
        enough, but not yet that of all guards together), "met", "open" (neither shown yet), or "not evaluated", which is
        never a pass.
    reason: one line with the numbers that were judged.
    threshold_ms: for a latency guard, the duration in ms from which a request counts as slow. None: not known yet.
    flagged: whether e-BH flags this action as worse (false discovery rate alpha).
    outcome: the outcome that the guard is about, as in the policy; default the guard's name.
    on_worse: what the policy does when the canary is shown to be worse here: "rollback", "hold" or "note".
    at_bound: whether the threshold is a bound of the histogram that the durations come from, the nearest one above the
        quantile, because nothing is known between its bounds.
    e_value_fired: the evidence of this guard when the combined evidence first passed 1/alpha. None: that never happened.
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
    flagged: bool = False
    outcome: str = ""
    on_worse: str = "rollback"
    e_value_fired: float | None = None
    at_bound: bool = False

    def __post_init__(self) -> None:
        if not self.outcome:
            object.__setattr__(self, "outcome", self.guard)


@dataclass(frozen=True)
class Finding:
    """A problem with the data that a person must know about.

    kind: "no data", "share mismatch", "lapse", "clock", "gap" (silence), "outage", "actions" (without a counterpart), "untimed" (uneven), "guard" (one that holds or notes), "no history",
        "few instances", "noisy", "late lines", "lost lines", "metrics" (what scraped metrics cannot tell) or "collector".
    effect: its effect on the verdict: "note" has none, "hold" forbids promotion, "rollback" rolls back.
    message: one line with the numbers.
    """

    kind: str
    effect: Literal["note", "hold", "rollback"]
    message: str

    @property
    def lasts(self) -> bool:
        """Whether it holds however many requests follow: what it is about stays in the range."""
        return self.effect == "hold" and self.kind in ("gap", "guard", "actions", "untimed", "lost lines", "metrics")


@dataclass(frozen=True)
class Remaining:
    """The data that a verdict still needs, as far as it can be estimated.

    requests: further canary requests. minutes: how long they take at the current rate. None: cannot be estimated.
    message: both in one line.
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

    verdict: "promote", "rollback", "continue" (not decided yet) or "inconclusive" (the deadline passed first).
    reason: one line that explains the verdict, with numbers.
    summary: the same in words: the outcome that is worse, in which action and by how much, or the evidence that is missing.
    service: name of the service. baseline: the running revision. canary: the revision that was judged.
    start: start of the time range, inclusive (UTC). end: end of the time range, exclusive (UTC).
    window_s: length of a window in seconds. requests: requests judged, per revision.
    e_value: combined evidence that the canary is worse than tolerated; 1 is neutral.
    needed: the evidence that rolls back, 1/alpha.
    fired: end of the window at which the combined evidence first passed 1/alpha (UTC); it stays set. None: never.
    guards: results for the whole service first, then per action. findings: problems with the data.
    remaining: the data still needed; None once decided. dispersion: overdispersion φ per guard, for the whole service.
    lacking: what a promotion still lacks, in one line; "" once the verdict is final.
    cause: the guard that the reason names, with its numbers when the evidence fired, or, of a suspect, at the end. None:
        the reason names no guard that is worse.
    trace: the evidence after every window; not part of the JSON.
    alpha: chance of rolling back a canary within its tolerances, from 0 to 1.
    alpha_promote: chance, per guard, of promoting a canary at its tolerance, from 0 to 1.
    method: the statistical method. version: the version of Pratique that judged.
    ledger: the last entry of the ledger when the verdict was made: `pratique releases --known-by FILE` compares the ledger with
        it. None without a ledger, and for a verdict in the middle of a run.
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
    remaining: Remaining | None
    dispersion: dict[str, float]
    trace: Trace
    alpha: float
    alpha_promote: float
    method: str
    version: str
    summary: str = ""
    lacking: str = ""
    cause: GuardResult | None = None
    ledger: LedgerHead | None = None

    def windows_since(self, time: datetime) -> int:
        """Return the number of judged windows that began at `time` or later; windows without any request do not count."""
        import numpy as np  # noqa: PLC0415 - a verdict is printed without it

        begins = self.trace.times - np.timedelta64(self.window_s, "s")
        return int((begins >= np.datetime64(int(time.timestamp() * 1000), "ms")).sum())

    @property
    def exit_status(self) -> int:
        """Return 0 for promote, 1 for rollback, 2 for continue or inconclusive."""
        return {"promote": 0, "rollback": 1}.get(self.verdict, 2)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: times as ISO 8601 with Z; NaN and infinity become null."""
        content = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "trace"}
        return {name: _json_value(value) for name, value in content.items()} | {"exit_status": self.exit_status}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value):
        return {item.name: _json_value(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_json_value(item) for item in value]
    return value
