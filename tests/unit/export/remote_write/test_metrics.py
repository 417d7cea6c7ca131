"""The series of a key and of an event."""

from datetime import UTC, datetime

import numpy as np

from pratique.export.events import Event
from pratique.export.remote_write.metrics import (
    BOUNDS,
    THRESHOLDS_MS,
    WIDTH,
    counter_labels,
    counter_values,
    event_series,
)

KEY = ("shop", "r2", "GET /cart", "500", "h1")


def test_a_key_has_a_counter_and_a_histogram_in_seconds():
    labels = counter_labels(KEY, {"job": "pratique"})
    values = counter_values(np.arange(WIDTH, dtype=float) * 1000).tolist()
    by_name = {(one["__name__"], one.get("le", "")): value for one, value in zip(labels, values, strict=True)}
    assert len(by_name) == len(labels) == WIDTH + 1
    assert by_name["pratique_requests_total", ""] == 0.0
    assert by_name["pratique_request_duration_seconds_sum", ""] == 1.0
    assert by_name["pratique_request_duration_seconds_bucket", "0.004"] == 2000.0
    assert by_name["pratique_request_duration_seconds_bucket", "+Inf"] == (WIDTH - 1) * 1000.0
    assert by_name["pratique_request_duration_seconds_count", ""] == (WIDTH - 1) * 1000.0
    common = {
        "service": "shop",
        "revision": "r2",
        "action": "GET /cart",
        "code": "500",
        "host": "h1",
        "job": "pratique",
    }
    assert all(common.items() <= one.items() for one in labels)


def test_the_bounds_are_the_thresholds_in_seconds():
    assert [float(bound) * 1000 for bound in BOUNDS[:-1]] == list(THRESHOLDS_MS)


def test_an_event_is_a_sample_at_its_time_with_its_weights():
    time = datetime(2026, 3, 2, 0, 0, 1, 234000, UTC)
    event = Event(time, "shop", "weight", "r2", "weights", "x" * 900, 3, {"r1": 0.75, "r2": 0.25})
    series = list(event_series(event, {"job": "pratique"}))
    assert [one.samples for one in series] == [
        ((1772409601234, 1772409601234.0),),
        ((1772409601234, 0.75),),
        ((1772409601234, 0.25),),
    ]
    assert [one.labels["__name__"] for one in series] == ["pratique_event_timestamp_ms", *["pratique_weight"] * 2]
    assert len(series[0].labels["text"]) == 500
