"""Marks and numbers of writes: whoever writes a source, a reader has the last row of each KEY, and each KEY once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.store_contract import by_key, key, rollups, row
from pratique.store.influxdb import window_answer
from pratique.store.influxdb.marks import Mark, Marker, Write, mark_of, windows_of
from pratique.store.influxdb.window_points import NUMBERS
from pratique.store.rows import normal
from support.window_points import answer_of, points

SOURCES = ["collector", "import:a"]


class Server:
    """What a server keeps: the fields of points, and the last mark of each source, in the form of its line."""

    def __init__(self):
        self.points, self.marks = {}, {}

    def told(self):
        return [mark_of(*source, value) for source, value in self.marks.items()]

    def store(self, marks, table, writer):
        for mark in marks:
            self.marks[mark.service, mark.source] = mark.line(True).partition('mark="')[2].rpartition('"')[0]
        numbers = {(mark.service, mark.source): mark.number for mark in marks}
        for at, fields in points(table, numbers, writer).items():
            self.points.setdefault(at, {}).update(fields)

    def rows(self):
        newest = {mark.source: mark.number for mark in self.told()}
        return window_answer.rows(iter([answer_of(self.points).encode()]), "the store", newest).to_pylist()

    def jump(self, source, step):
        """The number of a source rises by other writes, as of other windows."""
        number = next((mark.number for mark in self.told() if mark.source == source), -1) + step
        self.marks["shop", source] = f"done 0 0 0 other:{number}"


def write(server, marker, rows, stored=None):
    table = normal(rollups(*rows))
    marks = marker.marks_of(windows_of(table, ()), server.told() if stored is None else stored)
    server.store(marks, table, marker.writer)


_row = st.builds(
    row,
    st.integers(0, 1),
    st.sampled_from(["r1", "r2"]),
    n=st.integers(1, 2**40),
    action=st.sampled_from("abc"),
    source=st.sampled_from(SOURCES),
)
_rows = st.lists(_row, min_size=1, max_size=5)
_writer = st.integers(0, 2)
_step = st.one_of(
    st.tuples(st.just("write"), _writer, _rows),
    st.tuples(st.just("restart"), _writer),
    st.tuples(st.just("jump"), st.sampled_from(SOURCES), st.sampled_from([1, 2, 100_000])),
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(_step, min_size=1, max_size=8), st.sampled_from([1, NUMBERS - 3]))
def test_the_last_row_of_each_key_is_read_whoever_wrote_it(steps, first):
    server, writers, expected = Server(), [Marker() for _ in range(3)], []
    for source in SOURCES:
        server.jump(source, first)
    for kind, whose, *rest in steps:
        if kind == "write":
            write(server, writers[whose], *rest)
            expected += rest[0]
        elif kind == "restart":
            writers[whose] = Marker()
        else:
            server.jump(whose, *rest)
    rows = server.rows() if server.points else []
    assert len({key(values) for values in rows}) == len(rows), "a key was read twice"
    assert by_key(rows) == by_key(expected)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(_writer, st.booleans(), _rows), min_size=1, max_size=8), st.sampled_from([1, NUMBERS - 3]))
def test_writers_at_the_same_time_lose_no_key_and_double_none(steps, first):
    """A writer may take its number from marks that others have replaced since."""
    server, writers, asked, written = Server(), [Marker() for _ in range(3)], {}, {}
    for source in SOURCES:
        server.jump(source, first)
    for whose, asks, rows in steps:
        if asks or whose not in asked:
            asked[whose] = server.told()
        write(server, writers[whose], rows, asked[whose])
        for values in by_key(rows).values():
            written.setdefault(key(values), []).append(values)
    rows = server.rows()
    assert len({key(values) for values in rows}) == len(rows), "a key was read twice"
    assert {key(values) for values in rows} == set(written)
    assert all(values in written[key(values)] for values in rows)


def test_two_writers_with_the_same_number_lose_no_row():
    server, same = Server(), []
    write(server, Marker(), [row(action="a"), row(action="b")], same)
    write(server, Marker(), [row(action="b", n=2), row(action="c")], same)
    rows = server.rows()
    assert sorted(values["action"] for values in rows) == ["a", "b", "c"]


def test_sources_that_are_written_together_keep_their_own_numbers():
    server, marker = Server(), Marker()
    server.jump("import:a", NUMBERS * 2 // 3)
    write(server, marker, [row(source="collector")])
    write(server, marker, [row(source="collector", n=2), row(source="import:a")])
    assert {mark.source: mark.number for mark in server.told()} == {"collector": 1, "import:a": NUMBERS * 2 // 3}
    assert by_key(server.rows()) == by_key([row(source="collector", n=2), row(source="import:a")])


def test_a_source_whose_last_number_is_not_known_has_none_from_then_on():
    marker, windows = Marker(), windows_of(normal(rollups(row())), ())
    (blind,) = marker.marks_of(windows, None)
    assert (blind.number, marker.own(windows)) == (None, None)
    (after,) = marker.marks_of(windows, [blind])
    assert after.number is None


def test_a_writer_knows_its_own_numbers_while_nobody_may_read():
    marker, windows = Marker(), windows_of(normal(rollups(row())), ())
    assert marker.own(windows) is None
    marker.marks_of(windows, [Mark("shop", "collector", True, 0, (Write("x:7", 0, 0),))])
    (mark,) = marker.marks_of(windows, marker.own(windows))
    assert mark.number == 9
    assert marker.own([*windows, ("shop", "other")]) is None


@pytest.mark.parametrize("done", [True, False])
def test_an_older_reader_understands_a_mark_with_a_number(done):
    """It takes the first word for the state, and the fifth for a name."""
    marker, windows = Marker(), windows_of(normal(rollups(row())), ())
    (mark,) = marker.marks_of(windows, [])
    words = mark.line(done).partition('mark="')[2].rpartition('"')[0].split(" ")
    assert (words[0], words[4]) == ("done" if done else "open", mark.newest.id)
    read = mark_of("shop", "collector", " ".join(words))
    assert (read.done, read.number, read.writes) == (done, 0, mark.writes)


@pytest.mark.parametrize("value", ["done 0 0 0 x:y", "done 0 0 0 x:-1", "done 0 0 x", "done 0 0 0"])
def test_a_mark_of_another_form_is_refused(value):
    with pytest.raises(ValueError):
        mark_of("shop", "collector", value)
