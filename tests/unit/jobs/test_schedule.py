"""Due times: cron's fields in a time zone, both changes of the clock, leap days, and fixed numbers of seconds."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.config import JobSettings
from pratique.jobs import schedule as module
from pratique.jobs.schedule import MOST_DUES, dues_between, host_zone, last_due, next_due

VIENNA = "Europe/Vienna"


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def text(times):
    return [f"{time:%m-%d %H:%M}" for time in times]


@pytest.mark.parametrize(
    ("schedule", "zone", "start", "end", "dues"),
    [
        # the hour from 2 to 3 is skipped on 29 March: cron runs the job right after it
        ("30 2 * * *", VIENNA, at(2026, 3, 28), at(2026, 3, 31), ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        # the hour from 2 to 3 comes twice on 25 October: once
        ("30 2 * * *", VIENNA, at(2026, 10, 24), at(2026, 10, 27), ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        # a job of every hour runs in real time
        ("0 * * * *", VIENNA, at(2026, 10, 24, 23), at(2026, 10, 25, 2), ["10-25 00:00", "10-25 01:00", "10-25 02:00"]),
        ("30 1 * * *", "America/New_York", at(2026, 11, 1), at(2026, 11, 3), ["11-01 05:30", "11-02 06:30"]),
        ("0 3 29 2 *", "UTC", at(2023, 1, 1), at(2029, 1, 1), ["02-29 03:00", "02-29 03:00"]),
        ("@daily", "Asia/Kolkata", at(2026, 1, 1), at(2026, 1, 2), ["01-01 18:30"]),
        ("0 0 * * MON-FRI", "UTC", at(2026, 11, 27, 12), at(2026, 12, 1), ["11-30 00:00", "12-01 00:00"]),
        ("0 12 13 * FRI", "UTC", at(2026, 2, 12), at(2026, 2, 21), ["02-13 12:00", "02-20 12:00"]),
    ],
)
def test_due_times_of_a_schedule(schedule, zone, start, end, dues):
    job = JobSettings(schedule=schedule, timezone=zone)
    assert text(dues_between(job, start, end)) == dues


def test_a_due_time_counts_once_at_its_own_moment():
    job = JobSettings(schedule="0 6 * * *", timezone="UTC")
    assert last_due(job, at(2026, 1, 1, 6)) == at(2026, 1, 1, 6)
    assert next_due(job, at(2026, 1, 1, 6)) == at(2026, 1, 2, 6)
    assert next_due(job, at(2026, 1, 1, 5, 59, 59)) == at(2026, 1, 1, 6)
    assert next_due(job, at(2026, 1, 1, 5, 59, 59) + timedelta(microseconds=5)) == at(2026, 1, 1, 6)


def test_a_number_of_seconds_is_the_same_on_every_host():
    job = JobSettings(every_s=300)
    assert text(dues_between(job, at(2026, 1, 1), at(2026, 1, 1, 0, 12))) == ["01-01 00:05", "01-01 00:10"]
    assert next_due(job, at(2026, 1, 1, 0, 5)) == at(2026, 1, 1, 0, 10)


def test_the_due_times_of_a_long_absence_are_bounded():
    job = JobSettings(schedule="* * * * *", timezone="UTC")
    assert len(dues_between(job, at(2025, 1, 1), at(2026, 1, 1))) == MOST_DUES


@given(
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    schedule=st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 3 * * *", "15 */2 * * *", "59 1 * * *", "0 2 * * SUN"]),
    zone=st.sampled_from([VIENNA, "America/New_York", "Australia/Lord_Howe", "UTC", "America/Sao_Paulo"]),
)
def test_looking_forward_and_back_finds_the_same_due_times(moment, schedule, zone):
    """Both ways of a change of the clock are near some of these moments."""
    job = JobSettings(schedule=schedule, timezone=zone)
    start, end = moment.replace(tzinfo=UTC), moment.replace(tzinfo=UTC) + timedelta(days=9)
    forward, now = [], start
    while (now := next_due(job, now)) <= end:
        forward.append(now)
    assert dues_between(job, start, end) == forward
    assert forward == sorted(set(forward))


@pytest.mark.parametrize("year", [2026, 2027])
def test_every_moment_around_both_changes_of_the_clock_sees_the_same_due_times(year):
    job = JobSettings(schedule="30 2 * * *", timezone=VIENNA)
    for first in (at(year, 3, 26), at(year, 10, 23)):
        expected = dues_between(job, first, first + timedelta(days=8))
        for quarter in range(7 * 96):
            now = first + timedelta(minutes=15 * quarter)
            before = [due for due in expected if due <= now]
            assert last_due(job, now) in before[-1:] or not before
            assert next_due(job, now) == next(due for due in expected if due > now)


def test_the_zone_of_the_host_counts_where_none_is_given(monkeypatch):
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert text(dues_between(JobSettings(schedule="0 9 * * *"), at(2026, 1, 1), at(2026, 1, 2))) == ["01-02 00:00"]
    assert host_zone() == "Asia/Tokyo"


def test_a_host_without_a_zone_has_utc(monkeypatch, tmp_path):
    module._host_zone.cache_clear()
    monkeypatch.setenv("TZ", "no/such")
    monkeypatch.setattr(module, "LOCALTIME", tmp_path / "localtime")
    assert host_zone() == "UTC"
    module._host_zone.cache_clear()


@pytest.mark.parametrize(
    "wrong",
    [
        {"schedule": "61 * * * *"}, {"schedule": "* * *"}, {"schedule": "0 0 31 2 *"}, {"schedule": "$(id) * * * *"},
        {"schedule": "@reboot"}, {"timezone": "Mars/Base"}, {"timezone": "../../etc/passwd"}, {"every_s": 0.5},
        {"schedule": "@daily", "every_s": 60}, {"command": ["a\0b"]}, {"ping": "https://hc/secret"}, {"grace_s": 0},
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(ValueError):
        JobSettings(**wrong)
