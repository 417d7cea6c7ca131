"""What the canaries of a service caught, what escaped them, and how much of the traffic met a bad revision.

Caught: stopped by the judge, and not overturned. Escaped: promoted by the judge, and failed. A stop is a false alarm if a person overturned it, or if the
same content was promoted later and did not fail within a week. Entries of kind "overturned" name the run that a person overturned, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pratique.delivery.deployments import Deployment, Record, Trial
from pratique.delivery.exposure import AfterPromotion, Exposure, canary_exposure
from pratique.delivery.intervals import Survival, share_interval, survival
from pratique.delivery.metrics import Failure, Period, Share, minutes
from pratique.ledger.entry import Entry

OVERTURNED = "overturned"
"""The kind of the entry by which a person says that a stop was a false alarm."""
PROVEN_AFTER = timedelta(days=7)
"""How long the same content must serve without a failure to show that the stop was a false alarm."""


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
    record: Record,
    failures: Sequence[Failure],
    overturned: Mapping[str, str],
    period: Period,
    now: datetime,
    after: Mapping[str, AfterPromotion] | None = None,
) -> Canaries:
    """Return what the canaries caught. failures: of all deployments. overturned: as `overturned_of` returns it. after: as `after_promotion` does."""
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
            *(canary_exposure(trial) for trial in caught),
            *(
                canary_exposure(trial, (after or {}).get(trial.run), escaped=True)
                for trial in trials
                if trial.run in escaped
            ),
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
