"""The embedded store: the contract of all stores, its file format, upkeep and retention."""

import itertools
import json
import logging
import os
import time
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from contract.store_contract import StoreContract, by_key, content, rollups, row
from pratique.config import StoreSettings
from pratique.errors import DataError, UsageError
from pratique.store import open_store, query, upkeep
from pratique.store.base import Upkeep
from pratique.store.delta import DeltaStore
from pratique.telemetry.rollups import SCHEMA, Rollups
from support.object_storage import serving

NUMBERS = itertools.count()


class TestDelta(StoreContract):
    @pytest.fixture
    def fresh(self, tmp_path):
        return lambda of=None: open_store(of.url if of else str(tmp_path / f"store-{next(NUMBERS)}"))


@pytest.mark.slow
class TestDeltaOnObjectStorage(StoreContract):
    @pytest.fixture
    def fresh(self, storage, monkeypatch):
        for name, value in storage.items():
            monkeypatch.setenv(name, value)
        return lambda of=None: open_store(of.url if of else f"s3://bucket/store-{next(NUMBERS)}")


@pytest.fixture(scope="module")
def storage():
    with serving() as address:
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-west-1",
        }


@pytest.mark.slow
def test_store_on_object_storage_works_as_one_in_a_folder(storage, monkeypatch):
    for name, value in storage.items():
        monkeypatch.setenv(name, value)
    store = open_store(StoreSettings(url=f"s3://bucket/store-{next(NUMBERS)}", retention_days=1))
    assert not store.exists()
    rows = [row(window) for window in range(60, 60 + upkeep.FANOUT + 2)]
    for values in rows:
        store.write(rollups(values))
    assert len(store._snapshot().files()) < len(rows), "small files are merged there too"
    assert store.maintain().merged > 0
    assert content(open_store(store.url)) == by_key(rows)
    assert store.query("SELECT sum(n) AS n FROM rollups").to_pylist() == [{"n": len(rows)}]
    through_delta = DeltaTable(store.url, storage_options=storage).to_pyarrow_dataset().to_table()
    assert through_delta.num_rows == len(rows)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def store(folder):
    return open_store(str(folder))


def data_files(folder):
    return sorted(folder.rglob("*.parquet")) and [
        path for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts
    ]


def version(folder):
    return DeltaTable(str(folder)).version()


def test_nothing_is_created_before_the_first_write(store, folder):
    assert not store.exists()
    assert len(store.read("shop", ["r1"])) == 0
    assert store.maintain() == Upkeep()
    assert not folder.exists()
    store.write(rollups(row()))
    assert store.exists()


def test_store_is_a_plain_delta_table(store, folder):
    store.write(rollups(*[row(window, n=window + 1) for window in range(6)]))
    store.write(rollups(row(2, n=50)))
    table = DeltaTable(str(folder))
    assert table.protocol()[:2] == (1, 2)
    assert table.protocol().reader_features is None
    assert table.metadata().partition_columns == ["service", "day"]
    through_dataset = table.to_pyarrow_dataset().to_table()
    assert through_dataset.num_rows == 6
    assert sum(through_dataset["n"].to_pylist()) == 21 - 3 + 50
    assert through_dataset.schema.field("window").type == pa.timestamp("us", tz="UTC")
    assert set(through_dataset["service"].to_pylist()) == {"shop"}
    assert {day.isoformat() for day in through_dataset["day"].to_pylist()} == {"2026-03-01", "2026-03-02"}
    with duckdb.connect() as connection:
        files = table.file_uris()
        counted = connection.execute("SELECT count(*), sum(n) FROM read_parquet($files)", {"files": files}).fetchone()
    assert counted == (6, 68)


def test_statistics_in_the_log_are_correct(store, folder):
    store.write(rollups(row(0, "r1"), row(1, "r2", code=500)))
    (action,) = pa.table(DeltaTable(str(folder)).get_add_actions(flatten=True)).to_pylist()
    assert (action["num_records"], action["min.revision"], action["max.revision"]) == (2, "r1", "r2")
    assert (action["min.code"], action["max.code"]) == (200, 500)
    assert action["max.window"] - action["min.window"] == timedelta(seconds=10)


def test_identical_rows_commit_nothing(store, folder):
    batch = rollups(*[row(window) for window in range(9)])
    store.write(batch)
    before = version(folder)
    store.write(batch)
    store.write(Rollups(batch.table.slice(2, 3)))
    assert version(folder) == before


def test_new_rows_of_old_windows_are_appended_without_rewriting(store, folder):
    store.write(rollups(*[row(window, n=1) for window in range(0, 6, 2)]))
    (first,) = {path for path in data_files(folder) if "03-01" in str(path)}
    store.write(rollups(row(1, n=1)))
    assert str(first) in {uri.removeprefix("file://") for uri in DeltaTable(str(folder)).file_uris()}


@pytest.mark.slow
def test_writes_merge_small_files_and_keep_the_rows(store, folder):
    rows = [row(window, n=window + 1, source=source) for window in range(60, 100) for source in ("a", "b")]
    for values in rows:
        store.write(rollups(values))
    assert content(store) == by_key(rows)
    assert len(DeltaTable(str(folder)).file_uris()) < 2 * upkeep.FANOUT
    store.write(rollups(row(65, n=1000, source="a")))
    assert content(store)[next(iter(by_key([row(65, source="a")])))]["n"] == 1000


@pytest.mark.slow
def test_maintain_leaves_one_file_a_day_and_later_writes_replace_rows(store, folder):
    rows = [row(window) for window in range(6)]
    for values in rows:
        store.write(rollups(values))
    done = store.maintain()
    assert done.merged == 6
    assert len(DeltaTable(str(folder)).file_uris()) == 2
    assert store.maintain().merged == 0
    store.write(rollups(*[row(window, n=4) for window in range(6)]))
    assert content(store) == by_key([row(window, n=4) for window in range(6)])


@pytest.mark.slow
def test_checkpoints_bound_the_log_entries_to_read(store, folder):
    for window in range(40):
        store.write(rollups(row(window)))
    last = json.loads((folder / "_delta_log" / "_last_checkpoint").read_text())
    assert version(folder) - last["version"] < 33
    assert len(content(open_store(str(folder)))) == 40


def test_replaced_files_are_kept_for_readers_and_deleted_hours_later(store, folder):
    for window in range(60, 64):
        store.write(rollups(row(window)))
    table = DeltaTable(str(folder))
    snapshot = table.to_pyarrow_dataset()
    stray = folder / "service=shop" / "day=2026-03-02" / "part-stray.parquet"
    stray.write_bytes(b"left by a writer that was killed")
    assert store.maintain().deleted == 0
    assert snapshot.to_table().num_rows == 4
    os.utime(stray, (time.time() - 7 * 3600,) * 2)
    assert store.maintain().deleted == 1
    assert not stray.exists()
    assert len(content(store)) == 4


@pytest.mark.slow
def test_old_log_entries_are_deleted_and_the_table_stays_readable(store, folder):
    rows = [row(window) for window in range(60, 70)]
    for values in rows:
        store.write(rollups(values))
    log = folder / "_delta_log"
    for path in log.glob("*.json"):
        os.utime(path, (time.time() - 3 * 3600,) * 2)
    store.maintain()
    assert len(list(log.glob("*.json"))) <= 4
    store.write(rollups(row(70)))
    assert content(open_store(str(folder))) == by_key([*rows, row(70)])
    store.maintain()
    assert DeltaTable(str(folder)).to_pyarrow_dataset().count_rows() == 11


def test_retention_drops_old_windows_written_long_ago(folder, monkeypatch):
    store = open_store(StoreSettings(url=str(folder), retention_days=30))
    now = datetime.now(UTC)
    old, young = row(service="shop"), row(service="shop", revision="r2")
    old["window"], young["window"] = now - timedelta(days=31), now - timedelta(days=1)
    for values in (old, young):
        values["window"] = values["window"].replace(microsecond=0)
    store.write(rollups(old, young))
    assert store.maintain().dropped == 0, "an old log imported today must not be dropped at once"
    assert len(content(store)) == 2
    later = upkeep.now_ms() + 29 * 86_400_000 + 43_200_000
    monkeypatch.setattr(upkeep, "now_ms", lambda: later)
    assert store.maintain().dropped == 0
    monkeypatch.setattr(upkeep, "now_ms", lambda: later + 86_400_000)
    assert store.maintain().dropped == 2


def test_retention_of_zero_keeps_all(store):
    store.write(rollups({**row(), "window": datetime(1995, 7, 1, tzinfo=UTC)}, row()))
    store.maintain()
    assert len(content(store)) == 2


def test_merging_does_not_extend_the_retention(folder):
    store = open_store(StoreSettings(url=str(folder), retention_days=1))
    for window in range(60, 64):
        store.write(rollups(row(window)))
    written = [file.written_ms for file in store._snapshot().files()]
    store.maintain()
    (merged,) = store._snapshot().files()
    assert merged.written_ms == max(written)


@pytest.mark.slow
def test_failing_upkeep_does_not_fail_the_write(store, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(upkeep, "_merge", full)
    with caplog.at_level(logging.WARNING, "pratique.store.upkeep"):
        for window in range(60, 60 + upkeep.FANOUT):
            store.write(rollups(row(window)))
    assert "upkeep failed" in caplog.text
    assert len(content(store)) == upkeep.FANOUT


def test_missing_file_is_named_when_it_is_read(store, folder):
    store.write(rollups(row()))
    (path,) = data_files(folder)
    path.unlink()
    with pytest.raises(DataError, match=r"cannot be read.*part-"):
        store.read("shop", ["r1"])
    with pytest.raises(DataError, match="cannot be read"):
        store.revisions()


def test_read_is_repeated_when_its_files_are_vacuumed(store, folder, monkeypatch):
    store.write(rollups(row(60), row(61)))
    stale = store._snapshot()
    store.write(rollups(row(60, n=5)))
    for path in data_files(folder):
        if str(path) not in {uri.removeprefix("file://") for uri in DeltaTable(str(folder)).file_uris()}:
            path.unlink()
    snapshots = iter([stale])
    now = DeltaStore._snapshot
    monkeypatch.setattr(DeltaStore, "_snapshot", lambda self: next(snapshots, None) or now(self))
    assert content(store) == by_key([row(60, n=5), row(61)])


def test_sql_has_the_columns_of_a_rollup(store):
    store.write(rollups(row(0, n=3), row(1, n=4, code=500), row(1, service="till")))
    found = store.query("SELECT code, sum(n) AS n FROM rollups WHERE service = ? GROUP BY code ORDER BY code", ["shop"])
    assert found.to_pylist() == [{"code": 200, "n": 3}, {"code": 500, "n": 4}]
    assert set(store.query("SELECT * FROM rollups").column_names) == set(SCHEMA.names)
    assert store.query("SELECT count(*) AS rows FROM rollups", service="till").to_pylist() == [{"rows": 1}]


def test_footers_give_the_same_revisions_as_duckdb(store, monkeypatch):
    store.write(rollups(*[row(window, f"r{window % 3}", n=2**40 + window) for window in range(9)], row(service="till")))
    store.write(rollups(row(1, "r1", n=5), row(20, "r9", n=7)))
    by_footers = store.revisions()
    asked = []
    monkeypatch.setattr(query, "seen", lambda *arguments: asked.append(arguments) or [])
    assert store.revisions() == by_footers
    assert asked == []
    monkeypatch.undo()
    monkeypatch.setattr("pratique.store.summary.noted", lambda *_: None)
    assert store.revisions() == by_footers


def test_rows_that_do_not_match_the_schema_are_refused_as_a_whole(store, folder):
    table = rollups(row()).table
    with pytest.raises(DataError, match="without the column 'host'"):
        store.write(Rollups(table.drop_columns(["host"])))
    with pytest.raises(DataError, match="a null in column 'n'"):
        store.write(Rollups(table.set_column(8, "n", pa.array([None], pa.int64()))))
    with pytest.raises(DataError, match="a null in column 'bucket'"):
        store.write(Rollups(table.set_column(10, "bucket", pa.array([[None]], pa.list_(pa.int16())))))
    with pytest.raises(DataError, match="types other than those of SCHEMA"):
        store.write(Rollups(table.set_column(8, "n", pa.array(["many"]))))
    with pytest.raises(UsageError, match=r"service '\.\./x' is not a name"):
        store.write(rollups(row(), row(service="../x")))
    with pytest.raises(UsageError, match="no time zone"):
        store.read("shop", ["r1"], datetime(2026, 1, 1))
    assert not folder.exists()


def test_strings_may_have_any_encoding(store):
    rows = [row(0, action="GET /b"), row(1, action="GET /a"), row(1, "r2", action="GET /b")]
    table = rollups(*rows).table
    for kind in (pa.large_string(), pa.dictionary(pa.int8(), pa.string())):
        field = table.schema.get_field_index("action")
        store.write(Rollups(table.set_column(field, "action", table["action"].cast(kind))))
    chunked = pa.concat_tables([rollups(values).table for values in rows])
    encoded = [chunk.dictionary_encode() for chunk in chunked["action"].chunks]
    store.write(Rollups(chunked.set_column(4, "action", pa.chunked_array(encoded))))
    assert content(store) == by_key(rows)
    assert store.read("shop", ["r1", "r2"]).table["action"].num_chunks >= 1


def test_read_gives_one_dictionary_per_column(store):
    store.write(rollups(row(60, action="GET /a")))
    store.write(rollups(row(61, action="GET /b")))
    column = store.read("shop", ["r1"]).table["action"]
    dictionaries = [chunk.dictionary.to_pylist() for chunk in column.chunks]
    assert all(names == dictionaries[0] for names in dictionaries)
    assert pa.types.is_dictionary(column.type)


def test_file_rewritten_by_spark_is_read(store, folder):
    """Other engines write other physical types: timestamps as INT96, optional columns."""
    rows = [row(60), row(61)]
    store.write(rollups(*rows))
    table = DeltaTable(str(folder))
    (old,) = data_files(folder)
    path = "service=shop/day=2026-03-02/part-00000-spark.snappy.parquet"
    plain = pq.read_table(old, partitioning=None)
    nullable = pa.Table.from_arrays(plain.columns, names=plain.column_names)
    pq.write_table(nullable, folder / path, use_deprecated_int96_timestamps=True)
    (stored,) = store._snapshot().files()
    spark = AddAction(path, 1, {"service": "shop", "day": "2026-03-02"}, stored.written_ms, False, '{"numRecords": 2}')
    actions = [spark, stored.removal(stored.written_ms, changed=False)]
    table.create_write_transaction(actions, "append", table.schema(), ["service", "day"])
    assert content(store) == by_key(rows)
    store.write(rollups(row(61, n=8)))
    assert content(store) == by_key([row(60), row(61, n=8)])
    assert store.revisions()[0].requests == 9


def test_bulk_write_is_split_into_files_of_bounded_size(store, folder, monkeypatch):
    monkeypatch.setattr("pratique.store.datafile.MAX_ROWS", 10)
    rows = [row(window, source=source) for window in range(60, 77) for source in ("a", "b")]
    store.write(rollups(*rows))
    assert max(file.rows for file in store._snapshot().files()) <= 10
    assert content(store) == by_key(rows)


def test_dask_reads_the_store_through_arrow(store, folder):
    store.write(rollups(*[row(window) for window in range(6)]))
    dataset = DeltaTable(str(folder)).to_pyarrow_dataset()
    assert dataset.count_rows(filter=ds.field("day") == datetime(2026, 3, 2).date()) == 3
