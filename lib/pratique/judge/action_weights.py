"""The weight of each action in a guard's evidence, fixed before the action's first outcome is judged.

The mean of e-processes with weights fixed beforehand is an e-process. Weight that no action has stays at e-value 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pratique.judge.counts import Rows
from pratique.judge.hypergeometric import Floats

FLATNESS = 0.25
"""Power of the traffic in a weight: at 0.5 an action with 1 % of the traffic waits for a third more failures."""
NEW_ACTION_RESERVE = 0.1
"""Weight kept for actions that appear later."""
NEW_ACTION_DECAY = 50.0
"""How slowly the weights of new actions fall: (D - 1) / (i + D)² sums to about 1 and has halved at the 20th."""


class ActionWeights:
    """Weights of the actions by their number; they sum to less than 1."""

    def __init__(self, known: Rows, actions: int) -> None:
        """known: the traffic before the canary, or its first window. Weights follow a root of the traffic."""
        root = np.bincount(known.action, weights=known.n, minlength=actions) ** FLATNESS
        self.weights: Floats = (1.0 - NEW_ACTION_RESERVE) * root / max(root.sum(), 1.0)
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
