"""A copy has every row of its source, whatever interrupted it, and says what differs."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.store_contract import T0, by_key, content, rollups, row
from pratique.errors import DataError, MissingError, StorageError
from pratique.store import open_store, ranges
from pratique.store.copy import Selection, copy_store, what_to_copy
from pratique.store.copy_position import CopyPosition

ALL = Selection()
HOUR = 360
"""Windows in an hour."""


@pytest.fixture
def stores(tmp_path):
    return open_store(str(tmp_path / "a")), open_store(str(tmp_path / "b"))


@pytest.fixture
def position(tmp_path):
    return lambda: CopyPosition.of(tmp_path / "state", {"from": "a", "to": "b"})


class Failing:
    """A store whose disk is full after some writes."""

    def __init__(self, store, writes):
        self.store, self.left = store, writes

    def write(self, rows):
        if not self.left:
            raise StorageError("the disk is full")
        self.left -= 1
        self.store.write(rows)

    def __getattr__(self, name):
        return getattr(self.store, name)


def everything(store):
    return content(store, ("shop", "till"), ("r1", "r2", "r3"))


def test_a_copy_has_every_row(stores):
    source, target = stores
    rows = [row(0), row(1, "r2", histogram=((4, 2), (9, 1))), row(5 * HOUR, code=503), row(2, service="till", n=7)]
    source.write(rollups(*rows))
    progress = []
    done = copy_store(source, target, ALL, progress=lambda *numbers: progress.append(numbers))
    assert everything(target) == by_key(rows)
    assert (done.rows, done.requests, done.resumed, done.beyond) == (4, 10, False, 0)
    assert progress[-1] == (10, 10)


@pytest.mark.slow
def test_a_copy_that_is_repeated_changes_nothing(stores):
    source, target = stores
    rows = [row(0), row(3 * HOUR, "r2", n=5)]
    source.write(rollups(*rows))
    assert copy_store(source, target, ALL) == copy_store(source, target, ALL)
    assert everything(target) == by_key(rows)


@pytest.mark.parametrize(
    ("selection", "windows"),
    [
        (Selection(("shop",)), [0, HOUR]),
        (Selection(("till",)), [1]),
        (Selection(since=T0 + timedelta(seconds=10)), [1, HOUR]),
        (Selection(until=T0 + timedelta(seconds=10)), [0]),
        (Selection(("shop",), T0 + timedelta(seconds=1), T0 + timedelta(hours=2)), [HOUR]),
    ],
)
@pytest.mark.slow
def test_only_the_selection_is_copied(stores, selection, windows):
    source, target = stores
    rows = {0: row(0), 1: row(1, service="till"), HOUR: row(HOUR)}
    source.write(rollups(*rows.values()))
    copy_store(source, target, selection)
    assert everything(target) == by_key([rows[window] for window in windows])


def test_rows_of_others_stay_in_the_target_and_are_counted(stores):
    source, target = stores
    own = [row(0, source="other", n=3), row(9 * HOUR, n=4), row(0, "r2"), row(0, service="till")]
    target.write(rollups(*own))
    source.write(rollups(row(0, n=5), row(1)))
    assert copy_store(source, target, ALL).beyond == 3, "in the windows of the source"
    assert everything(target) == by_key([*own, row(0, n=5), row(1)])


@pytest.mark.slow
def test_an_interrupted_copy_continues_where_it_was(stores, position):
    source, target = stores
    rows = [row(number * HOUR, n=number + 1) for number in range(6)]
    source.write(rollups(*rows))
    with pytest.raises(StorageError):
        copy_store(source, Failing(target, 4), ALL, position=position())
    done = copy_store(source, target, ALL, position=position())
    assert (done.rows, done.resumed) == (2, True)
    assert everything(target) == by_key(rows)
    assert not list(position().path.parent.iterdir())
    assert copy_store(source, target, ALL, position=position()).rows == 6


@pytest.mark.slow
def test_a_copy_starts_again_when_the_target_was_emptied_or_the_source_grew(stores, position, tmp_path):
    source, target = stores
    rows = [row(number * HOUR) for number in range(4)]
    source.write(rollups(*rows))
    with pytest.raises(StorageError):
        copy_store(source, Failing(target, 3), ALL, position=position())
    source.write(rollups(late := row(1, n=9)))
    done = copy_store(source, target, ALL, position=position())
    assert (done.rows, done.resumed) == (5, False)
    assert everything(target) == by_key([*rows, late])
    with pytest.raises(StorageError):
        copy_store(source, Failing(target, 3), ALL, position=position())
    other = open_store(str(tmp_path / "c"))
    assert copy_store(source, other, ALL, position=position()).rows == 5


class Changing:
    """A store that somebody else changes after each write to it."""

    def __init__(self, store, change):
        self.store, self.change = store, change

    def write(self, rows):
        self.store.write(rows)
        self.change(self.store)

    def __getattr__(self, name):
        return getattr(self.store, name)


def test_the_first_revision_that_differs_is_named(stores):
    source, target = stores
    source.write(rollups(row(0, "r1"), row(1, "r2")))
    changed = Changing(target, lambda _: source.write(rollups(row(1, "r2", n=1000, source="late"))))
    with pytest.raises(
        DataError, match=r"'shop', revision 'r2': 1,001 requests in the store to copy from, 1 in the copy"
    ) as error:
        copy_store(source, changed, ALL)
    assert "\n" not in str(error.value)


def test_the_first_row_that_differs_is_named_although_the_target_has_more_requests(stores):
    source, target = stores
    target.write(rollups(row(0, source="own", n=100)))
    source.write(rollups(row(0), row(1, action="POST /pay")))
    changed = Changing(target, lambda store: store.write(rollups(row(1, action="POST /pay", n=8))))
    with pytest.raises(DataError, match=r"row of 2026-03-01T23:59:40Z, 'POST /pay', code 200, differs in the copy"):
        copy_store(source, changed, ALL)


def test_nothing_to_copy_is_an_error(stores):
    source, _ = stores
    with pytest.raises(MissingError, match="does not exist"):
        what_to_copy(source, ALL)
    source.write(rollups(row(0)))
    with pytest.raises(MissingError, match=r"no service 'nope' .* choose one of shop"):
        what_to_copy(source, Selection(("shop", "nope")))
    with pytest.raises(MissingError, match="no windows in this time range"):
        what_to_copy(source, Selection(since=T0 + timedelta(days=1)))


_rows = st.builds(
    row,
    window=st.sampled_from([0, 1, 2, 7, 400, 401, 9000]),
    revision=st.sampled_from(["r1", "r2"]),
    n=st.integers(1, 2**40),
    service=st.sampled_from(["shop", "till"]),
    action=st.sampled_from(["GET /", "é'\"\n"]),
    code=st.sampled_from([200, 500]),
    source=st.sampled_from(["collector", "import:a.log"]),
    sum_ms=st.floats(0, 1e9),
    histogram=st.lists(
        st.tuples(st.integers(-160, 511), st.integers(1, 2**40)), max_size=3, unique_by=lambda pair: pair[0]
    ),
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    copied=st.lists(_rows, min_size=1, max_size=12),
    there=st.lists(_rows, max_size=6),
    failures=st.lists(st.integers(0, 4), max_size=3),
    target_rows=st.integers(1, 4),
)
def test_any_copy_with_any_interruptions_equals_the_model(tmp_path_factory, copied, there, failures, target_rows):
    folder = tmp_path_factory.mktemp("copy")
    source, target = open_store(str(folder / "a")), open_store(str(folder / "b"))
    source.write(rollups(*copied))
    target.write(rollups(*there))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "TARGET_ROWS", target_rows)
        for writes in failures:
            position = CopyPosition.of(folder, {})
            try:
                copy_store(source, Failing(target, writes), ALL, position=position)
            except StorageError:
                continue
        copy_store(source, target, ALL, position=CopyPosition.of(folder, {}))
    assert everything(target) == {**by_key(there), **by_key(copied)}
