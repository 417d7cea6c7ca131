"""What an analysis of an incident says: when it began, where it is, and which changes may have caused it.

All values are plain and frozen. Times are UTC and timezone-aware; windows are named by their start. Nothing here
computes; see `when`, `where` and `suspects`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from typing_extensions import override

from pratique.clock import stamp

Grade = Literal["shown", "fits", "alike in time", "alike", "in time only", "elsewhere", "too late", "cannot tell"]
"""How strongly a change is suspected, the strongest first."""
GRADES: tuple[Grade, ...] = (
    "shown",
    "fits",
    "alike in time",
    "in time only",
    "alike",
    "elsewhere",
    "too late",
    "cannot tell",
)
"""The order in which suspects are listed."""
Shape = Literal["step", "ramp", "blip", "step or ramp"]
Effect = Literal["times", "more"]
Kind = Literal["revision", "host", "action", "service"]
Answer = Literal["nothing shown", "a release of ours", "a change fits", "no change of ours explains it", "cannot tell"]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value.to_json() if isinstance(value, Json) else value


class Json:
    """A value with a form as plain JSON."""

    def to_json(self) -> dict[str, Any]:
        """Return the value as plain JSON values; times as ISO 8601 in UTC."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


@dataclass(frozen=True)
class Span(Json):
    """The windows in which something may have happened, UTC.

    first: start of the first window. last: start of the last one.
    """

    first: datetime
    last: datetime


@dataclass(frozen=True)
class Onset(Json):
    """When a rise began.

    best: start of the likeliest first window. started: all windows in which it may have begun, with a chance of at least 95 %.
    ended: the windows in which it may have ended; None while it lasts. shape: "step", "ramp", "blip" (it ended), or "step or ramp".
    ratio: how many times the expected share at its full size. bad: bad requests since `best`. requests: all requests since `best`.
    expected: bad requests expected since `best`. e_value: evidence; at least 1/alpha when it is shown. reason: one sentence.
    """

    best: datetime
    started: Span
    ended: Span | None
    shape: Shape
    ratio: float
    bad: int
    requests: int
    expected: float
    e_value: float
    reason: str


@dataclass(frozen=True)
class Place(Json):
    """A part of the traffic that has changed; None in a dimension stands for all its values.

    revision, action, code, host: its values. bad: bad requests after the start. requests: all requests after the start.
    expected: bad requests expected after the start. part: of the whole excess, 0 to 1. ratio: bad by expected; None where nothing
    was expected. effect: "times" (bad ones multiplied), or "more" (a share of all requests turned bad). before, after: shares of bad requests.
    e_value: evidence. reason: one sentence.
    """

    revision: str | None
    action: str | None
    code: str | None
    host: str | None
    bad: int
    requests: int
    expected: float
    part: float
    ratio: float | None
    effect: Effect
    before: float
    after: float
    e_value: float
    reason: str


@dataclass(frozen=True)
class Places(Json):
    """The change of the service's bad requests, shared out exactly: bad = expected + mix + places + rest.

    found: the places, the best first. mix: bad requests more because traffic moved to cells with larger shares; may be negative.
    rest: not explained, may be negative. expected: bad requests expected after the start. bad: bad requests after the start.
    requests: all requests after the start. reason: says why nothing was found.
    """

    found: tuple[Place, ...]
    mix: float
    rest: float
    expected: float
    bad: int
    requests: int
    reason: str = ""


@dataclass(frozen=True)
class Change(Json):
    """Something that was changed.

    time: when it was. service: of the change. kind: "release", "weight", "rollback", "lapse", "bind", or what the source of a foreign
    change says. revision: that it concerns; "" for none. who: changed it. why: the reason given. number: of the ledger's entry; None
    for a change that the ledger does not know. source: "ledger", or the name of a file or sender. shares: weights from then on,
    revision to 0..1; None or empty where they did not change. active_run: id of the run that made it and has not ended yet; "" where there is none.
    """

    time: datetime
    service: str
    kind: str
    revision: str
    who: str
    why: str
    number: int | None
    source: str = "ledger"
    shares: Mapping[str, float] | None = None
    active_run: str = ""


@dataclass(frozen=True)
class Suspect(Json):
    """A change with its grade.

    change: the change. grade: how strongly it is suspected; only "shown" may be called the cause. reason: one sentence.
    minutes_before: from the change to the best start; negative when it is later. ratio: odds of a bad request of the change's revision by
    those of the others at the same moments; None without a control. ratio_low: its lower 95 % limit. ratio_high: its upper one; None where
    it is unbounded. coincidence: chance that some change falls into the set of starts by chance, 0 to 1. lack: what would
    settle it; "". in_time: whether it falls into the set of starts, with grace before it.
    """

    change: Change
    grade: Grade
    reason: str
    minutes_before: float
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    coincidence: float
    lack: str = ""
    in_time: bool = False


@dataclass(frozen=True)
class Unaffected(Json):
    """A part of the traffic that is shown not to be worse, or of which that is not known.

    dimension: "revision", "host", "action" or "service". name: of it. requests: after the start. ratio_high: upper 97.5 % limit of the share of
    bad requests by that before; None where it is not known. shown: whether it is shown not to be worse.
    """

    dimension: Kind
    name: str
    requests: int
    ratio_high: float | None
    shown: bool


@dataclass(frozen=True)
class Incident(Json):
    """The answer.

    service, outcome: of the question. start, end: the range that was looked at, end exclusive. before: start of the history it is compared
    with. answer: in a few fixed words: "nothing shown", "a release of ours", "a change fits", "no change of ours explains it", "cannot tell".
    sentence: the answer in words, for the first line. undo: a command that takes the guilty change back; "" where none is shown.
    onset: when it began; None where no rise is shown. places: where it is; None where that was not looked for. suspects: changes,
    the most suspected first. unaffected: parts to leave alone. findings: reasons to distrust the answer, one sentence each.
    alpha: chance of naming anything when nothing is wrong. method: of the analysis. version: of Pratique.
    """

    service: str
    outcome: str
    start: datetime
    end: datetime
    before: datetime
    answer: Answer
    sentence: str
    undo: str
    onset: Onset | None
    places: Places | None
    suspects: tuple[Suspect, ...]
    unaffected: tuple[Unaffected, ...]
    findings: tuple[str, ...]
    alpha: float
    method: str
    version: str

    @property
    def exit_status(self) -> int:
        """0 when nothing is shown, 1 when a release caused it, 2 for anything else."""
        return {"nothing shown": 0, "a release of ours": 1}.get(self.answer, 2)

    @override
    def to_json(self) -> dict[str, Any]:
        """Return the incident as plain JSON values, with `exit_status`; times as ISO 8601 in UTC."""
        return {**super().to_json(), "exit_status": self.exit_status}
