"""What is drawn adds up to what is stored."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.figures.measures import bin_length, measure, quantile, quantile_band, share_interval
from pratique.telemetry.rollups import Rollups
from support.report_samples import MINUTES, START, sample_events, sample_rollups

END = START + timedelta(minutes=MINUTES)


def test_every_request_of_the_range_is_counted_once():
    events = sample_events(history=5)
    measures = measure(Rollups.from_events(events, window_s=10), "r2", "r3", START, END)
    revision = np.array(events["revision"].to_pylist())
    inside = np.array(events["time_ms"]) >= START.timestamp() * 1000
    for name in ("r2", "r3"):
        assert measures.total(name) == int(((revision == name) & inside).sum())
        assert int(measures.histogram[name].sum()) == measures.total(name)
    codes = np.array(events["code"])
    assert int(measures.of_class("r3", 5).sum()) == int(((revision == "r3") & inside & (codes == 503)).sum())


def test_dictionary_encoded_columns_give_the_same():
    rollups = sample_rollups()
    column = rollups.table.schema.get_field_index("revision")
    encoded = Rollups(rollups.table.set_column(column, "revision", rollups.table["revision"].dictionary_encode()))
    plain, other = (measure(table, "r2", "r3", START, END) for table in (rollups, encoded))
    assert np.array_equal(plain.histogram["r3"], other.histogram["r3"])


def test_no_rows_are_no_requests():
    measures = measure(Rollups.empty(), "r2", "r3", START, END)
    assert measures.total("r2") == measures.total("r3") == 0
    assert len(measures.times) >= 1


@given(st.floats(1, 4e7), st.sampled_from([1, 7, 10, 60, 300, 3600]))
def test_a_bin_is_a_multiple_of_the_window_and_there_are_few_of_them(seconds, window_s):
    length = bin_length(seconds, window_s)
    assert length % window_s == 0
    assert seconds / length <= 48 or length == window_s


def test_a_range_that_starts_inside_a_bin_keeps_what_is_in_it():
    start = datetime(2026, 11, 20, 14, 0, 50, tzinfo=UTC)
    measures = measure(sample_rollups(), "r2", "r3", start, END)
    assert measures.times[0].astype("datetime64[s]").item() <= start.replace(tzinfo=None)
    assert measures.total("r2") < measure(sample_rollups(), "r2", "r3", START, END).total("r2")


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_a_quantile_lies_within_a_bucket_of_the_samples(durations, share):
    """The sample's inverted-CDF quantile, and one bucket (2^(1/16)) to either side."""
    table = pa.table(
        {
            "time_ms": pa.array([int(START.timestamp() * 1000)] * len(durations), pa.int64()),
            **{name: pa.array(["x"] * len(durations)) for name in ("service", "revision", "action", "host", "source")},
            "code": pa.array([200] * len(durations), pa.int16()),
            "duration_ms": pa.array(durations),
        }
    )
    measures = measure(Rollups.from_events(table, window_s=10), "x", "y", START, END)
    found = quantile(measures.histogram["x"].sum(axis=0)[None, :], measures.buckets, share)[0]
    exact = float(np.quantile(durations, share, method="inverted_cdf"))
    assert exact / 2 ** (1.01 / 16) <= found <= exact * 2 ** (1.01 / 16)


def test_the_band_of_a_median_covers_it_in_nineteen_of_twenty_samples():
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
