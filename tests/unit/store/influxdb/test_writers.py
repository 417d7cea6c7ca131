"""Which numbers of writes are those of processes at the same time."""

import pytest

from pratique.store.influxdb.window_points import NUMBERS
from pratique.store.influxdb.writers import in_turn


@pytest.mark.parametrize(
    ("numbers", "several"),
    [
        ([], False),
        ([(0, 50)], False),
        ([(0, 50), (51, 51), (52, 90)], False),
        ([(51, 90), (0, 50)], False),
        ([(0, 50), (50, 50)], True),
        ([(0, 8), (1, 9)], True),
        ([(0, 50), (51, 90), (60, 61)], True),
        ([(0, NUMBERS - 1), (5, 9)], False),
        ([(NUMBERS - 9, NUMBERS - 1), (0, 5)], False),
    ],
)
def test_processes_at_the_same_time_take_numbers_in_turn(numbers, several):
    assert in_turn(numbers) is several
