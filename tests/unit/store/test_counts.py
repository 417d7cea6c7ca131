"""Counts by step and names, for the stores that have no quicker way than reading their rows."""

import pyarrow as pa
import pytest

from contract.store_contract import T0, counted, row
from pratique.errors import UsageError
from pratique.store.counts import Counter
from pratique.store.frame import FrameStore
from pratique.telemetry.lost_lines import LostLines
from pratique.telemetry.rollups import SCHEMA, Rollups


@pytest.fixture
def store():
    rows = [row(0, n=3, service="frame"), row(1, "r2", n=4, service="frame", histogram=((0, 1), (48, 2)))]
    return FrameStore(Rollups(pa.Table.from_pylist(rows, schema=SCHEMA)), LostLines("frame", 0, 0, 0), [])


@pytest.mark.parametrize("service", [None, "frame"])
def test_a_store_that_is_only_read_counts_its_rows(store, service):
    found = store.counts(service, T0, None, by=("service", "revision"), step_s=10, slower_than_ms=8)
    assert counted(found) == {(0, "frame", "r1"): (3, 1, 0), (10, "frame", "r2"): (4, 3, 2)}


def test_a_service_that_the_store_does_not_have_has_no_counts(store):
    assert store.counts("shop", T0, None, by=("revision",), step_s=10).num_rows == 0


def test_a_start_without_a_zone_is_refused():
    with pytest.raises(UsageError, match="time zone"):
        Counter(T0.replace(tzinfo=None), ("code",), 10)


def test_tables_with_different_dictionaries_add_up():
    counter = Counter(T0, ("action",), 0)
    for actions in (["a", "b"], ["b", "c"]):
        table = pa.Table.from_pylist([row(0, action=action) for action in actions], schema=SCHEMA)
        at = table.column_names.index("action")
        counter.add(table.set_column(at, "action", table["action"].dictionary_encode()))
    assert counted(counter.table()) == {(0, "a"): (1,), (0, "b"): (2,), (0, "c"): (1,)}


def test_a_window_before_1970_counts_in_the_step_in_which_it_begins():
    counter = Counter(None, (), 30)
    before = row(0) | {"window": T0.replace(year=1969)}
    counter.add(pa.Table.from_pylist([before], schema=SCHEMA))
    assert counter.table()["step"].to_pylist() == [before["window"]]
