"""The series that the figures draw adds up to the rollups in the store."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.figures.series import bin_length, quantile, quantile_band, request_series, share_interval
from pratique.telemetry.rollups import Rollups
from support.report_samples import MINUTES, START, sample_events, sample_rollups

END = START + timedelta(minutes=MINUTES)


def test_every_request_in_the_range_is_counted_once():
    events = sample_events(history=5)
    series = request_series(Rollups.from_events(events, window_s=10), "r2", "r3", START, END)
    revision = np.array(events["revision"].to_pylist())
    inside = np.array(events["time_ms"]) >= START.timestamp() * 1000
    for name in ("r2", "r3"):
        assert series.total(name) == int(((revision == name) & inside).sum())
        assert int(series.histogram[name].sum()) == series.total(name)
    codes = np.array(events["code"])
    assert int(series.of_class("r3", 5).sum()) == int(((revision == "r3") & inside & (codes == 503)).sum())


def test_dictionary_encoded_columns_give_the_same_series():
    rollups = sample_rollups()
    column = rollups.table.schema.get_field_index("revision")
    encoded = Rollups(rollups.table.set_column(column, "revision", rollups.table["revision"].dictionary_encode()))
    plain, other = (request_series(table, "r2", "r3", START, END) for table in (rollups, encoded))
    assert np.array_equal(plain.histogram["r3"], other.histogram["r3"])


def test_empty_rollups_give_zero_requests():
    series = request_series(Rollups.empty(), "r2", "r3", START, END)
    assert series.total("r2") == series.total("r3") == 0
    assert len(series.times) >= 1


@given(st.floats(1, 4e7), st.sampled_from([1, 7, 10, 60, 300, 3600]))
def test_a_bin_is_a_multiple_of_the_window_and_there_are_at_most_48(seconds, window_s):
    length = bin_length(seconds, window_s)
    assert length % window_s == 0
    assert seconds / length <= 48 or length == window_s


def test_a_range_that_starts_inside_a_bin_keeps_the_rest_of_the_bin():
    start = datetime(2026, 11, 20, 14, 0, 50, tzinfo=UTC)
    series = request_series(sample_rollups(), "r2", "r3", start, END)
    assert series.times[0].astype("datetime64[s]").item() <= start.replace(tzinfo=None)
    assert series.total("r2") < request_series(sample_rollups(), "r2", "r3", START, END).total("r2")


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_a_quantile_is_within_one_bucket_of_the_exact_one(durations, share):
    """The sample's inverted-CDF quantile, and one bucket (2^(1/16)) to either side."""
    table = pa.table(
        {
            "time_ms": pa.array([int(START.timestamp() * 1000)] * len(durations), pa.int64()),
            **{name: pa.array(["x"] * len(durations)) for name in ("service", "revision", "action", "host", "source")},
            "code": pa.array([200] * len(durations), pa.int16()),
            "duration_ms": pa.array(durations),
        }
    )
    series = request_series(Rollups.from_events(table, window_s=10), "x", "y", START, END)
    found = quantile(series.histogram["x"].sum(axis=0)[None, :], series.buckets, share)[0]
    exact = float(np.quantile(durations, share, method="inverted_cdf"))
    assert exact / 2 ** (1.01 / 16) <= found <= exact * 2 ** (1.01 / 16)


def test_the_band_of_the_median_covers_it_in_95_percent_of_samples():
    """Coverage of a 95 % band: 1,000 samples of 200, binomial standard error 0.7 %."""
    rng = np.random.default_rng(5)
    buckets = np.arange(-64, 257)
    samples = np.clip(np.floor(np.log2(rng.lognormal(3, 1, (1000, 200))) * 16).astype(int), -64, 256) + 64
    histogram = np.stack([np.bincount(row, minlength=len(buckets)) for row in samples])
    low, high = quantile_band(histogram, buckets, 0.5)
    covered = np.mean((low <= np.exp(3)) & (np.exp(3) <= high))
    assert 0.92 <= covered <= 0.98


def test_an_empty_histogram_has_no_quantile():
    assert np.isnan(quantile(np.zeros((1, 3), np.int64), np.arange(3), 0.5)[0])


@pytest.mark.parametrize(
    ("bad", "requests", "low", "high"), [(10, 100, 0.0552, 0.1744), (0, 50, 0.0, 0.0713), (0, 0, 0.0, 1.0)]
)
def test_the_interval_of_a_share_is_wilsons(bad, requests, low, high):
    """From statsmodels 0.14, proportion_confint(method="wilson")."""
    found = share_interval(bad, requests)
    assert found == pytest.approx((low, high), abs=2e-4)
