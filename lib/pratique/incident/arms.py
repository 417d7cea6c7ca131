"""Split the requests of a place into those of one revision and those of all others, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pratique.incident.cells import HOST, REVISION, members
from pratique.incident.control import Control, compare_arms
from pratique.incident.measures import Arms
from pratique.incident.observed import Observed
from pratique.incident.shapes import Mask
from pratique.incident.suspects import Arm

BLOCK = 10
"""Windows of a block in which the overdispersion is measured."""


def arm_of(
    observed: Observed,
    revision: str,
    values: Sequence[int | None],
    windows: Mask,
    *,
    tolerated: float,
    phi: float,
    latency: bool,
) -> Arm:
    """Return the comparison of a revision with the others inside a place, whatever revision the place names.

    values: of the place in each dimension. windows: those that are compared, shape (windows,).
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
    control = compare_arms(bad[:, chosen], n[:, chosen], tolerated=tolerated, phi=phi, block=BLOCK, latency=latency)
    served, _ = observed.range.between(windows, observed.groups.shape[1], observed.leaves)
    hosts = [set(observed.groups[2][(served > 0) & groups & side].tolist()) for side in (own, ~own)]
    of_revision = max(int(served[own].sum()), 1)
    at_host = np.ones(len(own), bool) if values[HOST] is None else observed.groups[2] == values[HOST]
    return Arm(
        control=control and _in_all_windows(control, chosen),
        shares_hosts=bool(hosts[0] & hosts[1]),
        inside=float(served[own & at_host].sum()) / of_revision,
        served=int(served[own].sum()),
    )


def _in_all_windows(control: Control, chosen: Mask) -> Control:
    """The comparison with arrays over all windows: without requests where it was not made, the evidence as it was before."""
    counts = np.zeros((2, 2, len(chosen)), np.int64)
    counts[0][:, chosen], counts[1][:, chosen] = control.arms.bad, control.arms.n
    done = np.cumsum(chosen)
    log_e = np.concatenate([[0.0], control.arms.log_e])[done]
    return replace(control, arms=Arms(counts[0], counts[1], log_e))
