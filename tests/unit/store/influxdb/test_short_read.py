"""Which rows, read between two looks at the marks by one request, are whole."""

import pytest

from pratique.errors import DataError, DeniedError
from pratique.store.influxdb import consistent, short_read
from pratique.store.influxdb.marks import Mark, Write
from pratique.store.influxdb.short_read import ShortReader


def latest(*writes, done=True):
    mark = Mark("shop", "collector", done, 0, tuple(Write(*write) for write in writes))
    return {("shop", "collector"): mark}


OLD, INSIDE, OUTSIDE = ("a:0", 0, 0), ("b:1", 1000, 2000), ("c:2", 5000, 5000)


@pytest.mark.parametrize(
    ("before", "after", "whole"),
    [
        (latest(OLD), latest(OLD), True),
        (latest(OLD), latest(INSIDE, OLD), False),
        (latest(OLD), latest(OUTSIDE, OLD), True),
        (latest(OLD), latest(OUTSIDE, INSIDE, OLD), False),
        (latest(INSIDE, OLD, done=False), latest(INSIDE, OLD), False),
        (latest(OLD), latest(INSIDE, OLD, done=False), False),
        (latest(OLD), latest(OUTSIDE, OLD, done=False), True),
        ({}, latest(INSIDE), False),
        ({}, latest(OUTSIDE), True),
        (latest(OLD), latest(("d:9", 9000, 9000)), False),
        (latest(OLD), {}, False),
        ({}, {}, True),
    ],
)
def test_rows_are_whole_unless_a_write_into_their_range_went_on_meanwhile(before, after, whole):
    assert consistent.unchanged(before, after, 1000, 3000) is whole


class Client:
    name = "the store"

    def __init__(self, error):
        self.asked, self._error = 0, error

    def database_of(self, _):
        self.asked += 1
        if self._error:
            raise self._error


@pytest.mark.parametrize("error", [None, DataError("not JSON"), DeniedError("no permission")])
def test_a_server_without_influxql_is_asked_once(error):
    client = Client(error)
    reader = ShortReader(client, "bucket")
    assert [reader.rows("shop", ["r1"], 0, 1000) for _ in range(3)] == [None] * 3
    assert client.asked == 1


def test_a_long_range_is_not_asked_for():
    client = Client(None)
    assert ShortReader(client, "bucket").rows("shop", ["r1"], 0, short_read.LONGEST_MS + 1) is None
    assert client.asked == 0
