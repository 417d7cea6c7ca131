"""Rollups add up exactly, in any order, and lose no request."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pratique.telemetry.buckets import HIGHEST, LOWEST, bucket_of, buckets_of, lower_ms, upper_ms
from pratique.telemetry.rollups import KEY, SCHEMA, Rollups

EVENT = st.fixed_dictionaries(
    {
        "time_ms": st.integers(0, 200_000),
        "service": st.just("shop"),
        "revision": st.sampled_from(["r1", "r2"]),
        "action": st.sampled_from(["GET /", "GET /cart", "<script>"]),
        "code": st.sampled_from([200, 404, 503]),
        "host": st.sampled_from(["a", "b"]),
        "source": st.sampled_from(["x", "y"]),
        "duration_ms": st.one_of(st.none(), st.just(-1.0), st.floats(0, 1e6)),
    }
)
TYPES = pa.schema(
    [
        ("time_ms", pa.int64()),
        *[(name, pa.string()) for name in ("service", "revision", "action", "host", "source")],
        ("code", pa.int16()),
        ("duration_ms", pa.float64()),
    ]
)


def table(events):
    return pa.Table.from_pylist(events, schema=TYPES)


def facts(rollups):
    rows = {}
    for row in rollups.table.to_pylist():
        key = tuple(row[name] for name in KEY)
        assert key not in rows
        rows[key] = (row["n"], tuple(zip(row["bucket"], row["count"], strict=True)))
    return rows


@given(st.lists(EVENT, max_size=40))
def test_each_event_is_counted_once_in_its_window(events):
    rollups = Rollups.from_events(table(events), window_s=10)
    assert rollups.table.schema.equals(SCHEMA)
    expected = Counter((e["time_ms"] // 10_000, e["revision"], e["action"], e["code"], e["host"]) for e in events)
    found = Counter()
    for row in rollups.table.to_pylist():
        window = int(row["window"].timestamp()) // 10
        found[window, row["revision"], row["action"], row["code"], row["host"]] += row["n"]
    assert found == expected
    timed = sum(e["duration_ms"] is not None and e["duration_ms"] >= 0 for e in events)
    assert sum(sum(row["count"]) for row in rollups.table.to_pylist()) == timed


@given(st.lists(EVENT, max_size=30), st.lists(EVENT, max_size=30), st.lists(EVENT, max_size=10))
def test_merging_is_exact_in_any_order(first, second, third):
    a, b, c = (Rollups.from_events(table(events), window_s=10) for events in (first, second, third))
    together = facts(Rollups.from_events(table(first + second + third), window_s=10))
    assert facts(a.merge(b).merge(c)) == together
    assert facts(c.merge(b.merge(a))) == together


@given(st.floats(2.0**-10, 2.0**31, allow_nan=False))
def test_duration_lies_within_its_bucket(duration):
    bucket = bucket_of(duration)
    assert lower_ms(bucket) <= duration < upper_ms(bucket)


@given(st.lists(st.floats(0, 1e12, allow_nan=False), max_size=50), st.integers(-160, 511))
def test_buckets_of_an_array_equal_single_buckets(durations, edge):
    durations.append(lower_ms(edge))
    assert buckets_of(np.array(durations)).tolist() == [bucket_of(duration) for duration in durations]


def test_zero_and_enormous_durations_have_a_bucket():
    assert bucket_of(0.0) == LOWEST
    assert bucket_of(1e300) == HIGHEST
