"""Made-up actions and hosts are folded, the rarest first, and none of their requests is lost."""

import pyarrow as pa
import pytest

from pratique.store.scraped.bounded_names import BoundedRows
from pratique.telemetry.rollups import Rollups


def rollups(requests):
    """Rows of (action, host, n)."""
    columns = {
        "time_ms": [0] * len(requests),
        "service": ["shop"] * len(requests),
        "revision": ["r1"] * len(requests),
        "action": [action for action, _, _ in requests],
        "code": pa.array([200] * len(requests), pa.int16()),
        "host": [host for _, host, _ in requests],
        "source": ["points"] * len(requests),
        "n": [n for _, _, n in requests],
    }
    return Rollups.from_counts(pa.table(columns), window_s=10)


def totals(found, column):
    table = found.table.group_by([column]).aggregate([("n", "sum")])
    return {row[column]: row["n_sum"] for row in table.to_pylist()}


def test_a_few_names_are_kept():
    bounds = BoundedRows()
    assert totals(bounds.fold(rollups([("a", "x", 3), ("b", "y", 4)])), "action") == {"a": 3, "b": 4}
    assert list(bounds.notes()) == []


@pytest.mark.slow
def test_the_rarest_of_many_names_are_other():
    bounds = BoundedRows()
    found = bounds.fold(rollups([*((f"/{at}", "x", 1) for at in range(600)), ("/real", "x", 9)]))
    assert totals(found, "action")["/real"] == 9
    assert totals(found, "action")["other"] == 101
    assert sum(totals(found, "action").values()) == 609
    assert list(bounds.notes()) == ["shop has more than 500 actions, or very long ones: they count as 'other'"]


def test_a_later_read_keeps_the_names_of_the_first():
    bounds = BoundedRows()
    bounds.fold(rollups([(f"/{at}", "x", 2) for at in range(500)]))
    found = totals(bounds.fold(rollups([("/new", "x", 50), ("/7", "x", 1)])), "action")
    assert found == {"other": 50, "/7": 1}


def test_very_long_names_are_other():
    assert totals(BoundedRows().fold(rollups([("a" * 500, "h" * 500, 3)])), "host") == {"other": 3}
