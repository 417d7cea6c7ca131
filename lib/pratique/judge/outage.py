"""Whether the baseline behaves as in its own history: nobody wants a release to finish in an outage.

Revisions that fail alike give no evidence against the canary. The baseline's share of bad requests, now and over all
windows judged, is therefore compared with its share before the canary. This is a finding, not part of the evidence: a
drifting service differs from its history without an outage, so it must be far from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from pratique.judge.guard import Guard
from pratique.judge.hypergeometric import Ints
from pratique.judge.model import Finding
from pratique.judge.state import JudgeState
from pratique.judge.text import listed
from pratique.number_text import percent

ENOUGH = 100
"""Requests in the history from which it is compared with."""
FEW = 20
"""Requests in the last windows from which they can show that an outage is over."""
FAR = 3.0
"""Odds ratio, now to the history, from which the baseline is far from its history."""
SURE = 7.0
"""Log likelihood ratio, divided by φ, from which the difference is not chance: 1 in 1,000."""
EXCESS = {"failure": 0.01, "code": 0.2, "latency": 0.4}
"""Least excess over the history: client errors, redirects and slow requests vary with the hour, failures hardly."""


def outage(state: JudgeState) -> list[Finding]:
    """Return a finding for each outcome of which the baseline has far more than in its history."""
    if state.policy.on_outage == "ignore":
        return []
    latency = [guard for guard in state.guards if guard.settings.is_latency]
    others = [[guard] for guard in state.guards if not guard.settings.is_latency]
    # slow requests are slow beyond several thresholds
    return [finding for guards in [*others, latency] for finding in _outage(guards, state.policy.on_outage)]


def _outage(guards: Sequence[Guard], reaction: Literal["note", "hold", "rollback"]) -> list[Finding]:
    """One finding for guards that see the same event."""
    now = [guard for guard in guards if _is_far(guard, _now(guard))]
    since = [guard for guard in guards if _is_far(guard, _all(guard))]
    if now:
        return [Finding("outage", reaction, _message(now, _now, "now"))]
    if since:
        over = all(_is_over(guard, _now(guard)) for guard in since)
        return [Finding("outage", "note" if over else reaction, _message(since, _all, "since the canary's start"))]
    return []


def _now(guard: Guard) -> Ints:
    return np.asarray(guard.recent.sum(axis=2)[:, 0])


def _all(guard: Guard) -> Ints:
    return np.array([guard.bad[0].sum(), guard.n[0].sum()])


def _is_over(guard: Guard, now: Ints) -> bool:
    """Whether the last windows are as in the history again: what follows an outage can be compared."""
    bad, n = (float(value) for value in now)
    return n >= FEW and bad / n - (guard.history[0] / max(guard.history[1], 1)) < EXCESS[_kind(guard)]


def _is_far(guard: Guard, now: Ints) -> bool:
    bad, n = (float(value) for value in now)
    past_bad, past_n = (float(value) for value in guard.history)
    if past_n < ENOUGH or n == 0:
        return False
    share, past = bad / n, (past_bad + 0.5) / (past_n + 1.0)
    odds = (bad + 0.5) / (n - bad + 0.5) * (1.0 - past) / past
    sure = n * (share * math.log(max(share, 1e-12) / past) + past - share) / guard.phi
    return share - past >= EXCESS[_kind(guard)] and odds >= FAR and sure >= SURE


def _kind(guard: Guard) -> str:
    if guard.settings.is_latency:
        return "latency"
    outcome = guard.settings.outcome
    return "failure" if outcome == "no answer" or outcome.startswith("5") else "code"


def _message(guards: Sequence[Guard], counted: Callable[[Guard], Ints], when: str) -> str:
    """The numbers of the first guard, which of those on latency has the most slow requests, and the names of all."""
    (bad, n), (past_bad, past_n) = counted(guards[0]).tolist(), guards[0].history.tolist()
    return (
        f"the baseline is far from its own history: {_outcome(guards)} {percent(bad / n)} {when} ({bad:,}/{n:,}), "
        f"{percent(past_bad / past_n)} before the canary ({past_bad:,}/{past_n:,})"
    )


def _outcome(guards: Sequence[Guard]) -> str:
    first, *others = [guard.name for guard in guards]
    if not guards[0].settings.is_latency:
        return first
    return f"slow requests (beyond {first}{', and beyond ' + listed(others) if others else ''})"
