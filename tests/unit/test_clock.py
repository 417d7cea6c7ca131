"""Times are UTC, in text forms that sort, and fall into windows counted from the epoch."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique import clock
from pratique.clock import EPOCH, ClockWatch, elapsed_s, floor, from_ms, iso, now_ms, stamp, utc_now

times = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@given(times, times)
def test_stamps_sort_as_times_do(left, right):
    assert (stamp(left) < stamp(right)) == (left < right)


@given(times, st.integers(1, 3600))
def test_a_window_starts_at_a_multiple_of_its_length_and_holds_the_time(time, seconds):
    span = timedelta(seconds=seconds)
    start = floor(time, span)
    assert start <= time < start + span
    assert (start - EPOCH) % span == timedelta(0)


def test_a_time_without_a_zone_is_utc():
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert [clock.utc_of(text) for text in ("2026-11-20T12:00", "2026-11-20T13:00+01:00")] == [noon, noon]


@pytest.mark.parametrize(
    "text",
    ["", "noon", "0001-01-01", "0001-01-01T00:00+14:00", "1969-12-31T23:59", "9999-12-31T23:59-12:00", "9999-06-01"],
)
def test_a_time_that_cannot_be_one_of_requests_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        clock.utc_of(text)


def test_milliseconds_become_a_utc_time():
    assert from_ms(1_790_000_000_123) == datetime(2026, 9, 21, 14, 13, 20, 123_000, UTC)


def test_text_forms_end_with_z():
    time = datetime(2026, 11, 20, 14, 0, 1, 20, UTC)
    assert stamp(time) == "2026-11-20T14:00:01.000020Z"
    assert iso(time) == "2026-11-20T14:00:01Z"


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_that_is_set_is_noticed_once_in_both_directions(monkeypatch, jump_s):
    watch = ClockWatch()
    assert watch.jump_s() == 0
    monkeypatch.setattr(clock, "utc_now", lambda: datetime.now(UTC) + timedelta(seconds=jump_s))
    assert watch.jump_s() == pytest.approx(jump_s, abs=0.5)
    assert watch.jump_s() == 0
    assert watch.shift_s() == pytest.approx(jump_s, abs=0.5)


def test_a_clock_that_is_kept_in_step_does_not_jump(monkeypatch):
    watch = ClockWatch()
    for step in range(50):
        monkeypatch.setattr(clock, "utc_now", lambda step=step: datetime.now(UTC) + timedelta(seconds=step * 0.1))
        assert watch.jump_s() == 0


def test_the_clock_of_durations_never_goes_back():
    times = [elapsed_s() for _ in range(100)]
    assert times == sorted(times)


def test_now_is_utc_and_both_clocks_agree():
    assert utc_now().tzinfo is UTC
    assert abs(now_ms() - utc_now().timestamp() * 1000) < 5000
