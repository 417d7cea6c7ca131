"""Points that are one request each: fields side by side, durations and their units, codes, and times that collide."""

import numpy as np
import pyarrow as pa
import pytest

from pratique.config import ActionRule, PointMapping
from pratique.store.points.answer import Series
from pratique.store.points.requests import RequestCounter
from pratique.store.points.tag_reader import TagReader
from pratique.telemetry.buckets import bucket_of

MAPPING = PointMapping(preset="telegraf-access-log", duration="took", duration_unit="ms")
TAGS = {"service": "shop", "revision": "r1", "verb": "GET", "resp_code": "200", "host": "web"}


def series(field, *samples, **tags):
    """samples: (ns, value as text)."""
    times = np.array([time for time, _ in samples], np.int64)
    return Series({**TAGS, **tags}, field, times, pa.array([value for _, value in samples], pa.string()))


def counted(*found, mapping=MAPPING, unit=None, service="shop"):
    counter = RequestCounter(TagReader(mapping), mapping.duration, unit or mapping.duration_unit, 10)
    rollups = counter.count(found, lambda tags: tags.service == service)
    return rollups.table.to_pylist(), list(counter.notes())


def test_the_fields_of_a_point_are_one_request():
    ((row,), notes) = counted(series("request", (5, "/cart?x=1"), (7, "/cart")), series("took", (5, "12"), (7, "30.5")))
    assert (row["n"], row["action"], row["code"], row["sum_ms"]) == (2, "GET /cart", 200, 42.5)
    assert row["bucket"] == [bucket_of(12), bucket_of(30.5)]
    assert notes == []


def test_a_point_counts_once_whatever_fields_it_has():
    rows, notes = counted(series("request", (5, "/a")), series("took", (7, "1")), series("client_ip", (9, "::1")))
    assert sum(row["n"] for row in rows) == 3
    assert notes == ["some points have no valid duration in the field 'took': they are counted and not timed"]


def test_a_field_with_values_of_two_types_is_one_field():
    ((row,), _) = counted(series("took", (5, "1")), series("took", (6, "2.5")))
    assert (row["n"], row["sum_ms"]) == (2, 3.5)


@pytest.mark.parametrize(
    ("unit", "text", "ms"),
    [("s", "0.25", 250), ("ms", "250", 250), ("us", "250000", 250), ("ns", "2.5e8", 250), ("ms", " 250 ", 250)],
)
def test_units(unit, text, ms):
    ((row,), _) = counted(series("took", (5, text)), unit=unit)
    assert row["sum_ms"] == pytest.approx(ms)
    assert sum(row["count"]) == 1


@pytest.mark.parametrize("text", ["-1", "-", "", "nan", "inf", "1e99", "0x10", "1,5"])
def test_a_request_with_an_invalid_duration_is_counted_and_not_timed(text):
    ((row,), notes) = counted(series("took", (5, text), (6, "1")))
    assert (row["n"], sum(row["count"]), row["sum_ms"]) == (2, 1, 1.0)
    assert len(notes) == 1


def test_a_request_without_a_code_got_no_answer():
    without = {name: value for name, value in TAGS.items() if name != "resp_code"}
    one = Series(without, "took", np.array([5], np.int64), pa.array(["1"]))
    assert [row["code"] for row in counted(one)[0]] == [0]


def test_a_code_may_be_a_field():
    mapping = PointMapping(measurement="m", service="service", revision="revision", code="status", duration="took")
    rows, _ = counted(series("status", (5, "200"), (6, "503")), mapping=mapping)
    assert sorted(row["code"] for row in rows) == [200, 503]


def test_requests_of_other_services_are_left_out():
    assert counted(series("took", (5, "1"), service="cart"))[0] == []
    assert counted()[0] == []


def test_the_rules_of_a_service_name_its_actions():
    mapping = MAPPING.with_rules({"shop": (ActionRule(path="/cart/{id}"),)})
    rows, _ = counted(series("request", (5, "/cart/7"), (6, "/else")), mapping=mapping)
    assert sorted(row["action"] for row in rows) == ["/cart/{id}", "other"]


def crowd(step_ns, count=200):
    return series("took", *((step_ns * at, "1") for at in range(count)))


@pytest.mark.parametrize(
    ("points", "is_said"),
    [(crowd(10**9), True), (crowd(10**9, 50), False), (crowd(10**10), False), (crowd(10**9 + 1), False)],
    ids=["every second", "few", "a probe", "finer times"],
)
def test_times_in_whole_seconds_hide_requests(points, is_said):
    assert any("requests may be missing" in note for note in counted(points)[1]) == is_said
