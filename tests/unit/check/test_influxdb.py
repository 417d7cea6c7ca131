"""Each fault of a store in InfluxDB is one line, on a real server."""

from datetime import timedelta

import pytest

from contract.store_contract import T0, rollups, row
from pratique.check import influxdb as check_influxdb
from pratique.check.store import store_checks
from pratique.clock import utc_now
from pratique.config import Config, StoreSettings
from pratique.errors import UnavailableError
from pratique.store import open_store
from pratique.store.influxdb.client import InfluxClient
from support.influxdb import TOKEN
from support.ports import free_port
from support.recorded_answers import recorded_server

DAY_S = 86_400


@pytest.fixture
def token(influxd, monkeypatch, tmp_path):
    """Put a token for a bucket into the place where the settings look for it."""

    def make(bucket, *actions, variable="INFLUX_TOKEN"):
        monkeypatch.setenv(variable, influxd.client.create_authorization("test", bucket, actions).token)

    return make


def findings(settings):
    """State and message, by subject; of a subject with two, the worse."""
    found = {}
    for each in (check.run() for check in store_checks(Config(store=settings))):
        assert "\n" not in each.message
        if found.get(each.subject, ("ok",))[0] in {"ok", "skipped"}:
            found[each.subject] = (each.state, each.message)
    return found


def settings(influxd, bucket, **options):
    return influxd.settings(bucket, **{"retention_days": 0, **options})


def test_all_is_well(influxd, token):
    bucket = influxd.new_bucket()
    token(bucket, "read", "write")
    found = findings(settings(influxd, bucket))
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["store.token"][1] == f"the token reads and writes bucket {bucket.name!r}"


def test_a_token_that_only_reads_is_not_enough_for_the_collector(influxd, token):
    bucket = influxd.new_bucket()
    token(bucket, "read")
    state, message = findings(settings(influxd, bucket))["store.token"]
    assert (state, "may not write to bucket" in message) == ("problem", True)


def test_a_token_of_reports_that_may_write_is_a_warning(influxd, token):
    bucket = influxd.new_bucket()
    token(bucket, "read", "write")
    token(bucket, "read", "write", variable="READ")
    found = findings(settings(influxd, bucket, read_token_env="READ"))
    assert found["store.read_token"][0] == "warning"
    token(bucket, "read", variable="READ")
    assert findings(settings(influxd, bucket, read_token_env="READ"))["store.read_token"][0] == "ok"


def test_with_a_token_for_reads_the_other_needs_only_to_write(influxd, token):
    bucket = influxd.new_bucket()
    token(bucket, "write")
    assert findings(settings(influxd, bucket))["store.token"][0] == "problem"
    token(bucket, "read", variable="READ")
    found = findings(settings(influxd, bucket, read_token_env="READ"))
    assert {state for state, _ in found.values()} == {"ok"}, found


def test_a_machine_of_reports_needs_no_token_to_write(influxd, token, monkeypatch):
    bucket = influxd.new_bucket()
    token(bucket, "read", variable="READ")
    monkeypatch.delenv("INFLUX_TOKEN")
    found = findings(settings(influxd, bucket, read_token_env="READ"))
    assert (found["store.token"][0], found["store.read_token"][0]) == ("skipped", "ok")


def test_two_processes_that_write_the_same_source_are_a_warning(influxd, token):
    bucket = influxd.new_bucket()
    token(bucket, "read", "write")
    window = (utc_now() - T0) // timedelta(seconds=10)
    first, second = (open_store(influxd.address(bucket)) for _ in range(2))
    for number in range(3):
        first.write(rollups(row(window - number), row(window, service="till", source='a"\\b')))
    for number in range(3):
        second.write(rollups(row(window - number)))
    assert findings(settings(influxd, bucket))["store.url"][0] == "ok", "the second process followed the first one"
    first.write(rollups(row(window, n=5)))
    state, message = findings(settings(influxd, bucket))["store.url"]
    assert (state, "two processes write source 'collector' of service 'shop'," in message) == ("warning", True)


def test_a_write_that_never_ended_is_a_warning(influxd, monkeypatch):
    bucket = influxd.new_bucket()
    open_store(influxd.address(bucket)).write(rollups(row(0)))
    assert findings(settings(influxd, bucket))["store.url"][0] == "ok"
    monkeypatch.setattr(check_influxdb, "UNFINISHED_MS", -60_000)
    monkeypatch.setattr(InfluxClient, "write", _killed(InfluxClient.write))
    with pytest.raises(UnavailableError):
        open_store(influxd.address(bucket)).write(rollups(row(1)))
    monkeypatch.undo()
    monkeypatch.setenv("INFLUX_TOKEN", TOKEN)
    monkeypatch.setattr(check_influxdb, "UNFINISHED_MS", -60_000)
    state, message = findings(settings(influxd, bucket))["store.url"]
    assert (state, "has not ended" in message) == ("warning", True)


def _killed(write):
    """A write to the server that fails after the mark of its begin."""
    calls = iter([True])

    def once(self, bucket, body, **options):
        if not next(calls, False):
            raise UnavailableError("the server was killed")
        write(self, bucket, body, **options)

    return once


def test_a_wrong_or_missing_token_is_a_problem(influxd, monkeypatch):
    bucket = influxd.new_bucket()
    monkeypatch.setenv("INFLUX_TOKEN", "wrong")
    state, message = findings(settings(influxd, bucket))["store.token"]
    assert (state, "the token is refused" in message) == ("problem", True)
    monkeypatch.delenv("INFLUX_TOKEN")
    state, message = findings(settings(influxd, bucket))["store.token"]
    assert (state, "INFLUX_TOKEN is not set" in message) == ("problem", True)


def test_a_wrong_bucket_and_a_wrong_organisation_are_told_apart(influxd):
    url = f"influxdb://127.0.0.1:{influxd.port}"
    cases = {"tests/nope": 'could not find bucket "nope"', "nobody/first": 'organization name "nobody" not found'}
    for path, words in cases.items():
        state, message = findings(StoreSettings(url=f"{url}/{path}", retention_days=0))["store.token"]
        assert (state, words in message) == ("problem", True), message


@pytest.mark.parametrize(
    ("bucket_days", "days", "state", "words"),
    [
        (30, 30, "ok", ""),
        (30, 90, "problem", "shorter than"),
        (30, 0, "problem", "all windows"),
        (0, 90, "warning", "longer"),
        (90, 30, "warning", "longer"),
    ],
)
def test_the_retention_is_that_of_the_service_file(influxd, bucket_days, days, state, words):
    bucket = influxd.new_bucket(retention_s=bucket_days * DAY_S)
    found = findings(settings(influxd, bucket, retention_days=days))["store.retention_days"]
    assert (found[0], words in found[1]) == (state, True), found


def test_a_server_that_does_not_answer_is_one_problem(influxd):
    found = findings(StoreSettings(url=f"influxdb://127.0.0.1:{free_port()}/tests/first"))
    assert found["store.url"][0] == "problem"
    assert found["store.token"][0] == "skipped"


def test_clocks_that_differ_are_a_warning(influxd, monkeypatch):
    there = InfluxClient.server_time
    monkeypatch.setattr(InfluxClient, "server_time", lambda self: there(self) + timedelta(minutes=5))
    state, message = findings(settings(influxd, influxd.new_bucket()))["store.url"]
    assert (state, message.startswith("the server's clock is ")) == ("warning", True)
    assert "ahead of the clock here" in message


def test_the_token_is_never_printed(influxd):
    bucket = influxd.new_bucket()
    assert TOKEN not in str(findings(settings(influxd, bucket)))


QUERY = {1: "/query", 3: "/api/v3/query_sql"}
EMPTY = {1: (200, '{"results":[{"statement_id":0}]}'), 3: (500, "table 'public.iox.pratique_writes' not found")}


@pytest.mark.parametrize(("version", "health"), [("1.8.10", '{"name":"influxdb","status":"pass"}'), ("3.2.1", "OK")])
@pytest.mark.slow
def test_other_versions_say_how_they_are_tested_and_what_is_not_looked_at(monkeypatch, version, health):
    monkeypatch.setenv("INFLUX_TOKEN", "x")
    kind = int(version[0])
    with recorded_server(version) as server:
        server.answers = {"/health": (200, health), QUERY[kind]: EMPTY[kind]}
        found = [check.run() for check in store_checks(Config(store=StoreSettings(url=server.address())))]
    assert [each.state for each in found] == ["ok", "ok", "skipped", "skipped", "ok", "skipped"]
    assert found[0].message.endswith("(tested against recorded answers only)")


@pytest.mark.slow
def test_a_version_that_is_too_old_is_one_problem(monkeypatch):
    monkeypatch.setenv("INFLUX_TOKEN", "x")
    with recorded_server("1.6.7~rc0") as server:
        found = findings(StoreSettings(url=server.address()))
    assert found["store.url"][0] == "problem"
    assert "Pratique needs 1.8 or newer" in found["store.url"][1]
    assert found["store.token"][0] == "skipped"
