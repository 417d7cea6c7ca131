"""Split the requests of a place into those of one revision and those of all others, by window, action and host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from pratique.incident.cells import HOST, REVISION, members
from pratique.incident.control import FEWEST_WINDOWS, Control, compare_arms
from pratique.incident.measures import Arms
from pratique.incident.observed import Observed, first_served
from pratique.incident.shapes import Mask
from pratique.incident.suspects import Arm
from pratique.judge.hypergeometric import Ints

BLOCK = 10
"""Windows of a block in which the overdispersion is measured."""
MOST_PARTS = 1000
"""Actions and hosts that are compared, those with the most bad requests of both arms: evidence is conditional on these numbers."""
SHARED = 0.5
"""Part of the windows of the arm with fewer of them in which both must serve a host for it to be compared by itself."""
TELLING = 5.0
"""Bad requests that a revision would have had before the range if it had failed as it does now, from which their number tells."""
FIRST = 20.0
"""The same for its first requests, which are looked at."""


def arm_of(
    observed: Observed,
    revision: str,
    values: Sequence[int | None],
    windows: Mask,
    *,
    tolerated: float,
    phi: float,
    latency: bool,
    since: datetime,
) -> Arm:
    """Return the comparison of a revision with the others inside a place, whatever revision the place names.

    values: of the place in each dimension. windows: those that are compared, shape (windows,). since: time of the change.
    """
    if revision not in observed.names[REVISION]:
        return Arm(None, shares_hosts=False, inside=1.0, served=0)
    number = observed.names[REVISION].index(revision)
    place = members(observed.keys, (None, *values[1:]))
    own = observed.groups[0] == number
    groups = observed.serving(place)
    own_leaves = observed.keys[REVISION] == number
    bad = np.stack([observed.range.bad_requests(place & ~own_leaves), observed.range.bad_requests(place & own_leaves)])
    n = np.stack([observed.range.requests(groups & ~own), observed.range.requests(groups & own)])
    chosen = windows & (n > 0).all(axis=0)
    shared = _shared_hosts(observed, groups, own, chosen)
    parts = _by_part(observed, place, own, chosen, shared)
    control = compare_arms(*parts, tolerated=tolerated, phi=phi, block=BLOCK, latency=latency)
    served, _ = observed.range.between(windows, observed.groups.shape[1], observed.leaves)
    of_revision = max(int(served[own].sum()), 1)
    at_host = np.ones(len(own), bool) if values[HOST] is None else observed.groups[2] == values[HOST]
    share = bad[1, windows].sum() / max(n[1, windows].sum(), 1)
    return Arm(
        control=control and _in_all_windows(control, bad, n, chosen),
        shares_hosts=bool(shared.any()),
        inside=float(served[own & at_host].sum()) / of_revision,
        served=int(served[own].sum()),
        first=first_served(observed, revision),
        failed_at_first=_failed_at_first(observed, place & own_leaves, groups & own, float(share), since),
        unlike=control is None and int(chosen.sum()) >= FEWEST_WINDOWS,
        # in one window both serve also when one takes the place of the other
        brief=control is None and 1 < int(chosen.sum()) == int(windows.sum()) < FEWEST_WINDOWS,
    )


def _shared_hosts(observed: Observed, groups: Mask, own: Mask, chosen: Mask) -> Mask:
    """Which hosts run both arms, shape (hosts,): not only while one takes the place of the other."""
    counts, hosts = observed.range, len(observed.names[HOST])
    inside = chosen[counts.at] & groups[counts.group] & (counts.n > 0)
    serves = np.zeros((2, hosts, counts.steps), bool)
    group = counts.group[inside]
    serves[own[group].astype(int), observed.groups[2][group], counts.at[inside]] = True
    both, fewer = serves.all(axis=0).sum(axis=1), serves.sum(axis=2).min(axis=0)
    return np.asarray((both >= FEWEST_WINDOWS) & (both >= SHARED * fewer), np.bool_)


def _by_part(observed: Observed, place: Mask, own: Mask, chosen: Mask, shared: Mask) -> tuple[Ints, Ints]:
    """Bad requests and requests of the chosen windows, by arm, window, and action and host, shape (2, windows, parts).

    Hosts that do not run both arms are one. Parts without bad requests, or without one of the arms, tell nothing and are left out.
    """
    counts, groups = observed.range, observed.serving(place)
    host = np.where(shared[observed.groups[2]], observed.groups[2], -1)
    names, part = np.unique(np.stack([observed.groups[1], host]), axis=1, return_inverse=True)
    part, parts = part.reshape(-1), names.shape[1]
    n_of, bad_of = counts.between(chosen, len(own), observed.leaves)
    bad_of = np.asarray(observed.of_groups(np.where(place, bad_of, 0)), np.int64)
    n_by = np.stack([np.bincount(part, np.where(groups & arm, n_of, 0), parts) for arm in (~own, own)])
    marked = np.where((n_by > 0).all(axis=0), np.bincount(part, bad_of, parts), 0)
    order = np.argsort(-marked, kind="stable")[:MOST_PARTS]
    kept = np.sort(order[marked[order] > 0])
    row = np.full(parts, -1)
    row[kept] = np.arange(len(kept))
    at = np.cumsum(chosen) - 1

    def table(steps: Ints, group: Ints, values: Ints, inside: Mask) -> Ints:
        used = inside & chosen[steps] & (row[part[group]] >= 0)
        found = np.zeros((2, int(chosen.sum()), len(kept)), np.int64)
        np.add.at(found, (own[group[used]].astype(int), at[steps[used]], row[part[group[used]]]), values[used])
        return found

    bad_group = counts.bad_leaf // observed.codes
    return (
        table(counts.bad_at, bad_group, counts.bad, place[counts.bad_leaf]),
        table(counts.at, counts.group, counts.n, groups[counts.group]),
    )


def _failed_at_first(observed: Observed, leaves: Mask, groups: Mask, share: float, since: datetime) -> bool | None:
    """Whether a revision failed as it does now in its first requests before the range; None where they are too few to tell.

    leaves, groups: of the revision inside the place. share: of bad requests now. since: time of the change.
    """
    past = observed.history
    begins = max(int((since - observed.before).total_seconds()) // past.step_s, 0)
    bad, usual = past.bad_requests(leaves)[begins:], past.requests(groups)[begins:] * share
    first = np.cumsum(usual) - usual < FIRST
    expected = float(usual[first].sum())
    return None if expected < TELLING else bool(bad[first].sum() >= 0.5 * expected)


def _in_all_windows(control: Control, bad: Ints, n: Ints, chosen: Mask) -> Control:
    """The comparison with arrays over all windows: without requests where it was not made, the evidence as it was before.

    bad, n: of the whole place, shape (2, windows).
    """
    log_e = np.concatenate([[0.0], control.arms.log_e])[np.cumsum(chosen)]
    return replace(control, arms=Arms(np.where(chosen, bad, 0), np.where(chosen, n, 0), log_e))
