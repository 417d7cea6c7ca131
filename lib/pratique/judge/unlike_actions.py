"""Actions that one revision has requests of and the other has not, although some were expected.

A balancer divides the requests of each action alike. An action without a counterpart was lost, got another name by other
rules, or is new; in each case it is not compared. New names of a few files come with many releases, so only a large part holds.
"""

from __future__ import annotations

import math

import numpy as np

from pratique.judge.hypergeometric import Ints
from pratique.judge.model import Finding
from pratique.judge.outcome_text import printable
from pratique.judge.state import JudgeState
from pratique.number_text import percent, plural

SURE = 20.0
"""-log of the chance that all requests of an action go to one revision, from which it is not chance.

It is far beyond what many actions need, because sessions may stay on one revision.
"""
LARGE = 1 / 3
"""Part of a revision's requests without a counterpart from which a promotion is held."""
NAMED = 3
"""Actions that are named."""


def unlike_actions(state: JudgeState) -> list[Finding]:
    """Return a finding when a revision has actions that the other has no request of."""
    requests, reaction = _requests(state), state.policy.on_no_data
    total = requests.sum(axis=1)
    if reaction == "ignore" or not total.all():
        return []
    parts, largest = [], 0.0
    for arm in (0, 1):
        per_request = math.log(total.sum() / total[arm])
        alone = np.flatnonzero((requests[1 - arm] == 0) & (requests[arm] * per_request >= SURE))
        if len(alone):
            alone = alone[np.argsort(-requests[arm][alone], kind="stable")]
            share = float(requests[arm][alone].sum() / total[arm])
            largest = max(largest, share)
            parts.append(_message(state, arm, alone.tolist(), share))
    if not parts:
        return []
    advice = (
        "these requests are not compared; check the routes, and whether both logs were counted by the same action rules"
    )
    return [Finding("actions", reaction if largest >= LARGE else "note", f"{'; '.join(parts)}: {advice}")]


def _requests(state: JudgeState) -> Ints:
    """Requests per revision and action: a guard may count only a part of them."""
    actions = len(state.actions)
    counted = [np.pad(guard.n, ((0, 0), (0, actions - guard.n.shape[1]))) for guard in state.guards]
    return np.max(counted, axis=0) if counted else np.zeros((2, actions), np.int64)


def _message(state: JudgeState, arm: int, alone: list[int], share: float) -> str:
    names, (own, other) = list(state.actions.known), (state.baseline, state.canary)[:: 1 if arm == 0 else -1]
    shown = ", ".join(printable(names[action]) for action in alone[:NAMED])
    more = f" and {len(alone) - NAMED:,} more" if len(alone) > NAMED else ""
    return f"{other} has no request of {plural(len(alone), 'action')} with {percent(share)} of {own}'s requests: {shown}{more}"
