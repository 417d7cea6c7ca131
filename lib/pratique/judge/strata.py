"""Join windows with few requests until a stratum has enough of them to tell an arm's share.

Evidence is conditional on a stratum's totals. In a window with one request of each arm the canary's share is 50 %,
whatever its share of the traffic, and a failure of the canary tells next to nothing: of 20 failures at 2 % of a service's
traffic, three quarters of the evidence would be lost. Joining depends on numbers of requests alone, never on outcomes,
so the evidence keeps its promise. It is limited to few requests and few windows, in which drift has no effect.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pratique.judge.hypergeometric import Ints

ENOUGH = 24
"""Requests of both arms from which a stratum is closed."""
LONGEST = 10
"""Windows after which a stratum is closed whatever it holds."""
_NEVER = 2**62
"""The first window of a stratum without requests."""


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
        few = (total > 0) & (total < ENOUGH)
        units = np.flatnonzero(few.any(axis=0) | (self._since != _NEVER))
        if not len(units):
            return bad, n
        closed = self._closed(window, total[:, units], units)
        counts = np.stack([bad, n])
        # cumulated counts at each closing, less those at the closing before it
        sums = np.cumsum(counts[..., units], axis=2) + self._open[:, :, None, units]
        at_closings = np.maximum.accumulate(np.where(closed, sums, 0), axis=2)
        counts[..., units] = np.diff(at_closings, axis=2, prepend=0)
        self._open[..., units] = sums[:, :, -1] - at_closings[:, :, -1]
        return counts[0], counts[1]

    def _closed(self, window: Ints, total: Ints, units: Ints) -> npt.NDArray[np.bool_]:
        """Return in which windows a stratum of the units is closed, shape (windows, units). total: requests of both arms."""
        held, since = self._open[1][:, units].sum(axis=0), self._since[units]
        closed = np.empty(total.shape, bool)
        for number, came, close in zip(window.tolist(), total, closed, strict=True):
            held += came
            since = np.minimum(since, np.where(held > 0, number, _NEVER))
            np.logical_or(held >= ENOUGH, number - since >= LONGEST - 1, out=close)
            held[close] = 0
            since[close] = _NEVER
        self._since[units] = since
        return closed

    def _grow(self, units: int) -> None:
        missing = units - len(self._since)
        if missing > 0:
            self._open = np.pad(self._open, ((0, 0), (0, 0), (0, missing)))
            self._since = np.pad(self._since, (0, missing), constant_values=_NEVER)
