import numpy as np
import pytest

from pratique.incident.confirmation import NO, YES, confirmed
from pratique.incident.where import find_places
from support.incident_cells import FaultyCells

BOTH = ((None, 3, None, None), "times", 12.0), ((None, None, None, 2), "more", 0.05)


def cells(seed, *faults):
    faulty = FaultyCells(np.random.default_rng(3), requests=15_000)
    faulty.rng = np.random.default_rng(seed)
    for fault in faults:
        faulty.fault(*fault)
    return faulty.cells()


@pytest.mark.slow
def test_a_second_place_is_confirmed_where_the_other_half_shows_it_too():
    found = confirmed(find_places(cells(1, *BOTH)), cells(2, *BOTH), cells(3, *BOTH), alpha=0.01)
    assert [place.reason.endswith(YES) for place in found.places.found] == [False, True]


@pytest.mark.slow
def test_a_second_place_that_the_other_half_does_not_show_is_not():
    found = confirmed(find_places(cells(1, *BOTH)), cells(2, *BOTH), cells(3, BOTH[1]), alpha=0.01)
    further = [place for place in found.places.found[1:] if place.action is not None]
    assert [place.reason.endswith(NO) for place in further] == [True]
