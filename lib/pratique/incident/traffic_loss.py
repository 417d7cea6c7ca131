"""Requests that vanish: a host that died sends no errors, and no lines is not no errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pratique.incident.model import Change
from pratique.incident.observed import Observed
from pratique.judge.hypergeometric import Floats

SURE = 30.0
"""Requests that must be missing: by chance that many are missing with a probability of e^-30."""
LITTLE = 0.2
"""Part of the usual requests below which traffic has vanished."""
FEWEST_WINDOWS = 3
LAST_BLOCKS = 4
"""Blocks of history just before the range that say how many requests are usual: traffic follows the time of day."""


@dataclass(frozen=True)
class Loss:
    """Traffic that has vanished. dimension: "service", "host" or "action". since: the first window without it. lasts: up to the end."""

    dimension: str
    name: str
    since: int
    missing: float


def usual_requests(observed: Observed) -> Floats:
    """Return how many requests the last blocks of the history lead to expect in each window; NaN without a history."""
    past = observed.history.requests()[-LAST_BLOCKS:]
    windows = observed.range.steps
    if not len(past) or not past.sum():
        return np.full(windows, np.nan)
    a_second = float(past.sum()) / (len(past) * observed.history.step_s)
    return np.full(windows, a_second * observed.range.step_s)


def losses(observed: Observed, changes: Sequence[Change] = ()) -> list[Loss]:
    """Return where requests have vanished up to the end of the range: of the service, else of hosts and of actions.

    changes: of the service; a host that served only revisions from which a change took the traffic was replaced.
    """
    n = np.asarray(observed.range.requests(), np.float64)
    usual = usual_requests(observed)
    usual = np.full(len(n), np.median(n)) if np.isnan(usual).any() else np.full(len(n), max(float(np.median(n)), 1e-9))
    past = usual_requests(observed)
    whole = _tail(n, usual) or (_tail(n, past) if not np.isnan(past).any() else None)
    if whole is not None:
        return [Loss("service", "", *whole)]
    found: list[Loss] = []
    replaced = _replaced_hosts(observed, changes)
    total = np.maximum(n, 1)
    for dimension, row in (("host", 2), ("action", 1)):
        names = observed.names[{"host": 3, "action": 1}[dimension]]
        values = observed.groups[row]
        at = values[observed.range.group] * observed.range.steps + observed.range.at
        by_value = np.bincount(at, observed.range.n, len(names) * observed.range.steps).reshape(
            len(names), observed.range.steps
        )
        at_past = np.bincount(values[observed.history.group], observed.history.n, len(names))
        share = at_past / max(at_past.sum(), 1)
        early = by_value[:, : max(observed.range.steps // 4, 1)]
        recent = early.sum(axis=1) / max(early.sum(), 1)
        usual_share = np.where(early.sum(axis=1) > 0, np.minimum(recent, np.where(share > 0, share, recent)), share)
        expected = usual_share[:, None] * total[None, :]
        for value in np.flatnonzero(expected.sum(axis=1) >= SURE).tolist():
            tail = _tail(by_value[value], expected[value])
            if tail is not None and (value not in replaced if dimension == "host" else len(names) > 1):
                found.append(Loss(dimension, names[value], *tail))
    return found


def _replaced_hosts(observed: Observed, changes: Sequence[Change]) -> set[int]:
    """The numbers of the hosts that served only revisions to which the last change of shares gives none."""
    split = [change for change in changes if change.shares]
    if not split:
        return set()
    shares = max(split, key=lambda change: change.time).shares or {}
    is_out = np.array([shares.get(name, 0.0) <= 0 for name in observed.names[0]], bool)
    revisions, hosts = observed.groups[0], observed.groups[2]
    return set(np.unique(hosts).tolist()) - set(np.unique(hosts[~is_out[revisions]]).tolist())


def _tail(n: Floats, usual: Floats) -> tuple[int, float] | None:
    """The first window from which on nearly nothing came, and how many requests are missing."""
    low = n < LITTLE * usual
    windows = len(n) - int(np.flatnonzero(~low)[-1]) - 1 if (~low).any() else len(n)
    since = len(n) - windows
    missing = float((usual - n)[since:].sum())
    return (since, missing) if windows >= FEWEST_WINDOWS and missing >= SURE else None


def gaps(observed: Observed) -> int:
    """Return how many windows between the first and the last one with requests have none, where many are usual."""
    n = observed.range.requests()
    seen = np.flatnonzero(n)
    if not len(seen) or np.median(n[n > 0]) < SURE:
        return 0
    return int((n[seen[0] : seen[-1] + 1] == 0).sum())
