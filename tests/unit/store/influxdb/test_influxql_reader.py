"""A store in InfluxDB 1.8 and newer, against answers recorded from InfluxDB 1.6.7, whose InfluxQL is the same."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contract.store_contract import T0, by_key, rollups, row
from pratique.errors import DataError, MissingError, UnavailableError
from pratique.store import open_store
from support.recorded_answers import recorded_server

ANSWERS = json.loads((Path(__file__).parents[3] / "data/influxdb/influxql.json").read_text(encoding="utf-8"))
ROWS = [
    row(0, n=3, histogram=((-160, 1), (511, 2))),
    row(1, "r2", n=2**53 + 1),
    row(0, action="a 'b' \"c\" \\ , = \n x", host="", source="é漢"),
]


@pytest.fixture(autouse=True)
def _token(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "user:password")


@pytest.fixture
def server():
    with recorded_server("1.8.10") as recorded:
        recorded.answers = {"/query": lambda request: (200, answer(request.form["q"])), "/api/v2/write": (204, "")}
        yield recorded


def answer(statement):
    """The recorded answer to a statement of the reader."""
    for words, name in (("SUM", "seen"), ('LAST("mark")', "marks"), ('"hist"', "rows"), ("DELETE", "empty")):
        if words in statement:
            return ANSWERS[name]
    raise AssertionError(statement)


def only(server, words, text, status=200):
    """Let the server answer statements with these words by a text."""
    server.answers["/query"] = lambda request: (
        (status, text) if words in request.form["q"] else (200, answer(request.form["q"]))
    )


@pytest.mark.slow
def test_rows_are_read_as_they_were_written(server):
    found = open_store(server.address()).read("shop", ["r1", "r2"]).table.to_pylist()
    assert by_key(found) == by_key(ROWS)


@pytest.mark.slow
def test_revisions_and_existence(server):
    store = open_store(server.address())
    assert store.exists()
    first, second = store.revisions("shop")
    assert (first.revision, first.requests, first.first, first.last) == ("r1", 4, T0, T0)
    assert (second.revision, second.requests, second.last) == ("r2", 2**53 + 1, T0 + timedelta(seconds=10))


@pytest.mark.slow
def test_values_are_bound_and_never_part_of_the_statement(server):
    hostile = 'x\' OR "revision" =~ /.*/ --'
    open_store(server.address("db%2Fautogen")).read("shop", [hostile], T0, datetime(2026, 3, 2, tzinfo=UTC))
    (asked,) = [request.form for request in server.of("/query") if '"hist"' in request.form["q"]]
    assert 'OR "revision" =~' not in asked["q"]
    assert f"time >= {int(T0.timestamp() * 1000)}ms AND time < 1772409600000ms" in asked["q"]
    assert json.loads(asked["params"]) == {"service": "shop", "revision_0": hostile.replace('"', "%22")}
    assert (asked["db"], asked["rp"], asked["epoch"], asked["chunked"]) == ("db", "autogen", "ms", "true")


def test_writes_go_to_the_write_api_of_version_2(server):
    open_store(server.address("db%2Fautogen")).write(rollups(*ROWS))
    opened, written, done = server.of("/api/v2/write")
    assert {request.query["bucket"] for request in (opened, written, done)} == {"db/autogen"}
    assert written.body.count(b"\n") == len(ROWS) - 1
    assert (b'mark="open' in opened.body, b'mark="done' in done.body) == (True, True)
    assert written.headers["Authorization"] == "Token user:password"


@pytest.mark.slow
def test_rows_of_a_source_are_deleted_by_bound_tags(server):
    open_store(server.address()).write(rollups(row(0)), instead_of={"import:o'clock.log"})
    (asked,) = [request.form for request in server.of("/query") if "DELETE" in request.form["q"]]
    assert asked["q"] == 'DELETE FROM "pratique" WHERE "service" = $service AND "source" = $source'
    assert json.loads(asked["params"]) == {"service": "shop", "source": "import:o'clock.log"}


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (ANSWERS["missing"], MissingError, "database not found: nope"),
        ('{"error":"error parsing query: found x"}', DataError, "error parsing query"),
        ('{"results":[{"statement_id":0,"error":"timeout"}]}', DataError, "timeout"),
        (ANSWERS["rows"].replace("}]}]}", '}],"partial":true}]}'), UnavailableError, "cut off"),
        (ANSWERS["rows"][:100], UnavailableError, "cut off"),
        ("", UnavailableError, "cut off"),
        ("<html>", UnavailableError, "not JSON"),
        (ANSWERS["rows"].replace("3 1.5 10", "three"), DataError, "points that are not Pratique's"),
    ],
)
@pytest.mark.slow
def test_errors_within_an_answer_are_errors(server, text, kind, words):
    only(server, '"hist"', text)
    with pytest.raises(kind, match=words) as error:
        open_store(server.address()).read("shop", ["r1"])
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_an_answer_that_lacks_a_statement_is_cut_off(server):
    only(server, "SUM", ANSWERS["seen"].partition('{"results":[{"statement_id":2')[0])
    with pytest.raises(UnavailableError, match="cut off"):
        open_store(server.address()).revisions()


@pytest.mark.slow
def test_no_rows_are_an_empty_table(server):
    only(server, '"hist"', ANSWERS["empty"])
    assert len(open_store(server.address()).read("shop", ["r9"])) == 0
