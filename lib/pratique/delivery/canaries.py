"""What the canaries of a service caught, what escaped them, and how many users met a bad revision meanwhile.

Caught: stopped by the judge, and not overturned. Escaped: promoted by the judge, and failed. A stop is a false alarm if a person overturned it, or if the
same content was promoted later and did not fail within a week. Entries of kind "overturned" name the run that a person overturned, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pratique.delivery.deployments import Deployment, Record, Trial
from pratique.delivery.intervals import Survival, share_interval, survival
from pratique.delivery.metrics import Failure, Period, Share, minutes
from pratique.ledger.entry import Entry

OVERTURNED = "overturned"
"""The kind of the entry by which a person says that a stop was a false alarm."""
PROVEN_AFTER = timedelta(days=7)
"""How long the same content must serve without a failure to show that the stop was a false alarm."""


@dataclass(frozen=True)
class Exposure:
    """Requests that a bad revision served as a canary. requests: how many. bad: of them, beyond the baseline's share; None: not recorded.

    escaped: whether it was promoted afterwards, and failed. Requests after its promotion are not counted.
    """

    revision: str
    run: str
    requests: int | None
    bad: float | None
    escaped: bool = False


@dataclass(frozen=True)
class Canaries:
    """The canaries of a period.

    trials: release runs that gave their revision a share of the traffic. stopped: by the judge; overturned, promoted_later: those that were false alarms;
    unreviewed: stops of which nobody said anything. escaped: promoted by the judge and failed. caught: caught by caught and escaped.
    to_verdict: minutes from the first share to the judge's decision; one that was not reached is not over. exposure: of the caught and of the escaped ones.
    """

    trials: tuple[Trial, ...]
    stopped: tuple[Trial, ...]
    overturned: tuple[str, ...]
    promoted_later: tuple[str, ...]
    unreviewed: tuple[str, ...]
    escaped: tuple[str, ...]
    caught: Share
    to_verdict: Survival
    exposure: tuple[Exposure, ...]

    @property
    def false_alarms(self) -> tuple[str, ...]:
        """Runs that were stopped though nothing was wrong."""
        return tuple(dict.fromkeys((*self.overturned, *self.promoted_later)))


def overturned_of(entries: Iterable[Entry]) -> dict[str, str]:
    """Return the runs that a person overturned, each with the reason."""
    return {entry.run: entry.why for entry in entries if entry.kind == OVERTURNED and entry.run}


def canaries_of(
    record: Record, failures: Sequence[Failure], overturned: Mapping[str, str], period: Period, now: datetime
) -> Canaries:
    """Return what the canaries caught. failures: of all deployments. overturned: as `overturned_of` returns it."""
    trials = tuple(trial for trial in record.trials if period.holds(trial.first_share))
    stopped = tuple(trial for trial in trials if trial.verdict == "rollback")
    failed = {failure.deployment.run: _first_sign(failure) for failure in failures}
    promoted = _by_digest(record)
    by_person = tuple(trial.run for trial in stopped if trial.run in overturned)
    proven = [trial.run for trial in stopped if _proven_later(trial, promoted.get(trial.digest, []), failed, now)]
    later = tuple(run for run in proven if run not in overturned)
    caught = [trial for trial in stopped if trial.run not in by_person]
    escaped = tuple(trial.run for trial in trials if trial.verdict == "promote" and trial.run in failed)
    of = len(caught) + len(escaped)
    return Canaries(
        trials,
        stopped,
        by_person,
        later,
        tuple(trial.run for trial in stopped if trial.run not in (*by_person, *later)),
        escaped,
        Share(len(caught), of, share_interval(len(caught), of)),
        _to_verdict(trials, now),
        (
            *(_exposure(trial) for trial in caught),
            *(_exposure(trial, escaped=True) for trial in trials if trial.run in escaped),
        ),
    )


def _by_digest(record: Record) -> dict[str, list[Deployment]]:
    """The deployments by the digest of their content."""
    digests = {trial.run: trial.digest for trial in record.trials}
    found: dict[str, list[Deployment]] = {}
    for deployment in record.deployments:
        if digest := digests.get(deployment.run):
            found.setdefault(digest, []).append(deployment)
    return found


def _proven_later(
    trial: Trial, same_content: Sequence[Deployment], failed: Mapping[str, datetime], now: datetime
) -> bool:
    """Whether the same content got all of the traffic later, and did not fail within a week. failed: the first sign by run."""
    for deployment in same_content:
        proven = deployment.time + PROVEN_AFTER
        if deployment.time > trial.first_share and proven <= now and failed.get(deployment.run, now) >= proven:
            return True
    return False


def _first_sign(failure: Failure) -> datetime:
    return min(time for time in (failure.began, failure.rolled_back) if time is not None)


def _to_verdict(trials: Sequence[Trial], now: datetime) -> Survival:
    decided, open_ = [], []
    for trial in trials:
        if trial.verdict in {"promote", "rollback"} and trial.judged is not None:
            decided.append(max(0.0, minutes(trial.first_share, trial.judged)))
        else:
            open_.append(max(0.0, minutes(trial.first_share, trial.judged or trial.end or now)))
    return survival(decided, open_)


def _exposure(trial: Trial, *, escaped: bool = False) -> Exposure:
    requests = _number(trial.data.get("requests"), trial.revision)
    found = [_beyond(counts, trial.revision) for counts in _guards(trial.data)]
    bad = max((one for one in found if one is not None), default=None)
    return Exposure(trial.revision, trial.run, None if requests is None else int(requests), bad, escaped)


def _guards(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    guards = data.get("guards")
    return [counts for counts in guards.values() if isinstance(counts, Mapping)] if isinstance(guards, Mapping) else []


def _beyond(counts: Mapping[str, Any], revision: str) -> float | None:
    """The canary's bad requests of one guard beyond the share that the baseline had; None where a count is missing."""
    bad, requests = counts.get("bad"), counts.get("requests")
    if not isinstance(bad, Mapping) or not isinstance(requests, Mapping):
        return None
    other = next((name for name in requests if name != revision), None)
    of_canary = _number(bad, revision), _number(requests, revision)
    of_baseline = _number(bad, other), _number(requests, other)
    if None in of_canary or None in of_baseline or not of_baseline[1]:
        return None
    return max(0.0, of_canary[0] - of_canary[1] * of_baseline[0] / of_baseline[1])  # type: ignore[operator] # none is None


def _number(values: Any, name: str | None) -> float | None:
    value = values.get(name) if isinstance(values, Mapping) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
