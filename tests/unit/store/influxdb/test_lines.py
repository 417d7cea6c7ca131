"""Rollups in line protocol: one line per row, with every field, in requests of a bounded size."""

import pytest

from contract.store_contract import T0, rollups, row
from pratique.errors import DataError
from pratique.store.influxdb import lines
from pratique.store.rows import normal


def written(*rows):
    return [line for request in lines.requests(normal(rollups(*rows))) for line in request.decode().split("\n")]


def test_a_row_is_one_line_with_all_fields():
    (line,) = written(row(action="GET /a b", n=3, sum_ms=0.1 + 0.2, histogram=((-160, 1), (511, 2))))
    milliseconds = int(T0.timestamp() * 1000)
    assert line == (
        r"pratique,action=GET\ /a\ b,code=200,host=h1,revision=r1,service=shop,source=collector "
        "n=3i,sum_ms=0.30000000000000004,window_s=10i,under_16=1i,under_32=1i,under_64=1i,under_128=1i,under_256=1i,"
        rf'under_512=1i,under_1024=1i,under_2048=1i,timed=3i,hist="3 0.30000000000000004 10 -160 1 511 2" {milliseconds}'
    )


def test_a_row_without_durations_has_no_buckets():
    (line,) = written(row(n=2, sum_ms=0.0, histogram=()))
    assert 'hist="2 0 10" ' in line


def test_requests_hold_a_bounded_number_of_lines(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINES", 4)
    rows = [row(window) for window in range(10)]
    requests = list(lines.requests(normal(rollups(*rows))))
    assert [request.count(b"\n") + 1 for request in requests] == [4, 4, 2]


def test_requests_hold_a_bounded_number_of_bytes(monkeypatch):
    monkeypatch.setattr(lines, "MAX_BYTES", 5000)
    rows = [row(window, action="x" * 1000) for window in range(10)]
    requests = list(lines.requests(normal(rollups(*rows))))
    assert max(map(len, requests)) <= 6000
    assert sum(request.count(b"\n") + 1 for request in requests) == 10


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_sum_that_is_not_finite_is_refused(value):
    with pytest.raises(DataError, match="not finite"):
        written(row(sum_ms=value))


def test_names_that_are_too_long_together_are_refused():
    with pytest.raises(DataError, match="more than 60,000 bytes"):
        written(row(action="\n" * 10_000, host="\n" * 10_000))
