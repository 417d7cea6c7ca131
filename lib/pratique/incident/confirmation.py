"""Confirm the places after the first one on windows that took no part in their choice.

The bound alpha holds for naming any place. Whether a further place is needed beside the others is another question: it is chosen on
the even windows, the sizes of the others are fitted there, and its evidence is taken from the odd windows, in which they predict it. All
further places are tested together by e-BH (Wang & Ramdas 2022), so that at most FALSE of those confirmed are false on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pratique.incident.cells import Cells, members
from pratique.incident.history import log_ratio_evidence
from pratique.incident.place_fit import chosen_set, mean_of_others
from pratique.incident.place_likelihood import Candidate
from pratique.incident.where import Found, shown_cells
from pratique.judge.evidence import e_bh

FALSE = 0.05
"""False discovery rate of the places that are confirmed."""
YES = "confirmed on windows that took no part in its choice"
NO = "not confirmed on windows that took no part in its choice"
_CAP = 700.0


def confirmed(found: Found, even: Cells, odd: Cells, *, alpha: float) -> Found:
    """Return the places with a word in their reason on whether the further ones are confirmed. even, odd: of every second window."""
    if len(found.values) < 2:
        return found
    chosen = chosen_set(even, shown_cells(even, alpha), alpha=alpha)
    values = [_evidence(chosen, place, even, odd) for place in found.values[1:]]
    words = [YES if kept else NO for kept in e_bh(values, FALSE)]
    further = [
        replace(place, reason=f"{place.reason}; {word}")
        for place, word in zip(found.places.found[1:], words, strict=True)
    ]
    return replace(found, places=replace(found.places, found=(found.places.found[0], *further)))


def _evidence(chosen: Sequence[Candidate], values: tuple[int | None, ...], even: Cells, odd: Cells) -> float:
    """The e-value of a place on the odd windows; 0 where the even ones do not choose it."""
    if values not in [candidate.values for candidate in chosen]:
        return 0.0
    others = [candidate for candidate in chosen if candidate.values != values]
    inside = members(odd.keys, values)
    mean = np.array([mean_of_others(even, odd, others)[inside].sum()])
    dimensions = tuple(at for at, value in enumerate(values) if value is not None)
    log_e = log_ratio_evidence(np.array([odd.bad[inside].sum()]), mean, odd.phi(dimensions, mean))
    return float(np.exp(min(float(log_e[0]), _CAP)))
