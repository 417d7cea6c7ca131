"""Requests without a duration, uneven between the revisions: the requests that are missing may be the slow ones.

No latency guard counts a request without a duration, whatever took it away: a timeout, an abort, a field that one
instance logs otherwise. The comparison is within windows, so that a change of both revisions is no difference.
"""

from __future__ import annotations

import numpy as np

from pratique.judge.hypergeometric import Floats, Ints, variance_of
from pratique.judge.model import Finding
from pratique.judge.state import JudgeState
from pratique.number_text import percent

SURE = 4.5
"""Standard deviations, at the dispersion of the latency guards, from which a difference is not chance: 1 in 100,000."""
SMALL = 0.005
"""Difference of the shares without a duration from which it can hide a worse p99; below it is only noted."""
FEW = 10
"""Requests without a duration, beyond those expected, from which a difference can hold."""


def untimed(state: JudgeState) -> list[Finding]:
    """Return a finding when one revision has a larger share of requests without a duration than the other."""
    latency = [guard for guard in state.guards if guard.settings.is_latency]
    if not state.requests or not latency or state.policy.on_no_data == "ignore":
        return []
    requests, timed = np.concatenate(state.requests, axis=1), np.concatenate(state.timed, axis=1)
    if not timed.any() or (not timed.sum(axis=1).all() and any(guard.settings.must_be_shown for guard in latency)):
        # a guard on latency that must be shown says that it could not be evaluated
        return []
    excess, difference = _difference(requests - timed, requests, max(1.0, *(guard.phi for guard in latency)))
    if abs(excess) < FEW:
        return []
    effect = state.policy.on_no_data if abs(difference) >= SMALL else "note"
    return [Finding("untimed", effect, _message(state, (requests - timed).sum(axis=1), requests.sum(axis=1)))]


def _difference(marked: Ints, total: Ints, phi: float) -> tuple[float, float]:
    """The canary's marked requests beyond those expected, and the difference of the shares; 0 when it may be chance.

    marked, total: shape (arms, windows). Source: Mantel and Haenszel (1959), for the sum over windows.
    """
    both, found = total.sum(axis=0), marked.sum(axis=0)
    beyond: Floats = marked[1] - found * total[1] / np.maximum(both, 1)
    weight = float((total[0] * total[1] / np.maximum(both, 1)).sum())
    excess, variance = float(beyond.sum()), float(variance_of(both, found, total[1]).sum())
    if weight == 0 or excess**2 < SURE**2 * phi * variance or excess == 0:
        return 0.0, 0.0
    return excess, excess / weight


def _message(state: JudgeState, without: Ints, requests: Ints) -> str:
    worse = int(without[1] / requests[1] > without[0] / requests[0])
    names = (state.baseline, state.canary)
    shares = [
        f"{percent(without[arm] / requests[arm])} of {names[arm]}'s ({without[arm]:,}/{requests[arm]:,})"
        for arm in (worse, 1 - worse)
    ]
    return (
        f"requests without a duration are uneven: {shares[0]}, {shares[1]}: no latency guard counts them, and they may be "
        "the slow ones; check timeouts, aborted requests and the log of that revision"
    )
