"""How many requests bad revisions served: as a canary, and, of those that escaped, from the promotion until users were well again.

What a canary served stands in the entry of its verdict. Requests after the promotion are counted in the store, which forgets: a store that does not
reach back to the canary's first traffic would count too little, so then the number is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from typing import TYPE_CHECKING, Any

from pratique.delivery.deployments import Record, Trial
from pratique.delivery.metrics import Failure
from pratique.errors import PratiqueError

if TYPE_CHECKING:
    from pratique.config import Policy
    from pratique.store.base import Store

Table = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class AfterPromotion:
    """What a revision served from its promotion until users were well again. Times are UTC.

    start: of the promotion. end: when they were well; now while they are not. is_over: whether they are. requests: how many. bad: of them, beyond the share that the baseline had while
    both served. None: not known; of bad alone: no guard could be compared. why: reason that it is not known, or "".
    """

    start: datetime
    end: datetime
    is_over: bool
    requests: int | None = None
    bad: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Exposure:
    """Requests that a bad revision served. revision: which. run: that released it. requests: as a canary. bad: of them, beyond the baseline's share; None: not recorded.

    escaped: whether it was promoted afterwards, and failed. after: what it served then; None if it did not escape.
    """

    revision: str
    run: str
    requests: int | None
    bad: float | None
    escaped: bool = False
    after: AfterPromotion | None = None


def canary_exposure(trial: Trial, after: AfterPromotion | None = None, *, escaped: bool = False) -> Exposure:
    """Return what a revision served as a canary, by the entry of its verdict. after: what it served then, if it escaped."""
    requests = _number(trial.data.get("requests"), trial.revision)
    found = [_beyond(counts, trial.revision) for counts in _guards(trial.data)]
    bad = max((one for one in found if one is not None), default=None)
    return Exposure(trial.revision, trial.run, None if requests is None else int(requests), bad, escaped, after)


def after_promotion(
    record: Record,
    failures: Sequence[Failure],
    now: datetime,
    open_store: Callable[[datetime], Store] | None = None,
    policy: Policy | None = None,
) -> dict[str, AfterPromotion]:
    """Return by run what each revision that the judge promoted, and that failed, served from then on.

    open_store: opens the store to read it from a time on, and is called only if there is such a revision. policy: its guards say what is bad; None: the default ones.
    A store that cannot be read is no error: then nothing is known, and `why` says so.
    """
    trials = {trial.run: trial for trial in record.trials if trial.verdict == "promote"}
    escapes = [failure for failure in failures if failure.deployment.run in trials]
    if not escapes:
        return {}
    served = _Served(record.service, open_store, policy)
    return {failure.deployment.run: served.after(failure, trials[failure.deployment.run], now) for failure in escapes}


class _Served:
    """Counts in the store. An escape that the store cannot tell does not hide the others."""

    def __init__(self, service: str, open_store: Callable[[datetime], Store] | None, policy: Policy | None) -> None:
        self._service, self._open, self._policy = service, open_store, policy
        self._store: Store | None = None

    def after(self, failure: Failure, trial: Trial, now: datetime) -> AfterPromotion:
        start = failure.deployment.time
        # a rollback that no incident explains ended what users met, though not how long they waited is known
        over = failure.ended if failure.incidents else failure.rolled_back
        end = max(start, over or now)
        try:
            requests, bad, why = self._counted(trial, failure.deployment.revision, start, end)
        except PratiqueError as error:
            requests, bad, why = None, None, str(error)
        return AfterPromotion(start, end, over is not None, requests, bad, why)

    def _counted(
        self, trial: Trial, revision: str, start: datetime, end: datetime
    ) -> tuple[int | None, float | None, str]:
        if end == start:
            return 0, 0.0, ""
        if self._open is None:
            return None, None, "there is no store"
        self._store = self._store or self._open(trial.first_share)
        before = self._counts(self._store, trial.first_share, start)
        if not any(row["revision"] == revision for row in before):
            return None, None, "the store does not reach back to its canary"
        own = [row for row in self._counts(self._store, start, end) if row["revision"] == revision]
        baseline = [row for row in before if row["revision"] != revision]
        return sum(row["n"] for row in own), bad_beyond(self._outcomes, own, baseline), ""

    def _counts(self, store: Store, start: datetime, end: datetime) -> Table:
        counted: Table = store.counts(self._service, start, end, by=["revision", "code"], step_s=0).to_pylist()
        return counted

    @property
    def _outcomes(self) -> Sequence[str]:
        from pratique.config import Policy  # noqa: PLC0415 - pydantic
        from pratique.judge.outcomes import watched_codes  # noqa: PLC0415 - numpy

        return watched_codes(list((self._policy or Policy()).guards_in_force.values()))


def bad_beyond(outcomes: Sequence[str], own: Table, baseline: Table) -> float | None:
    """Return the bad requests beyond the baseline's share, by the guard that shows the difference most clearly; None without a baseline.

    outcomes: of guards on codes, such as "5xx". own, baseline: rows with "code" and "n". Durations do not count: over hours, the time of day changes them
    more than a revision does. Most clearly: by the difference of the two shares in its standard errors, so that a frequent code that varies
    does not hide a rare one that failed.
    """
    n, of_baseline = (sum(row["n"] for row in rows) for rows in (own, baseline))
    if not of_baseline or not outcomes:
        return None
    found = []
    for outcome in outcomes:
        bad, bad_before = (_number_with(outcome, rows) for rows in (own, baseline))
        excess = bad - n * bad_before / of_baseline
        pooled = (bad + bad_before) / (n + of_baseline)
        error = n * sqrt(pooled * (1 - pooled) * (1 / n + 1 / of_baseline)) if n else 0.0
        found.append((excess / error if error else 0.0, excess))
    _, most = max(found)
    return max(0.0, float(most))


def _number_with(outcome: str, rows: Table) -> int:
    from pratique.judge.outcomes import has_outcome  # noqa: PLC0415 - numpy

    return sum(row["n"] for row in rows if has_outcome(row["code"], outcome))


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
