"""Estimate the data that a verdict still needs: how many canary requests, and how long they take.

The missing evidence is divided by the evidence that one more canary request is expected to add when the canary is
as good as the baseline (Wald's identity). Source: judge-methods.md, section 4.
"""

from __future__ import annotations

import math

import numpy as np

from pratique.judge.evidence import GRID, log_evidence_below
from pratique.judge.excess import projection
from pratique.judge.guard import Guard
from pratique.judge.hypergeometric import NODES, interpolation, psi_at_nodes
from pratique.judge.model import Remaining
from pratique.judge.silence import silent_runs
from pratique.judge.state import JudgeState
from pratique.number_text import percent

TYPICAL = 100_000
"""Requests of the window that stands for all that are still to come."""
LARGE = 10**9
"""Requests from which no estimate is given."""


def remaining_for(state: JudgeState, open_guards: list[Guard]) -> Remaining:
    """Return the traffic that a promotion still needs: that of the slowest open guard."""
    if _alone(state) is not None:
        return nothing_to_wait_for(state)
    canary = int(sum(requests[1].sum() for requests in state.requests))
    missing = {guard.name: _requests(guard, state.policy.alpha_promote) for guard in open_guards}
    needed = max([state.policy.minimum_requests - canary, *missing.values(), 1])
    if needed >= LARGE:
        return Remaining(None, None, "cannot estimate the remaining requests")
    rounded = _rounded(needed)
    rate, share = _rate(state)
    minutes = needed / rate if rate > 0 else None
    worst = max(missing, key=lambda name: missing[name]) if missing else None
    of = f" for {worst}" if worst is not None and missing[worst] >= needed else ""
    time = f", {_minutes(minutes)} at {percent(share)} of traffic" if minutes is not None else ""
    return Remaining(rounded, minutes, f"needs about {rounded:,} more canary requests{of}{time}")


def nothing_to_wait_for(state: JudgeState) -> Remaining:
    """Return that no number of requests leads to a promotion, and why."""
    alone = _alone(state)
    if alone is not None:
        return Remaining(None, None, f"no comparison can come while all requests go to {alone}")
    return Remaining(
        None, None, "more requests do not lift this hold: remove its cause, then compare from that time on"
    )


def _requests(guard: Guard, alpha: float) -> int:
    """Canary requests until the guard is met, by ratio or by excess, whichever comes first."""
    n_b, n_c = (max(float(total), 1.0) for total in guard.n.sum(axis=1))
    share = n_c / (n_b + n_c)
    rate = (float(guard.bad.sum()) + 0.5) / (n_b + n_c + 1.0)
    goal = -math.log(alpha)
    by_ratio, by_excess = evidence_within(guard)
    needed = (goal - by_ratio) / max(_per_request_by_ratio(guard, rate, share) / guard.phi, 1e-15)
    if guard.excess.tolerated > 0:
        per_request = _per_request(rate, share, guard.excess.tolerated) / guard.phi
        needed = min(needed, (goal - by_excess) / max(per_request, 1e-15))
    return int(min(max(1.0, needed), LARGE))


def _per_request_by_ratio(guard: Guard, rate: float, share: float) -> float:
    """Expected evidence of one canary request against the odds ratio that must be rejected.

    It is that of a large window in which the canary has its share of the bad requests.
    """
    total = np.array([TYPICAL])
    marked, canary = np.maximum(np.rint(total * rate), 1).astype(np.int64), np.rint(total * share).astype(np.int64)
    if not 0 < canary[0] < TYPICAL or marked[0] >= TYPICAL:
        return 0.0
    curve = psi_at_nodes(total, marked, canary) - (marked * canary / total)[:, None] * NODES
    return float((curve @ interpolation([GRID[_needed(guard)]]))[0, 0] / canary[0])


def _per_request(rate: float, share: float, excess: float) -> float:
    """Expected evidence of one canary request (and the baseline requests that come with it) against the excess."""
    guess = np.array([[min(max(rate, 1e-9), 0.95)]])
    n_b = np.array([[(1.0 - share) / share]])
    line = float(projection(n_b, np.array([[1.0]]), guess, guess, np.array([excess]))[0, 0])
    return float(n_b[0, 0]) * _kl(float(guess[0, 0]), line) + _kl(float(guess[0, 0]), line + excess)


def _kl(p: float, q: float) -> float:
    return p * math.log(p / q) + (1.0 - p) * math.log((1.0 - p) / (1.0 - q))


def evidence_within(guard: Guard, stratified: float = 1.0) -> tuple[float, float]:
    """Return the log e-values that a promotion of this guard is based on: by ratio, and by excess.

    Either one at -log(alpha_promote) meets the guard. stratified: factor on the evidence by ratio.
    """
    below = log_evidence_below(stratified * guard.curve[None, :], guard.mixture)[0]
    return float(below[_needed(guard)]), guard.excess.log_within


def _needed(guard: Guard) -> int:
    """The point of GRID that must be rejected: the largest below the tolerance."""
    return max(int(np.searchsorted(GRID, math.log(guard.tolerance))) - 1, 0)


def _alone(state: JudgeState) -> str | None:
    """The revision that has had all requests of late; None while both have some, or too few requests to tell."""
    requests = np.concatenate(state.requests, axis=1) if state.requests else np.zeros((2, 0), np.int64)
    for arm, name in enumerate((state.canary, state.baseline)):
        # arm 0 is the baseline: its silence leaves the canary alone
        runs = silent_runs(requests[arm], requests[1 - arm], None)
        if runs and runs[-1].last == requests.shape[1] - 1:
            return name
    return None


def _rate(state: JudgeState) -> tuple[float, float]:
    """The canary's requests a minute over the last windows, and its share of all requests in them."""
    requests = np.concatenate(state.requests, axis=1)[:, -10:] if state.requests else np.zeros((2, 0))
    times = np.concatenate(state.time_ms)[-10:] if state.time_ms else np.zeros(0)
    if not len(times):
        return 0.0, 0.0
    minutes = (times[-1] - times[0] + state.window_ms) / 60000.0
    return float(requests[1].sum() / minutes), float(requests[1].sum() / max(requests.sum(), 1))


def _rounded(count: int) -> int:
    size: int = 10 ** max(len(str(count)) - 2, 0)
    return math.ceil(count / size) * size


def _minutes(minutes: float) -> str:
    if minutes < 1.5:
        return f"{max(1, math.ceil(minutes * 60))} s"
    return f"{math.ceil(minutes)} min" if minutes < 120 else f"{minutes / 60:.0f} h"
