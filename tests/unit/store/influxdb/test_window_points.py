"""One point for the rows of a window, revision and source: its time, its tags, and fields of a bounded size."""

import numpy as np
import pytest

from contract.store_contract import T0, rollups, row
from pratique.store.influxdb import window_points, window_values
from pratique.store.influxdb.window_points import NUMBERS
from pratique.store.rows import normal
from support.window_points import points

START_NS = int(T0.timestamp()) * 1_000_000_000


def written(*rows, number=0):
    return points(normal(rollups(*rows)), number)


def test_a_window_of_a_revision_is_one_point_whatever_its_actions_are():
    found = written(row(0, action="a"), row(0, action="b", code=500), row(0, "r2"), row(1), number=7)
    assert sorted(found) == [
        ("r1", "shop", "collector", START_NS + 7),
        ("r1", "shop", "collector", START_NS + 10_000_000_000 + 7),
        ("r2", "shop", "collector", START_NS + 7),
    ]
    assert found["r1", "shop", "collector", START_NS + 7] == {
        "rows_w_0": "a\x1f200\x1fh1\x1f1 1.5 10 3 1\x1eb\x1f500\x1fh1\x1f1 1.5 10 3 1\x1e"
    }


def test_numbers_of_writes_stay_within_a_millisecond():
    assert list(written(row(), number=3 * NUMBERS + 5)) == [("r1", "shop", "collector", START_NS + 5)]


def test_a_point_has_as_many_fields_as_its_text_needs(monkeypatch):
    monkeypatch.setattr(window_points, "MAX_FIELD", 200)
    found = written(*[row(0, action=f"{number:02d} {'x' * 60}") for number in range(8)], row(1))
    (first, second) = found.values()
    assert sorted(first) == ["rows_w_0", "rows_w_1", "rows_w_2"]
    assert all(len(value) < 300 for value in first.values())
    assert sorted(second) == ["rows_w_0"]
    assert "".join(first[name] for name in sorted(first)).count("\x1e") == 8


def test_many_rows_are_packed_to_less_than_their_text():
    rows = [row(0, action=f"GET /{number}") for number in range(2000)]
    ((name, value),) = next(iter(written(*rows).values())).items()
    assert name == "rows_w_0"
    assert len(value) < len("".join(window_values.texts(normal(rollups(*rows)).combine_chunks()).to_pylist())) / 2


@pytest.mark.parametrize("at_once", [1, 3, 20_000])
def test_requests_of_any_size_have_all_points(monkeypatch, at_once):
    monkeypatch.setattr(window_points, "ROWS_AT_ONCE", at_once)
    rows = [row(window, action=action) for action in "abc" for window in range(5)]
    found = written(*[rows[at] for at in np.random.default_rng(1).permutation(len(rows))])
    assert len(found) == 5
    assert all(fields["rows_w_0"].count("\x1e") == 3 for fields in found.values())


def test_the_last_of_two_rows_with_the_same_key_is_kept():
    ((fields),) = written(row(n=1), row(n=2)).values()
    assert fields["rows_w_0"].split("\x1f")[3].startswith("2 ")


def test_each_source_has_its_own_number_and_rows_without_one_have_no_point():
    rows = [row(source="a"), row(source="b"), row(source="c"), row(service="cart", source="a")]
    numbers = {("shop", "a"): 3, ("shop", "b"): 9, ("cart", "a"): 4}
    found = points(normal(rollups(*rows)), numbers, "w1")
    assert sorted((service, source, time - START_NS) for _, service, source, time in found) == [
        ("cart", "a", 4),
        ("shop", "a", 3),
        ("shop", "b", 9),
    ]
    assert {field for fields in found.values() for field in fields} == {"rows_w1_0"}
    assert points(normal(rollups(row())), {}) == {}
