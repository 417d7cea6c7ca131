"""Which changes may have caused a rise: each gets a grade, and the reason in one sentence.

Only a comparison with other revisions at the same moments can show that a release did it. Without one, time and place can fit, and a
cause at the same minute would look the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from pratique.incident.control import FEWEST_BAD, Control, needed_more
from pratique.incident.dose import harm_by_weight
from pratique.incident.measures import Placebos, SuspectMeasures
from pratique.incident.model import GRADES, Change, Onset, Place, Suspect
from pratique.incident.text import clock_time, short, times
from pratique.number_text import factor, interval, percent

GRACE_WINDOWS = 5
LEAST_GRACE_S = 30
"""How far the clocks of the ledger and of the balancer may differ."""
OF_ITS_REQUESTS = 0.9
"""Part of a revision's requests that a place must hold for the revision to fit it."""

MOVES_TRAFFIC = ("weight", "lapse", "bind")
"""Kinds of the ledger that do nothing to a revision but send requests to it, or no longer."""


@dataclass(frozen=True)
class Arm:
    """The requests of one revision: the comparison with the others, whether its hosts run other revisions too, and which part of
    its requests the place's host holds.

    first: when its first requests came; None where it has none. failed_at_first: whether it failed before the range as it does
    now; None where that is not known. unlike: whether it served beside others, but no action or host that they served. brief: whether it
    served beside others all the time since the start, which is too short to compare them.
    """

    control: Control | None
    shares_hosts: bool
    inside: float
    served: int
    first: datetime | None = None
    failed_at_first: bool | None = None
    unlike: bool = False
    brief: bool = False


@dataclass(frozen=True)
class Facts:
    """What changes are held against. began_before: whether it may have begun before the range. arm: looks a revision up. untouched:
    difference-in-differences at a time.
    """

    service: str
    onset: Onset
    began_before: bool
    place: Place | None
    window_s: int
    alpha: float
    tolerated: float
    phi: float
    arm: Callable[[str, datetime], Arm]
    untouched: Callable[[], Placebos | None]

    @property
    def grace(self) -> timedelta:
        """How long after a change its effect may be seen."""
        return timedelta(seconds=max(GRACE_WINDOWS * self.window_s, LEAST_GRACE_S))

    def in_time(self, change: Change) -> bool:
        """Whether a change falls into the set of starts, with grace before it."""
        return self._in_set(change.time)

    def fits_in_time(self, change: Change, arm: Arm | None) -> bool:
        """Whether a change, or the first requests of its revision, fall into the set of starts; or whether both came before it, where
        it may have begun before the range and nothing says that the revision was well then.
        """
        if self.in_time(change) or (arm is not None and arm.first is not None and self._in_set(arm.first)):
            return True
        older = self.began_before and change.time <= self.last and arm is not None and arm.failed_at_first is not False
        return older and arm is not None and arm.control is not None and arm.control.low > 1.0

    def came_later(self, change: Change, arm: Arm | None) -> str:
        """Why a change came too late to be the cause; "" where it did not."""
        first = arm.first if arm is not None else None
        after = "after the last moment at which it may have begun"
        if first is not None and first > self.last:
            return f"its first requests came at {clock_time(first, self.last)}, {after}"
        return f"it came {after}" if change.time > self.last and not self.fits_in_time(change, arm) else ""

    def _in_set(self, moment: datetime) -> bool:
        return self.onset.started.first - self.grace <= moment <= self.last

    @property
    def last(self) -> datetime:
        """The end of the last window in which it may have begun."""
        return self.onset.started.last + timedelta(seconds=self.window_s)


def rank_suspects(facts: Facts, changes: Sequence[Change]) -> tuple[tuple[Suspect, SuspectMeasures], ...]:
    """Return the changes with their grades, the strongest first, each with the arrays behind it.

    Of several changes of one revision the one nearest to the start stands for all. Changes of other services are listed where they are in time.
    """
    chosen = _one_each(facts, changes)
    tests = max(len({change.revision for change in chosen if change.service == facts.service and change.revision}), 1)
    chance = _coincidence(facts, changes)
    found = [_graded(facts, change, tests, chance) for change in chosen]
    found = [item for item in found if item[0].change.service == facts.service or item[0].grade == "in time only"]
    return tuple(
        sorted(
            found, key=lambda item: (GRADES.index(item[0].grade), abs(item[0].minutes_before), item[0].change.revision)
        )
    )


def _one_each(facts: Facts, changes: Sequence[Change]) -> list[Change]:
    nearest: dict[tuple[str, str, str], Change] = {}
    for change in changes:
        own_way = change.source if change.source != "ledger" else "back" if change.kind == "rollback" else ""
        key = (change.service, change.revision or f"{change.kind} {change.time} {change.why}", own_way)
        if key not in nearest or _distance(facts, change) < _distance(facts, nearest[key]):
            nearest[key] = change
    return list(nearest.values())


def _distance(facts: Facts, change: Change) -> tuple[bool, bool, float]:
    return (
        not facts.in_time(change),
        change.time > facts.last,
        abs((facts.onset.best - change.time).total_seconds()),
    )


def _coincidence(facts: Facts, changes: Sequence[Change]) -> float:
    """The chance that one of a day's changes falls into the set of starts."""
    day = [change for change in changes if facts.last - timedelta(days=1) <= change.time <= facts.last]
    minutes = (facts.last - facts.onset.started.first + facts.grace).total_seconds() / 60.0
    return 1.0 - (1.0 - min(minutes / 1440.0, 1.0)) ** len(day)


def _graded(facts: Facts, change: Change, tests: int, chance: float) -> tuple[Suspect, SuspectMeasures]:
    own = change.service == facts.service
    arm = facts.arm(change.revision, change.time) if own and change.revision and change.kind != "rollback" else None
    suspect = Suspect(
        change=change,
        grade="cannot tell",
        reason="",
        minutes_before=(facts.onset.best - change.time).total_seconds() / 60.0,
        ratio=None,
        ratio_low=None,
        ratio_high=None,
        coincidence=chance,
        in_time=facts.fits_in_time(change, arm),
    )
    if arm is not None and arm.control is not None:
        control = arm.control
        suspect = replace(suspect, ratio=control.ratio, ratio_low=control.low, ratio_high=_finite(control.high))
        return _with_control(facts, suspect, arm, control, tests), SuspectMeasures(arms=control.arms)
    if arm is not None and arm.unlike and suspect.in_time and not facts.came_later(change, arm):
        reason = "both served at the same moments, but no action on the same hosts, so there is nothing to compare"
        lack = "some of the same actions, or a host, for both would tell"
        return replace(suspect, reason=reason, lack=lack), SuspectMeasures()
    if arm is not None and arm.brief and suspect.in_time and not facts.came_later(change, arm):
        reason = "both served at the same moments, but in too few windows to compare them"
        return replace(suspect, reason=reason, lack="a few more windows in which both serve"), SuspectMeasures()
    return _without_control(facts, suspect, arm, own)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _with_control(facts: Facts, suspect: Suspect, arm: Arm, control: Control, tests: int) -> Suspect:
    name, in_time = short(suspect.change.revision), suspect.in_time
    ratio = f"{factor(control.ratio)} {interval(control.low, control.high)}"
    if late := facts.came_later(suspect.change, arm):
        reason = f"{late}; its requests fail {ratio} as often as the others' at the same moments"
        return replace(suspect, grade="too late", reason=reason)
    worse = control.log_e >= math.log(tests / facts.alpha)
    if worse and not in_time:
        since = f" from {clock_time(arm.first, facts.last)} on" if arm.first else ""
        reason = f"it fails {ratio} as often as the others at the same moments, but it served{since}, before the start, without that"
        return replace(suspect, reason=reason)
    if worse:
        reason = f"its requests fail {ratio} as often as the others' at the same moments: the release, or the hosts it runs on"
        lack = (
            ""
            if arm.shares_hosts
            else f"no host runs another revision beside {name}: one that does would tell release and host apart"
        )
        return replace(suspect, grade="shown", reason=reason, lack=lack)
    if control.marked >= FEWEST_BAD and control.alike_below <= facts.tolerated:
        dose = harm_by_weight(control.arms.bad, control.arms.n, phi=facts.phi)
        reason = f"its own requests fare no worse than the others' at the same moments ({ratio})"
        reason += f"; {dose}" if dose else "; a change that harms both alike would look the same" if in_time else ""
        return replace(suspect, grade="alike in time" if in_time else "alike", reason=reason)
    lack = f"about {needed_more(control)} more bad requests while both serve"
    reason = f"both served, but {control.marked} bad requests do not tell yet ({ratio})"
    return replace(suspect, reason=reason, lack=lack)


def _without_control(facts: Facts, suspect: Suspect, arm: Arm | None, own: bool) -> tuple[Suspect, SuspectMeasures]:
    change, chance = suspect.change, percent(suspect.coincidence)
    none = SuspectMeasures()
    if change.time > facts.last and not suspect.in_time:
        return replace(suspect, grade="too late", reason=facts.came_later(change, None)), none
    if not suspect.in_time:
        return replace(
            suspect, grade="elsewhere", reason="it came before the first moment at which it may have begun"
        ), none
    if not own:
        reason = f"it is of another service; some change is that near by chance in {chance} of cases"
        return replace(suspect, grade="in time only", reason=reason), none
    elsewhere = _elsewhere(facts.place, change, arm)
    if elsewhere:
        return replace(suspect, grade="elsewhere", reason=elsewhere), none
    untouched = facts.untouched()
    reason = (
        "it fits in time and place; nothing ran beside it, so a cause at the same minute looks the same; some change is that near "
        f"by chance in {chance} of cases"
    )
    unserved = change.source == "ledger" and arm is not None and arm.first is None
    if unserved or facts.came_later(change, arm):
        reason += "; it had served no requests by then: only its deployment can have done it"
    if untouched is not None:
        of = len(untouched.log_ratios)
        reason += (
            f"; beside the untouched rest the place rose {times(float(np.exp(untouched.log_ratio)))}, "
            f"as much as at {untouched.rank} of {of} earlier times"
        )
    lack = "one host or a small weight on the revision before, at the same time, would tell"
    return replace(suspect, grade="fits", reason=reason, lack=lack), SuspectMeasures(placebos=untouched)


def _elsewhere(place: Place | None, change: Change, arm: Arm | None) -> str:
    """Why the place does not contain a change; "" where it does."""
    if change.kind in MOVES_TRAFFIC and change.source == "ledger" and arm is not None and arm.first is None:
        return "it has served no requests"
    if place is None or not change.revision or change.kind == "rollback":
        return ""
    if place.revision is not None and place.revision != change.revision:
        return f"the place is on revision {short(place.revision)}"
    if place.host is not None and arm is not None and arm.served and arm.inside < OF_ITS_REQUESTS:
        return f"the place is host {short(place.host)}, and the revision serves on others too"
    return ""
