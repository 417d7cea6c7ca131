"""The weight of each action in a guard's evidence, fixed before the action's first outcome is judged.

The mean of e-processes with weights fixed beforehand is an e-process. Weight that no action has stays at e-value 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pratique.judge.counts import Rows
from pratique.judge.hypergeometric import Floats, Ints

FLATNESS = 0.15
"""Power of the traffic in a weight: an action with 1 % of the traffic has half the weight of one with all of it."""
NEW_ACTION_RESERVE = 0.1
"""Weight kept for actions that appear later."""
NEW_ACTION_DECAY = 50.0
"""How slowly the weights of new actions fall: (D - 1) / (i + D)² sums to about 1 and has halved at the 20th."""
SERVICE_PART = 0.35
"""Part of a guard's evidence that is about the service as a whole; the rest is about its actions."""


def weights_by_traffic(requests: Ints | Floats) -> Floats:
    """Return the weights of actions from their numbers of requests, which sum to 1 less the reserve for new actions."""
    powers = np.asarray(requests, np.float64) ** FLATNESS
    return np.asarray((1.0 - NEW_ACTION_RESERVE) * powers / max(powers.sum(), 1e-9), np.float64)


def mixed(service: Floats, actions: Floats) -> Floats:
    """Return a guard's e-value from that of the service and the weighted mean of its actions."""
    return np.asarray(SERVICE_PART * service + (1.0 - SERVICE_PART) * actions, np.float64)


class ActionWeights:
    """Weights of the actions by their number; they sum to less than 1."""

    def __init__(self, known: Rows, actions: int) -> None:
        """known: the traffic before the canary, or its first window. Weights follow a low power of the traffic."""
        self.weights = weights_by_traffic(np.bincount(known.action, weights=known.n, minlength=actions))
        self._added = 0

    def add_new(self, rows: Rows, names: Sequence[str]) -> None:
        """Weigh actions seen for the first time, in order of their first window, then of their name."""
        self.weights = np.pad(self.weights, (0, len(names) - len(self.weights)))
        new = self.weights[rows.action] == 0.0
        pairs = set(zip(rows.time_ms[new].tolist(), rows.action[new].tolist(), strict=True))
        for action in dict.fromkeys(a for _, _, a in sorted((time, names[a], a) for time, a in pairs)):
            self.weights[action] = NEW_ACTION_RESERVE * (NEW_ACTION_DECAY - 1.0) / (self._added + NEW_ACTION_DECAY) ** 2
            self._added += 1

    def mean(self, e_values: Floats) -> Floats:
        """Return the weighted mean e-value; shape (windows, actions) to (windows,)."""
        return np.asarray(1.0 + (e_values - 1.0) @ self.weights[: e_values.shape[1]], np.float64)
