"""Times in any form, and local times in the zone that the header of the line tells."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.logs import times
from pratique.telemetry.logs.zones import header_instant, instant_by_header

NOON = 1795514400123


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T10:00:00.123Z", NOON),
        ("2026-11-24T11:00:00.123456+01:00", NOON),
        ("2026-11-24T11:00:00,123+0100", NOON),
        ("2026-11-24 10:00:00.123 UTC", NOON),
        ("2026/11/24 10:00:00.123 +0000", NOON),
        ("1795514400.123", NOON),
        ("1795514400123", NOON),
        ("1795514400123456", NOON),
        ("1795514400123456789", NOON),
        ("24/Nov/2026:11:00:00 +0100", NOON // 1000 * 1000),
        ("2026-11-24T11:00:00.123+01:00[Europe/Vienna]", NOON),
        ("2026-11-24T10:00:00.123Z[UTC]", NOON),
        ("2026-11-24 11:00:00.123456789 +0100 CET", NOON),
        ("2026-11-24 10:00:00.123456789 +0000 UTC m=+0.012", NOON),
        ("2026-11-24 10:00:00.123 PM", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_a_time_of_any_form_is_an_instant(text, expected):
    instant, local = times.read(pl.col("text"), "auto")
    found = pl.DataFrame({"text": [text]}).select(instant.alias("instant"), local.alias("local"))
    assert found.row(0) == (expected, None)


@pytest.mark.parametrize("text", ["2026-11-24T10:00:00.123", "24/Nov/2026:10:00:00.123", "2026-11-24 10:00:00.123 CET"])
def test_a_time_without_a_zone_is_local(text):
    instant, local = times.read(pl.col("text"), "auto")
    found = pl.DataFrame({"text": [text]}).select(instant.alias("instant"), local.alias("local"))
    assert found.row(0) == (None, NOON)


ZONES = [-210, -60, 0, 60, 120, 330, 345]


@given(
    began=st.integers(1_700_000_000, 1_790_000_000).map(lambda seconds: seconds * 1000),
    zone=st.sampled_from(ZONES),
    header_zone=st.sampled_from(ZONES),
    took=st.sampled_from([0, 15, 30_000, 7_200_000]),
    configured=st.sampled_from(["UTC", "Europe/Vienna", "Asia/Kathmandu"]),
)
def test_the_header_tells_the_zone_of_a_local_time(began, zone, header_zone, took, configured):
    local = began + zone * 60_000
    written = datetime.fromtimestamp((began + took + 900) / 1000, UTC).astimezone(
        timezone(timedelta(minutes=header_zone))
    )
    text = written.isoformat(timespec="milliseconds")
    assert instant_by_header(local, took, header_instant(text), ZoneInfo(configured)) == began
    frame = pl.DataFrame({"local": [local], "took": [took], "header": [text]})
    found = frame.select(found=times.by_header(pl.col("local"), pl.col("took"), pl.col("header"), configured))
    assert found["found"].item() == began


def test_without_a_header_the_configured_zone_counts():
    frame = pl.DataFrame({"local": [NOON], "header": pl.Series([None], dtype=pl.String)})
    found = frame.select(found=times.by_header(pl.col("local"), pl.lit(0), pl.col("header"), "Europe/Vienna"))
    assert found["found"].item() == NOON - 3_600_000
    assert instant_by_header(NOON, 0, header_instant(""), ZoneInfo("Europe/Vienna")) == NOON - 3_600_000


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-11-24 11:00:00 CET", "Europe/Vienna", "2026-11-24T10:00:00"),
        ("2026-07-24 12:00:00 CEST", "Europe/Vienna", "2026-07-24T10:00:00"),
        ("2026-11-24 05:00:00 EST", "America/New_York", "2026-11-24T10:00:00"),
        # the hour that occurs twice: the name tells which one
        ("2026-10-25 02:30:00 CEST", "Europe/Vienna", "2026-10-25T00:30:00"),
        ("2026-10-25 02:30:00 CET", "Europe/Vienna", "2026-10-25T01:30:00"),
        # no such name in that zone, or not at that time
        ("2026-11-24 11:00:00 CET", "UTC", None),
        ("2026-11-24 11:00:00 CEST", "Europe/Vienna", None),
        ("2026-11-24 11:00:00", "Europe/Vienna", "2026-11-24T10:00:00"),
    ],
)
def test_the_name_of_a_zone_must_be_one_of_the_configured_zone(text, zone, utc):
    column = pl.col("text")
    _, local = times.read(column, "auto")
    frame = pl.DataFrame({"text": [text]}).with_columns(local=local, name=times.zone_name(column))
    found = frame.select(times.by_name(pl.col("local"), zone, pl.col("name"))).item()
    assert found == (None if utc is None else round(datetime.fromisoformat(f"{utc}Z").timestamp() * 1000))
