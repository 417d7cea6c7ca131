"""Join windows with few requests until a stratum has enough of them to tell an arm's share.

Evidence is conditional on a stratum's totals. In a window with one request of each arm the canary's share is 50 %,
whatever its share of the traffic, and a failure of the canary tells next to nothing: of 20 failures at 2 % of a service's
traffic, three quarters of the evidence would be lost. Joining depends on numbers of requests alone, never on outcomes,
so the evidence keeps its promise. It is limited to few requests and few windows, in which drift has no effect.
"""

from __future__ import annotations

import numpy as np

from pratique.judge.hypergeometric import Ints

ENOUGH = 24
"""Requests of both arms from which a stratum is closed."""
LONGEST = 10
"""Windows after which a stratum is closed whatever it holds."""
_NONE = -1


class Strata:
    """The open strata of several units (the service, or its actions). Requests of an open one are not judged yet."""

    def __init__(self) -> None:
        """Start without units."""
        self._open = np.zeros((2, 2, 0), np.int64)
        self._since = np.zeros(0, np.int64)

    def join(self, window: Ints, bad: Ints, n: Ints) -> tuple[Ints, Ints]:
        """Take windows in. Return bad and n with each stratum in the window that closed it, and zeros elsewhere.

        window: numbers of the windows, rising. bad, n: shape (arms, windows, units).
        """
        self._grow(bad.shape[2])
        total = n.sum(axis=0)
        if not self._open.any() and ((total >= ENOUGH) | (total == 0)).all():
            return bad, n
        found = np.zeros((2, *bad.shape), np.int64)
        for index, counts in enumerate(np.moveaxis(np.stack([bad, n]), 2, 0)):
            self._open += counts
            held = self._open[1].sum(axis=0)
            self._since = np.where(held == 0, _NONE, np.where(self._since == _NONE, window[index], self._since))
            closed = (held >= ENOUGH) | ((held > 0) & (window[index] - self._since >= LONGEST - 1))
            found[:, :, index, closed] = self._open[:, :, closed]
            self._open[:, :, closed] = 0
            self._since[closed] = _NONE
        return found[0], found[1]

    def _grow(self, units: int) -> None:
        missing = units - len(self._since)
        if missing > 0:
            self._open = np.pad(self._open, ((0, 0), (0, 0), (0, missing)))
            self._since = np.pad(self._since, (0, missing), constant_values=_NONE)
