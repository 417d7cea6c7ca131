"""Ages at which late lines are written."""

from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.late_writes import LATE_MS, next_write_ms


def test_each_write_waits_twice_as_long_as_the_one_before():
    ages = [0]
    while ages[-1] < 60_000:
        ages.append(next_write_ms(ages[-1]))
    assert ages == [0, 1000, 3000, 7000, 15_000, 31_000, 63_000]


@given(st.integers(-10_000, 86_400_000))
def test_the_next_write_is_later_and_a_line_waits_no_longer_than_about_its_age(age):
    due = next_write_ms(age)
    assert max(age, 0) < due <= 2 * max(age, 0) + LATE_MS
    assert next_write_ms(due - 1) == due
