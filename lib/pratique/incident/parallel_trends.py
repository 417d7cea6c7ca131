"""Difference-in-differences of a change without a control, placed among the same number at earlier times.

The number is log(after / before) of the place's share of bad requests, less the same of the untouched rest of the service. It needs
parallel trends: without the change, place and rest would have moved alike. FUNNEL (CoNEXT 2015) uses the same.
"""

from __future__ import annotations

import numpy as np

from pratique.incident.measures import Placebos, Times
from pratique.judge.hypergeometric import Floats, Ints

FEWEST_PLACEBOS = 5
_SMALL = 0.5


def placebos(
    place_bad: Ints, place_n: Ints, rest_bad: Ints, rest_n: Ints, times: Times, after: tuple[Ints, Ints]
) -> Placebos | None:
    """Return the comparison; None with fewer than FEWEST_PLACEBOS earlier times, or without a rest.

    place_bad, place_n, rest_bad, rest_n: of the blocks of history, shape (blocks,), oldest first. times: their starts. after: bad and
    all requests since the change, of the place and of the rest; shape (2,) each.
    """
    served = (place_n > 0) & (rest_n > 0)
    bad_after, n_after = after
    if served.sum() < FEWEST_PLACEBOS + 1 or not n_after.all():
        return None
    gap = _log_share(place_bad[served], place_n[served]) - _log_share(rest_bad[served], rest_n[served])
    steps = np.diff(gap)
    here = float(_log_share(bad_after[:1], n_after[:1])[0] - _log_share(bad_after[1:], n_after[1:])[0] - gap[-1])
    return Placebos(here, times[served][1:], steps, int((steps >= here).sum()))


def _log_share(bad: Ints, n: Ints) -> Floats:
    return np.asarray(np.log((bad + _SMALL) / (n + 2 * _SMALL)), np.float64)
