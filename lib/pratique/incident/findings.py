"""What a reader must distrust in an analysis, one sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pratique.incident.history import FEWEST_BLOCKS, WITHOUT_HISTORY, History
from pratique.incident.model import Change, Onset, Places
from pratique.incident.observed import Observed
from pratique.incident.text import short
from pratique.incident.time_range import TimeRange
from pratique.incident.traffic_loss import Loss, gaps
from pratique.incident.when import Rise
from pratique.number_text import count, percent, plural

MIX = 0.25
"""Part of the excess from which a shift of traffic is a finding."""
MORE_REQUESTS = 1.5
"""Times the usual number of requests from which a share may hide a retry storm, or a crawler."""
NAMED = 3
"""New names that a finding lists."""


@dataclass(frozen=True)
class Context:
    """What findings are made from. partly: blocks of history in which a part of the traffic had an incident. unlisted: changes that are not
    listed.
    """

    observed: Observed
    history: History
    onset: Onset | None
    places: Places | None
    rise: Rise | None
    changes: Sequence[Change]
    partly: int
    unlisted: int
    lost: Sequence[Loss]
    also: str
    policy_alpha: float
    asked: TimeRange


def findings_of(context: Context) -> tuple[str, ...]:
    """Return the findings of an analysis, the most important first."""
    return (
        *_traffic(context),
        *_history(context),
        *([context.also] if context.also else []),
        *_excess(context),
        *_unlisted(context),
        *_new_names(context.observed),
    )


def _traffic(context: Context) -> list[str]:
    observed, asked = context.observed, context.asked
    found = []
    if asked.ahead_until is not None:
        found.append(
            f"there are lines up to {asked.ahead_until:%Y-%m-%d %H:%M} UTC, in the future: the clock of a host, or the zone of a log, is wrong, and such lines are in no range"
        )
    if asked.silent_since is not None:
        found.append(
            f"the last lines are of {asked.silent_since:%Y-%m-%d %H:%M} UTC: no lines is not no errors; if the service still runs, check the collector"
        )
    if not observed.range.requests().sum():
        nothing = (
            "there are no requests in the range: no lines is not no errors; check the collector, and the service itself"
        )
        return [*(found if asked.ahead_until else []), nothing]
    for loss in context.lost[:NAMED]:
        since = f"{_clock(observed, loss.since)} UTC"
        missing = f"about {count(loss.missing)} requests are missing"
        if loss.dimension == "service":
            found.append(
                f"hardly any lines since {since} ({missing}): no lines is not no errors; check the collector first, then the service"
            )
        else:
            found.append(
                f"{loss.dimension} {short(loss.name)} has hardly any requests since {since} ({missing}): a dead host or action sends no errors"
            )
    if silent := gaps(observed):
        found.append(f"{plural(silent, 'window')} in between have no requests: lines may be lost there")
    n, past = observed.range.requests(), context.history
    if context.rise is not None and past.n:
        part = context.rise.affected
        early = n[: context.rise.best]
        if len(early) >= 3 and early.mean() > 0 and n[part].mean() > MORE_REQUESTS * early.mean():
            times = n[part].mean() / early.mean()
            found.append(
                f"since the start there are {times:.1f}x as many requests: retries, or a crawler; read the share and the number together"
            )
    return found


def _history(context: Context) -> list[str]:
    history, observed = context.history, context.observed
    if not history.n:
        return ["no history: there are no requests before the range, so nothing says how many bad ones are usual"]
    found = []
    left_out = int((observed.history.requests() > 0).sum() - history.used.sum())
    if left_out:
        spans = plural(left_out, "block")
        found.append(
            f"{spans} of history of {observed.history.step_s // 60} min hold an incident themselves and were left out"
        )
    if context.partly:
        found.append(
            f"in {plural(context.partly, 'block')} of history a part of the traffic had an incident, and that part was left out there"
        )
    if int(history.used.sum()) < FEWEST_BLOCKS:
        found.append(
            f"only {plural(int(history.used.sum()), 'block')} of history: how much the counts vary is assumed (φ {WITHOUT_HISTORY:g}), not measured"
        )
    if context.rise is not None and context.rise.first == 0:
        found.append("it may have begun before the range: look from an earlier start")
    return found


def _excess(context: Context) -> list[str]:
    places = context.places
    if places is None:
        return []
    excess = places.bad - places.expected
    found = []
    if excess > 0 and abs(places.mix) > MIX * excess:
        way = "more" if places.mix > 0 else "fewer"
        found.append(
            f"{count(abs(places.mix))} bad requests {way} come from a shift of traffic to other actions, hosts or revisions, which breaks nothing"
        )
    if places.found and places.rest > MIX * max(excess, 1.0):
        found.append(f"{percent(places.rest / excess)} of the excess is in none of the places")
    return found


def _unlisted(context: Context) -> list[str]:
    left_out = f"{count(context.unlisted)} further changes were graded and are not listed: the most suspected ones are"
    return [left_out] if context.unlisted else []


def _new_names(observed: Observed) -> list[str]:
    found = []
    past_n, _ = observed.history.between(
        np.ones(observed.history.steps, bool), observed.groups.shape[1], observed.leaves
    )
    now_n, _ = observed.range.between(np.ones(observed.range.steps, bool), observed.groups.shape[1], observed.leaves)
    if not past_n.sum():
        return []
    for row, dimension, place in ((0, "revision", 0), (1, "action", 1), (2, "host", 3)):
        names = observed.names[place]
        before, after = (np.bincount(observed.groups[row], n, len(names)) for n in (past_n, now_n))
        new = np.flatnonzero((before == 0) & (after > 0)).tolist()
        if new and dimension != "revision":
            listed = ", ".join(short(names[value], 40) for value in new[:NAMED])
            more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
            found.append(
                f"new {dimension}{'s' if len(new) > 1 else ''} without a history: {listed}{more}; similar traffic stands in for it"
            )
    return found


def _clock(observed: Observed, window: int) -> str:
    return str(observed.times[min(window, len(observed.times) - 1)])[11:16]
