"""Which due times a job has begun, which it missed, and what a clock that is set does to that."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pratique.clock import stamp
from pratique.config import load
from pratique.jobs import memory as module
from pratique.jobs.job import find_job
from pratique.jobs.memory import (
    Memory,
    change_memory,
    checked_until,
    missed_dues,
    open_due,
    read_memory,
    with_begun,
)

SERVICE_FILE = """
[services.shop.runtime]
command = ["true"]
[jobs.nightly]
command = ["true"]
schedule = "{}"
timezone = "{}"
grace_s = 600
"""


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


@pytest.fixture
def make_job(tmp_path):
    def make(schedule="0 * * * *", timezone="UTC"):
        (tmp_path / "pratique.toml").write_text(SERVICE_FILE.format(schedule, timezone))
        return find_job(load(tmp_path / "pratique.toml"), "nightly")

    return make


@pytest.fixture
def clock(monkeypatch):
    now = [at(2026, 11, 20, 10, 30)]
    monkeypatch.setattr(module, "utc_now", lambda: now[0])
    return now


def test_due_times_count_from_when_the_job_was_first_seen(make_job, clock):
    job = make_job()
    known = change_memory(job, lambda memory: memory)
    assert open_due(job, known, at(2026, 11, 20, 10, 59)) is None
    assert missed_dues(job, known, at(2026, 11, 20, 11, 5)) == []
    assert open_due(job, known, at(2026, 11, 20, 11, 5)) == at(2026, 11, 20, 11)
    assert missed_dues(job, known, at(2026, 11, 20, 11, 10)) == [at(2026, 11, 20, 11)]


def test_missed_while_everything_was_down(make_job, clock):
    job = make_job()
    known = change_memory(job, lambda memory: with_begun(memory, at(2026, 11, 20, 11)))
    now = clock[0] = at(2026, 11, 21, 11, 30)
    assert len(missed_dues(job, known, now)) == 24
    known = change_memory(job, lambda memory: checked_until(job, memory, now))
    assert missed_dues(job, known, now) == []
    # a clock that is set back a little tells nothing twice
    clock[0] = now - timedelta(minutes=8)
    known = change_memory(job, lambda memory: checked_until(job, memory, clock[0]))
    assert missed_dues(job, known, now) == []


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=1), timedelta(days=9000)])
def test_a_clock_that_was_ahead_hides_no_due_time_afterwards(make_job, clock, ahead):
    job, right = make_job(), clock[0]
    wrong = clock[0] = right + ahead
    # first seen, looked at and begun while the clock was wrong
    change_memory(job, lambda memory: with_begun(memory, at(wrong.year, wrong.month, wrong.day, wrong.hour)))
    change_memory(job, lambda memory: checked_until(job, memory, wrong + timedelta(minutes=50)))
    clock[0] = right
    change_memory(job, lambda memory: memory)
    clock[0] = right + timedelta(hours=3)
    known = read_memory(job)
    assert open_due(job, known, clock[0]) == at(2026, 11, 20, 13)
    assert missed_dues(job, known, clock[0]) == [at(2026, 11, 20, hour) for hour in (11, 12, 13)]


def test_another_zone_in_the_environment_does_not_start_over(make_job, clock, monkeypatch):
    job = make_job("0 2 * * *", timezone="")
    monkeypatch.setenv("TZ", "UTC")
    before = change_memory(job, lambda memory: memory)
    clock[0] += timedelta(days=1)
    monkeypatch.setenv("TZ", "Europe/Vienna")
    assert change_memory(job, lambda memory: memory) == before


def test_a_due_time_is_begun_once_also_after_its_grace(make_job, clock):
    job = make_job()
    change_memory(job, lambda memory: memory)
    due = clock[0] = at(2026, 11, 20, 11)
    change_memory(job, lambda memory: with_begun(memory, due))
    clock[0] += timedelta(minutes=50)
    known = change_memory(job, lambda memory: checked_until(job, memory, clock[0]))
    assert open_due(job, known, due + timedelta(minutes=50)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "end", "dues"),
    [((2026, 3, 28, 12), (2026, 3, 30, 12), 2), ((2026, 10, 24, 12), (2026, 10, 26, 12), 2)],
)
def test_a_change_to_or_from_summer_time_misses_nothing_and_adds_nothing(make_job, clock, start, end, dues):
    """The clock goes minute by minute; whenever a due time is open, it is begun."""
    job = make_job("30 2 * * *", "Europe/Vienna")
    clock[0] = at(*start)
    known, begun, now = read_memory(job), [], at(*start)
    while now < at(*end):
        now += timedelta(minutes=1)
        due = open_due(job, known, now)
        if due is not None:
            begun.append(due)
            known = with_begun(known, due)
        assert missed_dues(job, known, now) == []
        known = checked_until(job, known, now)
    assert len(begun) == dues


def test_a_leap_day_comes_once_in_four_years(make_job, clock):
    job = make_job("0 3 29 2 *")
    clock[0] = at(2027, 1, 1)
    known = read_memory(job)
    assert missed_dues(job, known, at(2027, 12, 31)) == []
    assert missed_dues(job, known, at(2028, 2, 29, 4)) == [at(2028, 2, 29, 3)]


def test_another_schedule_starts_over(make_job, clock):
    change_memory(make_job(), lambda memory: with_begun(memory, at(2026, 11, 20, 11)))
    clock[0] = at(2026, 11, 25)
    known = read_memory(make_job("15 * * * *"))
    assert (known.since, known.begun) == (stamp(clock[0]), [])


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"schedule": 3}', "\x00"])
def test_a_damaged_memory_stops_no_job(make_job, clock, damage):
    job = make_job()
    change_memory(job, lambda memory: memory)
    (job.folder / module.FILE).write_text(damage)
    assert isinstance(change_memory(job, lambda memory: memory), Memory)
    assert json.loads((job.folder / module.FILE).read_text())["since"] == stamp(clock[0])
