"""Analyse an incident: from a store to the answer, in two passes.

The first pass asks whether and when the service or a part of it rose; then the places of the rise are searched; the second pass dates
the rise again inside the first place, which is sharper. The changes are graded last.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from pratique.clock import utc_now
from pratique.config import Policy
from pratique.errors import UsageError
from pratique.incident.answer import answer_of, nothing_sentence, sentence_of, undo_of
from pratique.incident.findings import Context, findings_of
from pratique.incident.first_pass import FirstPass, first_pass, series
from pratique.incident.measures import Investigation, Measures, SuspectMeasures
from pratique.incident.model import Change, Incident, Onset, Places, Suspect, Unaffected
from pratique.incident.observed import Observed, first_served, observe
from pratique.incident.outcome import Outcome, outcome_of
from pratique.incident.place_cells import History, cells_after, history_of, series_of
from pratique.incident.second_pass import affected, onset_of, second_pass
from pratique.incident.shared_cause import OtherServices, other_services
from pratique.incident.suspect_facts import facts_of
from pratique.incident.suspects import rank_suspects
from pratique.incident.time_range import HISTORY, TimeRange, range_of
from pratique.incident.traffic_loss import losses, usual_requests
from pratique.incident.unaffected import in_order, unaffected
from pratique.incident.when import Rise, windows_to_show
from pratique.incident.where import Found
from pratique.store.base import Store
from pratique.version import __version__

MOST_SUSPECTS = 200
"""Changes that an answer lists. All are graded."""
MOST_MARKED = 1_000
"""Changes that the figures show, the suspects among them."""
METHOD = "mixture over starts, universal inference, expectation-based scan, concurrent control"


def investigate(
    store: Store,
    service: str,
    outcome: str = "5xx",
    *,
    policy: Policy | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    before: datetime | None = None,
    changes: Sequence[Change] = (),
    alpha: float = 0.01,
    late_s: float = 60.0,
    now: datetime | None = None,
) -> Investigation:
    """Return the analysis of an incident with the arrays that its figures draw.

    outcome: of a guard: "5xx", "503", "no answer", or "p95" for slower than that quantile of the history. start, end: the range that is
    looked at, UTC, [start, end); default: the last two hours of the data, without windows that may still get late lines.
    before: where the history begins; default: a day before the start. changes: candidates, of every service; those of the day before
    the start and of the range are looked at. alpha: chance of naming anything when nothing is wrong, between 0 and 1. late_s: how long
    after its end a window may still get lines. now: for tests.
    Raises: UsageError (outcome, range, alpha), MissingError (service without requests), the errors of the store.
    """
    if not 0.0 < alpha < 1.0:
        raise UsageError(f"alpha must be above 0 and below 1, not {alpha:g}")
    policy = policy or Policy()
    now = now or utc_now()
    asked = range_of(store, service, start, end, before, complete=now - timedelta(seconds=late_s), now=now)
    measured = outcome_of(outcome, store, service, asked.before, asked.start)
    observed = observe(
        store,
        service,
        measured,
        start=asked.start,
        end=asked.end,
        before=asked.before,
        window_s=asked.window_s,
        block_s=asked.block_s,
    )
    candidates = tuple(change for change in changes if asked.start - HISTORY <= change.time < asked.end)
    return _Analysis(store, service, measured, observed, policy, candidates, alpha, asked=asked).investigation()


class _Analysis:
    """One analysis; each step is a method that uses the results of those before it."""

    def __init__(
        self,
        store: Store,
        service: str,
        outcome: Outcome,
        observed: Observed,
        policy: Policy,
        changes: tuple[Change, ...],
        alpha: float,
        *,
        asked: TimeRange,
    ) -> None:
        self.store, self.service, self.outcome, self.observed = store, service, outcome, observed
        self.policy, self.changes, self.alpha = policy, changes, alpha
        self.asked = asked
        self.lost = losses(observed, [change for change in changes if change.service == service])
        ratios = [guard.tolerated_ratio for guard in policy.guards.values() if guard.outcome == outcome.name]
        self.tolerated = max((ratios[0] if ratios else None) or 1.5, 1.5 if outcome.is_latency else 1.05)
        self.first: FirstPass = first_pass(observed, alpha=alpha, tolerated=self.tolerated)

    def investigation(self) -> Investigation:
        """Return the whole analysis."""
        if self.first.rise is None:
            return self._nothing()
        history = history_of(self.observed, self.first.history.used, alpha=self.alpha, tolerated=self.tolerated)
        second = second_pass(self.observed, self.first.rise, history, alpha=self.alpha, tolerated=self.tolerated)
        rise, found = second.rise, second.found
        onset = onset_of(self.observed, self.first, second, history)
        others = self._elsewhere(onset, found)
        facts = facts_of(
            self.observed,
            self.service,
            rise,
            onset,
            found,
            policy=self.policy,
            latency=self.outcome.is_latency,
            alpha=self.alpha,
            tolerated=self.tolerated,
            phi_of_service=self.first.history.phi,
        )
        ranked = rank_suspects(facts, self.changes)
        suspects = tuple(suspect for suspect, _ in ranked)
        cells = cells_after(self.observed, history, affected(rise))
        left_alone = in_order((*unaffected(cells, tolerated=self.tolerated), *others.unaffected))
        return self._result(
            onset=onset,
            rise=rise,
            found=found,
            history=history,
            suspects=suspects,
            arrays=tuple(measured for _, measured in ranked),
            unaffected=left_alone,
            sentence=sentence_of(
                self.service, self.outcome.name, onset, found.places, suspects, self.observed.end, others.sentence
            ),
            also=others.sentence,
        )

    def _elsewhere(self, onset: Onset, found: Found) -> OtherServices:
        """The other services, which are read only where the whole service rose."""
        if found.values and any(value is not None for value in found.values[0]):
            return OtherServices()
        return other_services(
            self.store,
            self.service,
            self.outcome,
            onset,
            self.observed.times,
            window_s=self.observed.range.step_s,
            block_s=self.observed.history.step_s,
            before=self.observed.before,
            end=self.observed.end,
            alpha=self.alpha,
            tolerated=self.tolerated,
        )

    def _nothing(self) -> Investigation:
        n = self.observed.range.requests()
        history = self.first.history
        known = bool(history.n) and bool(n.sum()) and not self.lost
        mean = float(np.mean(n)) * history.share
        ratio = float(np.ceil(self.tolerated * 4 / 3 - 1e-9))
        windows = windows_to_show(
            mean,
            history.phi,
            ratio=ratio,
            alpha=self.alpha,
            tolerated=self.tolerated,
            windows=self.observed.range.steps,
        )
        sentence = nothing_sentence(
            self.service, self.outcome.name, self.observed.start, tolerated=self.tolerated, windows=windows,
            window_s=self.observed.range.step_s, is_old=self.asked.silent_since is not None,
        )  # fmt: skip
        return self._result(sentence=sentence, known=known)

    def _result(
        self,
        *,
        sentence: str,
        onset: Onset | None = None,
        rise: Rise | None = None,
        found: Found | None = None,
        history: History | None = None,
        suspects: tuple[Suspect, ...] = (),
        arrays: tuple[SuspectMeasures, ...] = (),
        unaffected: tuple[Unaffected, ...] = (),
        also: str = "",
        known: bool = True,
    ) -> Investigation:
        observed, past = self.observed, self.first.history
        places: Places | None = found.places if found else None
        findings = findings_of(
            Context(
                observed,
                past,
                onset,
                places,
                rise,
                self.changes,
                partly=history.partly if history else 0,
                unlisted=max(len(suspects) - MOST_SUSPECTS, 0),
                lost=self.lost,
                also=also,
                policy_alpha=self.alpha,
                asked=self.asked,
            )
        )
        if onset is None and not known and findings:
            sentence = f"No rise of {self.outcome.name} can be shown: {findings[0]}"
        incident = Incident(
            service=self.service,
            outcome=self.outcome.name,
            start=observed.start,
            end=observed.end,
            before=observed.before,
            answer=answer_of(onset, suspects, known=known),
            sentence=sentence,
            undo=undo_of(self.service, suspects, self._serving()),
            onset=onset,
            places=places,
            suspects=suspects[:MOST_SUSPECTS],
            unaffected=unaffected,
            findings=findings,
            alpha=self.alpha,
            method=METHOD,
            version=__version__,
        )
        return Investigation(
            incident,
            self._measures(rise, found, history, arrays[:MOST_SUSPECTS]),
            self._marked(onset, incident.suspects),
        )

    def _marked(self, onset: Onset | None, suspects: tuple[Suspect, ...]) -> tuple[Change, ...]:
        """The changes for the figures: the suspects, and the others that are nearest to the start, MOST_MARKED in all."""
        if len(self.changes) <= MOST_MARKED:
            return self.changes
        listed = {id(suspect.change) for suspect in suspects}
        start = onset.best if onset else self.observed.end
        others = sorted((one for one in self.changes if id(one) not in listed), key=lambda one: abs(one.time - start))
        chosen = listed.union(map(id, others[: MOST_MARKED - len(listed)]))
        return tuple(change for change in self.changes if id(change) in chosen)

    def _serving(self) -> list[str]:
        """The revisions with requests in the last windows that have any, the newest last: by release, or first requests."""
        observed, counts = self.observed, self.observed.range
        if not len(counts.at):
            return []
        recent = counts.at >= int(counts.at.max()) - 2
        numbers = np.unique(observed.groups[0][counts.group[recent]]).tolist()

        def since(revision: str) -> datetime:
            released = [
                change.time
                for change in self.changes
                if (change.service, change.kind, change.revision) == (self.service, "release", revision)
            ]
            return max([first_served(observed, revision) or observed.before, *released])

        return sorted((observed.names[0][number] for number in numbers), key=since)

    def _measures(
        self, rise: Rise | None, found: Found | None, history: History | None, arrays: tuple[SuspectMeasures, ...]
    ) -> Measures:
        observed = self.observed
        n, windows = observed.range.requests(), observed.range.steps
        past = self.first.history
        nothing = np.zeros(windows, bool)
        values = found.values if found else ()
        return Measures(
            times=observed.times,
            window_s=observed.range.step_s,
            service=series(n, observed.range.bad_requests(), past.expected(n), past.phi),
            requests_expected=usual_requests(observed),
            in_starts=rise.in_starts if rise else nothing,
            in_ends=rise.in_ends if rise else nothing,
            start_support=rise.support if rise else np.full(windows, -np.inf),
            places=tuple(series_of(observed, history, place)[0] for place in values) if history else (),
            suspects=arrays,
        )
