"""A period of a schedule runs at equal distances, as cron and systemd write it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.errors import UsageError
from pratique.schedules import Period
from pratique.schedules.period import PERIODS

EVERY = {1: "1m", 15: "15m", 60: "1h", 360: "6h", 1440: "1d", 10080: "1w"}


def minutes_of(field, end):
    """The values of a cron field."""
    span, _, step = field.partition("/")
    first, last = (0, end - 1) if span == "*" else map(int, (span.split("-") * 2)[:2])
    return range(first, last + 1, int(step or 1))


def runs_in_two_weeks(cron):
    """The minutes of two weeks from a Monday on in which a cron line runs."""
    minute, hour, day, month, weekday = cron.split()
    assert (day, month) == ("*", "*")
    days = range(14) if weekday == "*" else range(0, 14, 7)
    return [at * 1440 + h * 60 + m for at in days for h in minutes_of(hour, 24) for m in minutes_of(minute, 60)]


@given(minutes=st.sampled_from(PERIODS), name=st.text(max_size=20))
def test_cron_runs_at_equal_distances(minutes, name):
    every = f"{minutes // 60}h" if minutes % 60 == 0 and minutes < 1440 else EVERY.get(minutes, f"{minutes}m")
    period = Period.parse(every, name=name)
    runs = runs_in_two_weeks(period.cron)
    assert {after - before for before, after in pairwise(runs)} == {minutes}


@pytest.mark.parametrize(
    ("every", "at", "cron", "calendar"),
    [
        ("1d", "06:30", "30 6 * * *", "*-*-* 06:30:00 UTC"),
        ("1w", "00:05", "5 0 * * 1", "Mon *-*-* 00:05:00 UTC"),
        ("1m", "", "* * * * *", "*-*-* *:00/1:00 UTC"),
    ],
)
def test_the_times_as_cron_and_systemd_write_them(every, at, cron, calendar):
    period = Period.parse(every, at=at)
    assert (period.cron, period.calendar) == (cron, calendar)


def test_services_do_not_all_run_in_the_same_minute():
    assert len({Period.parse("1h", name=f"service-{number}").minute for number in range(50)}) > 20


@pytest.mark.parametrize("wrong", ["", "7m", "5h", "2d", "0m", "-1h", "1h30m", "1 hour", "90m", "99999999m"])
def test_what_cron_cannot_run_at_equal_distances_is_refused(wrong):
    with pytest.raises(UsageError, match="is not a period: give minutes that divide an hour"):
        Period.parse(wrong)


@pytest.mark.parametrize(
    ("every", "at", "message"), [("1d", "24:00", "not a time of day"), ("1h", "06:00", "needs a period of a day")]
)
def test_a_time_of_day_is_checked(every, at, message):
    with pytest.raises(UsageError, match=message):
        Period.parse(every, at=at)
