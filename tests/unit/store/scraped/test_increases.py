"""Increases of counters: restarts, missed scrapes, late starts, and the same counts for every range of time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.store.scraped.increases import Counter, Scrapes, growth, window_ms
from pratique.store.scraped.rows import Span

LOOKBACK_MS = 300_000
TARGET = ("shop", "r1:8000")
NEVER = np.zeros(0, np.int64)


def counter(*samples, target=TARGET):
    """A counter from (seconds, value)."""
    time, value = zip(*samples, strict=True)
    return Counter(target, np.array(time, np.int64) * 1000, np.array(value, np.float64))


def scrapes_of(*counters, started=()):
    return Scrapes(counters, lambda target: np.array(started, np.int64) * 1000 if started else NEVER)


def increases(one, *others, started=()):
    grown = growth(one, scrapes_of(one, *others, started=started), LOOKBACK_MS)
    return grown.increase.tolist(), grown.uncounted


def test_an_increase_is_the_difference_of_two_samples():
    assert increases(counter((0, 5), (15, 7), (30, 7), (45, 20))) == ([0, 2, 0, 13], 5)


def test_a_counter_that_falls_has_begun_again_from_zero():
    assert increases(counter((0, 50), (15, 60), (30, 4), (45, 6))) == ([0, 10, 4, 2], 50)


def test_after_missed_scrapes_everything_counts_at_the_next_one():
    assert increases(counter((0, 5), (120, 90))) == ([0, 85], 5)


def test_the_first_error_of_a_process_that_was_scraped_before_counts():
    ok = counter((0, 100), (15, 110), (30, 120))
    failed = counter((30, 3))
    assert increases(failed, ok) == ([3], 0)


def test_a_counter_that_was_there_before_the_first_scrape_does_not_count():
    assert increases(counter((0, 1_000_000), (15, 1_000_002))) == ([0, 2], 1_000_000)


def test_the_first_value_of_a_process_that_has_just_started_counts():
    assert increases(counter((100, 40), (115, 45)), started=[90]) == ([40, 5], 0)


def test_the_first_value_of_a_process_that_started_long_ago_does_not_count():
    assert increases(counter((1000, 40), (1015, 45)), started=[90]) == ([0, 5], 40)


def test_another_target_says_nothing_about_when_a_counter_began():
    assert increases(counter((30, 3)), counter((0, 100), (15, 110), target=("shop", "r2:8000"))) == ([0], 3)


def test_after_a_gap_longer_than_the_lookback_nothing_is_known():
    assert increases(counter((0, 5), (15, 6), (1000, 90), (1015, 91))) == ([0, 1, 0, 1], 95)


def test_a_series_that_returns_after_the_lookback_while_its_target_was_scraped_began_from_zero():
    ok = counter(*((15 * step, step) for step in range(80)))
    assert increases(counter((0, 5), (15, 6), (990, 4), (1005, 9)), ok)[0][2:] == [4, 5]


def test_a_scrape_at_the_end_of_a_window_counts_in_that_window():
    found = window_ms(np.array([1, 60_000, 60_001, 120_000]), 60_000)
    assert found.tolist() == [0, 0, 60_000, 60_000]


@st.composite
def lives(draw):
    """Steps of 15 s of a process that restarts: (requests in the step, whether it was scraped at its end, restarted before)."""
    steps = []
    for life in range(draw(st.integers(1, 4))):
        counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=25))
        taken = draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts)))
        # requests after the last scrape of a process are lost with it
        taken[-1] = True
        steps += [(n, scraped, life > 0 and at == 0) for at, (n, scraped) in enumerate(zip(counts, taken, strict=True))]
    return steps


@given(lives(), st.sampled_from([15, 30, 60, 45]), st.integers(0, 14))
def test_the_sum_over_windows_is_everything_that_was_counted(steps, window_s, offset):
    """The truth: requests count at the next scrape. A restart shows when the counter falls, else it looks like none."""
    value, waiting, samples, truth = 0, 0, [(offset, 0)], [0]
    restarted = False
    for at, (n, scraped, again) in enumerate(steps, start=1):
        if again:
            value, restarted = 0, True
        value += n
        waiting += n
        if scraped:
            before = samples[-1][1]
            samples.append((offset + 15 * at, value))
            truth.append(value - before if restarted and value >= before else waiting)
            waiting, restarted = 0, False
    one = counter(*samples)
    grown = growth(one, scrapes_of(one), LOOKBACK_MS)
    gaps = np.diff(one.time_ms) > LOOKBACK_MS
    expected = np.array(truth, float)
    expected[1:][gaps] = 0
    assert grown.increase.tolist() == expected.tolist()
    length = window_s * 1000
    end = (int(one.time_ms[-1]) // length + 1) * length
    whole = Span(-length, end, length).per_window(grown)
    assert whole.sum() == expected.sum()
    assert (whole == np.rint(whole)).all()


@given(lives(), st.integers(0, 40), st.integers(1, 40))
def test_every_range_has_the_same_counts(steps, first, windows):
    """A read takes in the lookback before its range, and finds in each window what a read of everything finds there."""
    value, samples = 0, [(0, 0)]
    for at, (n, scraped, again) in enumerate(steps, start=1):
        value = n if again else value + n
        if scraped:
            samples.append((15 * at, value))
    one = counter(*samples)
    whole = Span(0, 60_000 * 100, 60_000).per_window(growth(one, scrapes_of(one), LOOKBACK_MS))
    span = Span(60_000 * first, 60_000 * (first + windows), 60_000)
    inside = (one.time_ms > span.first_ms - LOOKBACK_MS) & (one.time_ms <= span.last_ms)
    part = Counter(TARGET, one.time_ms[inside], one.value[inside])
    found = span.per_window(growth(part, scrapes_of(part), LOOKBACK_MS))
    assert found.tolist() == np.pad(whole, (0, 100))[first : first + windows].tolist()


def test_the_usual_interval_is_the_median_of_all_targets():
    one, other = counter((0, 1), (15, 1), (30, 1), (90, 1)), counter((7, 1), (22, 1), (37, 1), target=("shop", "r2"))
    assert scrapes_of(one, other).interval_ms() == 15_000
    assert scrapes_of(counter((0, 1))).interval_ms() == 0


@pytest.mark.parametrize("value", [2.0**52 - 1, 123_456_789_012])
def test_large_counters_are_exact(value):
    assert increases(counter((0, value), (15, value + 1)))[0] == [0, 1]
