"""The guards of a judgement: those of the policy, and one for each other code that is seen, with their weights.

A code's guard exists from the window after the one in which the code was seen first, so it is fixed before its data.
"""

from __future__ import annotations

import numpy as np

from pratique.config import Policy
from pratique.judge.counts import Rows
from pratique.judge.guard import Guard
from pratique.judge.hypergeometric import Floats
from pratique.judge.outcomes import MOST_CODES, CodeOutcome, others, watched_codes

REST = 0.2
"""Part of the weight of the guard on other codes that it keeps for codes without their own guard."""
DECAY = 4.0
"""How slowly the weights of further codes fall: (D - 1) / (i + D)² sums to less than 1 and has halved at the third."""


class CodeWatch:
    """Makes the guards, and weighs them; the weights sum to at most 1. A guard that only holds or notes has weight 0."""

    def __init__(self, policy: Policy) -> None:
        """policy: of the judgement."""
        self._policy = policy
        self._settings = policy.guards_in_force
        self._watched = watched_codes(list(self._settings.values()))
        self._own: dict[int, int] = {}
        total = sum(guard.weight for guard in self._settings.values() if guard.on_worse == "rollback")
        self._weight = {
            name: guard.weight / total if guard.on_worse == "rollback" else 0.0
            for name, guard in self._settings.items()
        }
        kept = {name: REST if guard.outcome == "other" else 1.0 for name, guard in self._settings.items()}
        self.weights: Floats = np.array([self._weight[name] * kept[name] for name in self._settings])

    @property
    def names(self) -> list[str]:
        """The names of the policy's guards."""
        return list(self._settings)

    def guards(self) -> list[Guard]:
        """Return the guards of the policy."""
        return [
            Guard(name, settings, self._policy, None if settings.is_latency else self._outcome(settings.outcome))
            for name, settings in self._settings.items()
        ]

    def _outcome(self, outcome: str) -> CodeOutcome:
        return CodeOutcome(outcome, self._watched, self._own)

    def new_guards(self, rows: Rows) -> list[Guard]:
        """Return guards for other codes that are seen for the first time, in order of their first window."""
        parent = next((name for name, settings in self._settings.items() if settings.outcome == "other"), None)
        if parent is None or not len(rows):
            return []
        codes = np.unique(rows.code[others(rows.code, self._watched)])
        first = {int(code): int(rows.time_ms[rows.code == code].min()) for code in codes if int(code) not in self._own}
        found = []
        for code in sorted(first, key=lambda code: (first[code], code))[: MOST_CODES - len(self._own)]:
            weight = self._weight[parent] * (1.0 - REST) * (DECAY - 1.0) / (len(self._own) + DECAY) ** 2
            self.weights = np.append(self.weights, weight)
            self._own[code] = first[code]
            settings = self._settings[parent].model_copy(update={"outcome": str(code)})
            found.append(Guard(f"code {code}", settings, self._policy, self._outcome(str(code))))
        return found
