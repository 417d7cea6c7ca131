"""Repeated and lost lines, by the numbers of their senders."""

import random

import pytest

from pratique.telemetry.sequence import REMEMBERED, Senders


def seen(*numbers, senders=None):
    senders = senders or Senders()
    return [senders.seen("boot", number) for number in numbers]


def test_repeated_lost_and_late_lines():
    assert seen(5, 6, 6, 9, 8, 8, 3) == [(True, 0), (True, 0), (False, 0), (True, 2), (True, -1), (False, 0), (True, 0)]


def test_any_order_within_reach_loses_nothing():
    numbers = list(range(10_000)) * 2
    random.Random(4).shuffle(numbers)
    found = seen(0, *numbers)
    assert sum(new for new, _ in found) == 10_000
    assert sum(missing for _, missing in found) == 0


@pytest.mark.parametrize("forged", [2**61, 2**62 - 1, REMEMBERED + 50, 0])
def test_made_up_number_makes_no_real_line_look_repeated_or_lost(forged):
    start = 0 if forged else 10 * REMEMBERED
    senders = Senders()
    found = seen(start, start + 1, forged or 3, *range(start + 2, start + 100), senders=senders)
    assert found == [(True, 0)] * len(found)
    assert seen(start + 50, senders=senders) == [(False, 0)]


def test_made_up_numbers_between_real_ones_cost_no_real_line():
    numbers = [n for real in range(1000) for n in (real, 2**61 + real)]
    assert all(new for new, _ in seen(*numbers))


def test_sender_that_starts_over_is_followed_from_its_second_line():
    far = 5 * REMEMBERED
    assert seen(0, 1, far, far + 1, far + 1, far + 4) == [(True, 0)] * 4 + [(False, 0), (True, 2)]


def test_memory_of_a_sender_has_a_bound():
    senders = Senders()
    for number in range(0, 40 * REMEMBERED, 1000):
        senders.seen("boot", number)
    assert len(senders._known["boot"]._pages) <= REMEMBERED // 1024 + 2
