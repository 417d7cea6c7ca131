"""Deployments, as the ledger records them, apart from what only looks like one.

A deployment is a revision that gets all of the traffic for the first time, by a release run. Not a deployment, and counted apart:
the first revision of a service, a rollback, a revision that had all of the traffic before, a canary, and a promotion that its own run took back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pratique.ledger.entry import Entry
from pratique.ledger.history import shares_of
from pratique.ledger.serving_periods import ServingPeriod, serving_periods

BY_HAND = "stopped by hand"


@dataclass(frozen=True)
class Deployment:
    """A revision that got all of the traffic for the first time. Times are UTC.

    service, revision: what. run, who: the run that did it, and its user. time: of that moment. first_share: when it got any traffic first. end: when another revision got all of the traffic; None while it has it.
    commit: "" if unknown. incident: the incident that its run names as the one it mends, or "".
    """

    service: str
    revision: str
    time: datetime
    first_share: datetime
    end: datetime | None
    run: str
    who: str
    commit: str = ""
    incident: str = ""


@dataclass(frozen=True)
class Return:
    """A rollback that took effect. Times are UTC.

    service: which. time: when. run: that did it. to, out: the revision that got all of the traffic, and the one that had it. backwards: whether `to` had it before `out` did.
    incident: that its run names, or "". drill: whether it was an exercise.
    """

    service: str
    time: datetime
    to: str
    out: str
    run: str
    backwards: bool
    incident: str = ""
    drill: bool = False


@dataclass(frozen=True)
class Trial:
    """A release run that gave its revision a share of the traffic. Times are UTC.

    service, revision: what. run, who: the run, and its user. first_share: when it got traffic. end: when the run ended; None while it goes on or if that is unknown. verdict: "promote", "rollback", "inconclusive",
    BY_HAND for one that a person stopped before the judge decided, or "".
    outcome: as in `ReleaseRecord`. digest: of the revision. judged: when the judge decided. data: of the verdict entry.
    """

    service: str
    revision: str
    run: str
    who: str
    digest: str
    first_share: datetime
    end: datetime | None
    outcome: str
    verdict: str
    judged: datetime | None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """What the ledger knows of one service's deliveries, oldest first.

    service: which. since: from when on the ledger would know a deployment; None for an empty ledger. deployments, returns, trials: those of any time. firsts: how many first
    revisions. redeployments: of revisions that had all of the traffic before. commits: of the revisions that had all of the traffic, by time, with "" where unknown. revisions: every one that the ledger names.
    serving: when each revision had all of the traffic, however it got it.
    """

    service: str
    since: datetime | None
    deployments: tuple[Deployment, ...]
    returns: tuple[Return, ...]
    trials: tuple[Trial, ...]
    firsts: int
    redeployments: tuple[Deployment, ...]
    commits: tuple[tuple[datetime, str], ...]
    revisions: frozenset[str]
    serving: tuple[ServingPeriod, ...]


def record_of(service: str, entries: Iterable[Entry]) -> Record:
    """Return the record of a service. entries: all of the service, oldest first."""
    entries = list(entries)
    runs = _runs(entries)
    served: dict[str, int] = {}
    deployments: list[Deployment] = []
    redeployments: list[Deployment] = []
    returns: list[Return] = []
    commits: list[tuple[datetime, str]] = []
    firsts, before = 0, ""
    periods = serving_periods(entries)
    for period in periods:
        run = runs.get(period.run, _Run())
        if period.by_rollback:
            # only a return to a newer revision does not go back; one that the ledger does not know served before it begins
            backwards = bool(before) and served.get(period.revision, -1) < served.get(before, -1)
            returns.append(
                Return(service, period.start, period.revision, before, period.run, backwards, run.incident, run.drill)
            )
        elif not run.is_release or period.revision != run.revision:
            # put in place without a run, or the baseline of a run that began before the ledger did
            firsts += 1
            commits.append((period.start, runs.get(f"first {period.revision}", run).commit))
        else:
            (redeployments if period.revision in served else deployments).append(_deployment(service, period, run))
            commits.append((period.start, run.commit))
        served.setdefault(period.revision, len(served))
        before = period.revision
    since = min((entry.time for entry in entries), default=None)
    trials = tuple(_trials(service, entries, runs))
    return Record(
        service,
        since,
        tuple(deployments),
        tuple(returns),
        trials,
        firsts,
        tuple(redeployments),
        tuple(commits),
        frozenset(entry.revision for entry in entries if entry.revision),
        tuple(periods),
    )


@dataclass
class _Run:
    """What the entries of one run tell."""

    is_release: bool = False
    revision: str = ""
    who: str = ""
    commit: str = ""
    incident: str = ""
    digest: str = ""
    drill: bool = False
    first_share: datetime | None = None
    end: datetime | None = None
    outcome: str = "unfinished"
    verdict: str = ""
    judged: datetime | None = None
    data: dict[str, Any] = field(default_factory=dict)


def _runs(entries: Sequence[Entry]) -> dict[str, _Run]:
    """The runs by their id, and the first revisions as "first" and their name."""
    found: dict[str, _Run] = {}
    for entry in entries:
        event = _text(entry, "event") if entry.kind == "release" else ""
        if event == "first":
            found[f"first {entry.revision}"] = _Run(commit=_text(entry, "commit"))
        if not entry.run:
            continue
        run = found.setdefault(entry.run, _Run())
        if event == "started":
            run.is_release = entry.data.get("runbook", "release") == "release"
            run.revision, run.who = entry.revision or "", entry.who
            run.commit, run.incident, run.digest = (_text(entry, name) for name in ("commit", "incident", "digest"))
            run.drill = bool(entry.data.get("drill"))
        elif event in {"resumed", "ended"}:
            ended = event == "ended"
            run.end, run.outcome = (entry.time, _text(entry, "outcome")) if ended else (None, "unfinished")
            if run.verdict != BY_HAND:
                run.verdict = (_text(entry, "verdict") if ended else "") or run.verdict
        elif entry.kind == "verdict":
            run.judged, run.data = entry.time, entry.data
            run.verdict = BY_HAND if is_by_hand(entry) else _text(entry, "decision")
        if run.first_share is None and run.revision and shares_of(entry).get(run.revision, 0.0) > 0.0:
            run.first_share = entry.time
    return found


def is_by_hand(entry: Entry) -> bool:
    """Whether a verdict is a person's, who rolled the canary back when asked for approval; older entries say so in their reason only."""
    by = entry.data.get("by", "")
    said = by == "person" or (not by and _text(entry, "reason").startswith(f"{entry.who} rolled it back at "))
    return said and entry.data.get("decision") == "rollback"


def _deployment(service: str, period: ServingPeriod, run: _Run) -> Deployment:
    first = run.first_share or period.start
    return Deployment(
        service, period.revision, period.start, min(first, period.start), period.end, period.run, run.who, run.commit,
        run.incident,
    )  # fmt: skip


def _trials(service: str, entries: Sequence[Entry], runs: dict[str, _Run]) -> Iterable[Trial]:
    for name in dict.fromkeys(entry.run for entry in entries if entry.run):
        run = runs[name]
        if run.is_release and run.first_share is not None:
            yield Trial(
                service, run.revision, name, run.who, run.digest, run.first_share, run.end, run.outcome, run.verdict,
                run.judged, run.data,
            )  # fmt: skip


def _text(entry: Entry, name: str) -> str:
    value = entry.data.get(name)
    return value if isinstance(value, str) else ""
