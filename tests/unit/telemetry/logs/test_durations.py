"""Durations as programs write them."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.logs.durations import duration_ms_column, tell_their_unit, unread_column

NUMBERS = [
    ("0.012", "s", 12.0),
    ("12000000", "ns", 12.0),
    ("1.5e-3", "s", 1.5),
    ("-1", "ms", -1.0),
]
LISTS = [
    ("0.004, 0.012 : 0.100", "s", 116.0),
    ("-, 1.394", "s", 1394.0),
    ("-", "s", None),
    ("-, -", "s", None),
    ("", "s", None),
    # a decimal comma, or a sign for thousands: nobody knows
    ("1,250", "ms", None),
    ("1,250 ms", "ms", None),
]
WITH_UNITS = [
    ("12ms", 12.0),
    ("24.323ms", 24.323),
    ("1m2.5s", 62_500.0),
    ("1h0m0.5s", 3_600_500.0),
    ("300µs", 0.3),
    ("250us", 0.25),
    ("350 msec", 350.0),
    ("350 MS", 350.0),
    ("0.30 sec", 300.0),
    ("1.5 seconds", 1500.0),
    ("1 second", 1000.0),
    ("2 min", 120_000.0),
    ("1m 2s", 62_000.0),
    ("2 minutes 3 seconds", 123_000.0),
    ("1e-3s", 1.0),
    ("12 nanos", 0.000012),
    ("PT1M2.5S", 62_500.0),
    ("PT0.35S", 350.0),
    ("00:00:01.250", 1250.0),
    ("00:00:01,250", 1250.0),
    ("01:02:03", 3_723_000.0),
    ("1.00:00:00", 86_400_000.0),
    ("12 parsecs", None),
    ("12 ms later", None),
    ("1s 2s", None),
    ("-5ms", None),
    ("PT", None),
    ("slow", None),
]


@pytest.mark.parametrize(("text", "unit", "ms"), NUMBERS + LISTS + [(text, "s", ms) for text, ms in WITH_UNITS])
def test_a_duration_is_read_in_its_unit(text, unit, ms):
    found = duration_ms_column(pl.Series([text], dtype=pl.String), unit).item()
    assert found == (None if ms is None else pytest.approx(ms))


def test_a_number_alone_has_no_unit_where_the_others_tell_theirs():
    texts = pl.Series(["12ms", "95.5", "0", "-"])
    assert duration_ms_column(texts, "in_text").to_list() == [12.0, None, 0.0, None]


@pytest.mark.parametrize(
    ("texts", "in_text"),
    [
        (["12ms", "1.5s"], True),
        (["12ms", "-", "0", "", "timeout after 5"], True),
        (["12ms", "95.5"], False),
        (["12"], False),
        (["-", "slow"], False),
        ([], False),
    ],
)
def test_durations_tell_their_unit_only_where_no_number_stands_alone(texts, in_text):
    assert tell_their_unit(pl.Series(texts, dtype=pl.String)) is in_text


def test_what_holds_a_number_and_is_not_a_duration_is_unread():
    texts = pl.DataFrame({"text": ["12ms", "12 parsecs", "-", "", None, "-, -"]})
    took = texts.with_columns(took=duration_ms_column(texts["text"], "ms"))
    found = took.select(unread_column(pl.col("text"), pl.col("took")))
    assert found.to_series().to_list() == [None, "12 parsecs", None, None, None, None]


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_one_time_written_in_several_ways_is_one_duration(hours, minutes, seconds, ms):
    ways = [
        f"{hours}h{minutes}m{seconds}.{ms:03d}s",
        f"PT{hours}H{minutes}M{seconds}.{ms:03d}S",
        f"{hours:02d}:{minutes:02d}:{seconds:02d}.{ms:03d}",
        f"{hours} hours {minutes} min {seconds} sec {ms} msec",
    ]
    wanted = ((hours * 60 + minutes) * 60 + seconds) * 1000.0 + ms
    assert duration_ms_column(pl.Series(ways), "us").to_list() == [pytest.approx(wanted)] * 4
