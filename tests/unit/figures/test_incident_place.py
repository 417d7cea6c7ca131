"""One place over time."""

import pytest

from pratique.figures.incident_place import place_over_time
from support.incident_values import nothing_shown, sample_investigation


@pytest.mark.parametrize("number", [0, 1])
def test_the_bad_requests_of_the_chosen_place_are_drawn(number):
    found = sample_investigation()
    chart = place_over_time(found, number=number)
    assert list(chart.data[2].y) == list(found.measures.places[number].bad)


def test_without_a_place_it_says_so():
    assert "No place is shown" in place_over_time(nothing_shown()).layout.annotations[0].text
