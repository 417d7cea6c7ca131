"""What part of a guard's evidence each action gets, settled before its first outcome is judged.

The mean of e-processes with weights fixed beforehand is one; what is not staked stays as it is, at 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pratique.judge.counts import Rows
from pratique.judge.hypergeometric import Floats

RESERVE = 0.1
"""Part kept for actions that appear later."""
PATIENCE = 50.0
"""How slowly the newcomers' parts fall: by half at the 20th; P² / (i + P)² sums to about P."""


class Stakes:
    """Parts of the actions, by their number; they sum to less than 1."""

    def __init__(self, known: Rows, actions: int) -> None:
        """known: the traffic before the canary, or its first window. Parts go by the square root of traffic."""
        root = np.sqrt(np.bincount(known.action, weights=known.n, minlength=actions))
        self.parts: Floats = (1.0 - RESERVE) * root / max(root.sum(), 1.0)
        self._newcomers = 0

    def admit(self, rows: Rows, names: Sequence[str]) -> None:
        """Give those a part that appear for the first time, in order of appearance, then of name."""
        self.parts = np.pad(self.parts, (0, len(names) - len(self.parts)))
        new = self.parts[rows.action] == 0.0
        pairs = set(zip(rows.time_ms[new].tolist(), rows.action[new].tolist(), strict=True))
        for action in dict.fromkeys(a for _, _, a in sorted((time, names[a], a) for time, a in pairs)):
            self.parts[action] = RESERVE * (PATIENCE - 1.0) / (self._newcomers + PATIENCE) ** 2
            self._newcomers += 1

    def mean(self, e_values: Floats) -> Floats:
        """The mean e-value, shape (windows, actions) to (windows,)."""
        return np.asarray(1.0 + (e_values - 1.0) @ self.parts[: e_values.shape[1]], np.float64)
