"""Reads of short ranges of the store in InfluxDB: one request, the same rows, and never a part of a write."""

from datetime import timedelta

import pytest

from contract.store_contract import T0, by_key, rollups, row
from pratique.errors import UnavailableError
from pratique.store import open_store
from pratique.store.influxdb import consistent, marks
from pratique.store.influxdb import store as store_module

pytestmark = pytest.mark.influxdb
END = T0 + timedelta(seconds=600)


def short(store, end=END):
    return by_key(store.read("shop", ["r1", "r2"], T0, end).table.to_pylist())


@pytest.fixture
def bucket(influxd):
    return influxd.new_bucket()


@pytest.fixture
def store(influxd, bucket):
    return open_store(influxd.address(bucket))


def never(*_, **__):
    raise AssertionError("read by three requests")


@pytest.mark.parametrize("name", ["windows", "windows/autogen", "a b/c'd é"])
def test_a_short_range_is_one_request_by_a_token_that_may_only_read(influxd, monkeypatch, name):
    influxd.client.create_bucket(name)
    bucket = influxd.client.bucket(name)
    monkeypatch.setenv("R", influxd.client.create_authorization("r", bucket, ["read"]).token)
    store = open_store(influxd.settings(bucket, read_token_env="R"))
    store.write(rollups(row(0), row(1, "r2"), row(3, service="till")))
    store.write(rollups(row(0, n=5), row(70)))
    monkeypatch.setattr(consistent, "read", never)
    assert short(store) == by_key([row(0, n=5), row(1, "r2")])
    assert short(store, T0 + timedelta(seconds=10)) == by_key([row(0, n=5)])
    with pytest.raises(AssertionError, match="three requests"):
        store.read("shop", ["r1"], T0, END + timedelta(seconds=1))
    influxd.client.delete_bucket(bucket)


def test_a_database_of_that_name_that_is_another_bucket_is_not_read(influxd, bucket, store):
    """InfluxQL finds a bucket by its own kind of name, which anybody may have given to another bucket."""
    other = influxd.new_bucket()
    open_store(influxd.address(other)).write(rollups(row(0, n=99)))
    content = {"bucketID": other.id, "database": bucket.name, "retention_policy": "autogen", "default": True}
    influxd.client._json("POST", "/api/v2/dbrps", {**content, "orgID": other.organisation_id})
    store.write(rollups(row(0, n=1)))
    assert short(store) == by_key([row(0, n=1)])


def test_a_write_in_progress_is_waited_for_and_one_into_other_windows_is_not(influxd, bucket, store, monkeypatch):
    monkeypatch.setattr(store_module, "WAIT_S", 0.1)
    store.write(rollups(row(0), row(100)))
    (mark,) = marks.read_marks(influxd.client, bucket.name)
    first_ms = mark.newest.last_ms
    begun = marks.Write(f"{'0' * 12}:{mark.number + 1}", first_ms, first_ms)
    marks.set_marks(
        influxd.client, bucket.name, [marks.Mark("shop", "collector", False, 0, (begun, *mark.writes))], done=False
    )
    assert short(store) == by_key([row(0)])
    with pytest.raises(UnavailableError, match="not complete"):
        store.read("shop", ["r1"], T0 + timedelta(seconds=900), T0 + timedelta(seconds=1100))


def test_a_service_with_a_mark_without_a_number_is_read_from_the_points_of_rows(influxd, bucket, store):
    store.write(rollups(row(0)))
    (mark,) = marks.read_marks(influxd.client, bucket.name)
    before = marks.Mark("shop", "older", False, 0, (marks.Write("0" * 12, 0, 0),))
    marks.set_marks(influxd.client, bucket.name, [before], done=True)
    influxd.client.delete(bucket.name, {"service": "shop"}, measurement="pratique_windows")
    assert short(store) == by_key([row(0)])
    assert mark.number == 0
