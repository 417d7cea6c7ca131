"""The store in InfluxDB on a real server: the contract of all stores, names, isolation, and tokens."""

import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.store_contract import T0, StoreContract, by_key, rollups, row
from contract.store_contract import content as whole_content
from pratique.clock import from_ms
from pratique.config import StoreSettings
from pratique.errors import DataError, DeniedError, MissingError, UnavailableError, UsageError
from pratique.store import open_store
from pratique.store.base import Upkeep
from pratique.store.copy import Selection, copy_store
from pratique.store.influxdb import lines, marks, window_answer
from pratique.store.influxdb import store as store_module
from support import store_child

pytestmark = pytest.mark.influxdb


@pytest.fixture
def address(influxd):
    return influxd.address(influxd.new_bucket())


@pytest.fixture
def store(address):
    return open_store(address)


@pytest.fixture
def writer(address):
    """The same store, as another process has it."""
    return open_store(address)


def content(store, **options):
    """Everything in the store by key, of the same rows read at once and, where they fit into a short range, by one request."""
    found = whole_content(store, **options)
    end = T0 + timedelta(seconds=600)
    if all(values["window"] < end for values in found.values()):
        short = [
            values
            for revision in options.get("revisions", ("r1", "r2", "r3"))
            for values in store.read("shop", [revision], T0, end).table.to_pylist()
        ]
        assert len(short) == len(found)
        assert by_key(short) == found
    return found


class TestInflux(StoreContract):
    @pytest.fixture
    def fresh(self, influxd):
        return lambda of=None: open_store(of.url if of else influxd.address(influxd.new_bucket()))


def test_a_bucket_without_a_write_is_empty(store):
    assert not store.exists()
    assert len(store.read("shop", ["r1"])) == 0
    assert store.revisions() == []
    assert store.maintain() == Upkeep()
    store.write(rollups(row()))
    assert store.exists()


NAMES = [
    ") |> drop()\n//",
    'r" or 1 == 1 or r.x == "',
    "\\",
    "trailing\\",
    "GET /a,b=c d",
    "_field",
    "_measurement",
    "%",
    "%22",
    " leading and trailing ",
    "line\r\nbreak",
    "\u2028\ufeff",
    "é漢字🚢",
    "x" * 10_000,
    "#datatype",
    ",error,reference",
    "${secret}",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_hostile_name_is_data_in_every_tag(store, name):
    rows = [row(0, action=name), row(1, host=name), row(2, source=name), row(3, revision=name), row(4)]
    store.write(rollups(*rows))
    assert content(store, revisions=["r1", name]) == by_key(rows)
    assert {seen.revision: seen.requests for seen in store.revisions("shop")} == {"r1": 4, name: 1}
    assert len(store.read(name, ["r1"])) == len(store.read("shop", [name + "x"])) == 0
    store.write(rollups(row(2, n=7)), instead_of={name})
    assert content(store, revisions=["r1", name]) == by_key([rows[0], rows[1], rows[3], rows[4], row(2, n=7)])


@pytest.mark.slow
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), min_size=5, max_size=5))
def test_any_names_are_read_as_they_were_written(influxd, names):
    store = open_store(influxd.address(influxd.new_bucket()))
    action, host, source, revision, other = names
    rows = [
        row(0, revision or "r", action=action, host=host, source=source),
        row(0, "r9", action=other, source="second"),
    ]
    store.write(rollups(*rows))
    assert content(store, revisions=[revision or "r", "r9"]) == by_key(rows)


def test_names_that_are_too_long_together_are_refused_before_anything_is_written(store):
    with pytest.raises(DataError, match="60,000 bytes"):
        store.write(rollups(row(0), row(1, action="\n" * 10_000, host="\n" * 10_000)))
    assert content(store) == {}


def test_rows_that_do_not_match_are_refused(store):
    with pytest.raises(UsageError, match=r"service '\.\./x' is not a name"):
        store.write(rollups(row(), row(service="../x")))
    with pytest.raises(DataError, match="not finite"):
        store.write(rollups(row(sum_ms=float("inf"))))
    assert not store.exists()


@pytest.mark.parametrize("path", ["tests/nope", "nope/first"])
def test_a_missing_bucket_or_organisation_is_named(influxd, path):
    store = open_store(f"influxdb://127.0.0.1:{influxd.port}/{path}")
    for ask in (store.exists, lambda: store.read("shop", ["r1"]), lambda: store.write(rollups(row()))):
        with pytest.raises((MissingError, DeniedError), match="nope") as raised:
            ask()
        assert "\n" not in str(raised.value)


def test_points_of_others_under_our_names_are_an_error(influxd):
    bucket = influxd.new_bucket()
    influxd.client.write(bucket.name, f"pratique,service=shop,revision=r1 n=1.5 {int(T0.timestamp() * 1000)}".encode())
    store = open_store(influxd.address(bucket))
    with pytest.raises(DataError, match="bucket has other data under Pratique's names"):
        store.write(rollups(row(n=3)))


@pytest.mark.parametrize("measurement", ["pratique", "pratique_windows"])
def test_points_with_other_tags_are_an_error_and_not_left_out(influxd, measurement):
    bucket = influxd.new_bucket()
    store = open_store(influxd.address(bucket))
    store.write(rollups(row()))
    if measurement == "pratique":
        # without marks, the service is read from the points of rows
        influxd.client.delete(bucket.name, {"service": "shop"}, measurement="pratique_writes")
    line = f'{measurement},service=shop,revision=r1 hist="1 1.5 10" {int(T0.timestamp() * 1000)}'
    influxd.client.write(bucket.name, line.encode())
    with pytest.raises(DataError, match="not Pratique's"):
        store.read("shop", ["r1"])


def test_tokens_have_only_the_rights_that_were_given(influxd, monkeypatch):
    bucket = influxd.new_bucket()
    writer = influxd.client.create_authorization("w", bucket, ["write"])
    reader = influxd.client.create_authorization("r", bucket, ["read"])
    monkeypatch.setenv("W", writer.token)
    monkeypatch.setenv("R", reader.token)
    both = open_store(influxd.settings(bucket, token_env="W", read_token_env="R"))
    both.write(rollups(row(0)))
    both.write(rollups(row(1)), instead_of={"import:x"})
    assert content(both) == by_key([row(0), row(1)])
    with pytest.raises(DeniedError):
        open_store(influxd.settings(bucket, token_env="R")).write(rollups(row(2)))
    with pytest.raises((DeniedError, MissingError)):
        open_store(influxd.settings(bucket, token_env="W")).read("shop", ["r1"])
    influxd.client.set_active(reader, False)
    # the server answers a revoked token as if the bucket were not there
    with pytest.raises((DeniedError, MissingError), match="token") as raised:
        both.read("shop", ["r1"])
    assert reader.token not in str(raised.value)


def test_a_token_in_a_file_may_be_replaced(influxd, tmp_path):
    bucket, file = influxd.new_bucket(), tmp_path / "token"
    first = influxd.client.create_authorization("first", bucket, ["read", "write"])
    file.write_text(first.token)
    store = open_store(influxd.settings(bucket, token_file=str(file)))
    store.write(rollups(row(0)))
    influxd.client.delete_authorization(first)
    with pytest.raises(DeniedError):
        store.write(rollups(row(1)))
    file.write_text(influxd.client.create_authorization("second", bucket, ["read", "write"]).token)
    store.write(rollups(row(1)))
    assert content(store) == by_key([row(0), row(1)])


def test_windows_older_than_the_retention_are_refused_and_not_dropped_in_silence(influxd):
    store = open_store(influxd.address(influxd.new_bucket(retention_s=3600)))
    with pytest.raises(DataError, match="older than the bucket's retention"):
        store.write(rollups(row()))


def test_a_read_waits_for_a_write_into_its_range(store, monkeypatch):
    rows = [row(window) for window in range(8)]
    monkeypatch.setattr(lines, "MAX_LINES", 1)
    sent = threading.Event()

    def slow(bucket, request, **options):
        sent.set()
        time.sleep(0.05)
        return write(bucket, request, **options)

    writer = open_store(store.url)
    client = writer._client("all-access-token-of-the-tests")
    write = client.write
    monkeypatch.setattr(client, "write", slow)
    thread = threading.Thread(target=lambda: writer.write(rollups(*rows)))
    thread.start()
    sent.wait()
    seen = set()
    while thread.is_alive():
        seen.add(len(store.read("shop", ["r1"])))
    thread.join()
    assert seen <= {0, 8}
    assert content(store) == by_key(rows)


def test_a_write_that_broke_off_is_not_read_until_it_is_repeated(store, monkeypatch):
    monkeypatch.setattr(store_module, "WAIT_S", 0.1)
    monkeypatch.setattr(lines, "MAX_LINES", 2)
    store.write(rollups(row(20)))
    rows = [row(window) for window in range(6)]
    client = store._client("all-access-token-of-the-tests")
    write, count = client.write, []

    def broken(bucket, request, **options):
        count.append(request)
        if len(count) == 3:
            raise UnavailableError("the connection broke")
        write(bucket, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(client, "write", broken)
        with pytest.raises(UnavailableError):
            store.write(rollups(*rows))
    for ask in (lambda: store.read("shop", ["r1"]), lambda: store.revisions("shop")):
        with pytest.raises(UnavailableError, match=r"source 'collector' are not complete.*repeat the import"):
            ask()
    later = T0 + timedelta(seconds=200)
    assert len(store.read("shop", ["r1"], later)) == 1, "other windows are read meanwhile"
    store.write(rollups(*rows))
    assert content(store) == by_key([*rows, row(20)])


def test_a_write_of_other_windows_does_not_uncover_one_that_broke_off(store, monkeypatch):
    monkeypatch.setattr(store_module, "WAIT_S", 0.1)
    monkeypatch.setattr(lines, "MAX_LINES", 2)
    client = store._client("all-access-token-of-the-tests")
    write = client.write
    rows = [row(window) for window in range(6)]

    def broken(bucket, request, **options):
        if request.count(b"pratique,") and b"n=9i" not in request:
            raise UnavailableError("the connection broke")
        write(bucket, request, **options)

    with monkeypatch.context() as patch:
        patch.setattr(client, "write", broken)
        with pytest.raises(UnavailableError, match="broke"):
            store.write(rollups(*rows))
        store.write(rollups(row(20, n=9)))
    reader = open_store(store.url)
    for end in (T0 + timedelta(seconds=60), None):
        with pytest.raises(UnavailableError, match="'collector' are not complete"):
            reader.read("shop", ["r1"], T0, end)
    assert len(reader.read("shop", ["r1"], T0 + timedelta(seconds=200))) == 1
    store.write(rollups(*rows[:3]))
    with pytest.raises(UnavailableError, match="not complete"):
        reader.read("shop", ["r1"])
    assert len(reader.read("shop", ["r1"], T0, T0 + timedelta(seconds=30))) == 3
    store.write(rollups(*rows[3:]))
    assert content(reader) == by_key([*rows, row(20, n=9)])
    store.write(rollups(row(0, n=7)))
    assert content(reader) == by_key([*rows[1:], row(0, n=7), row(20, n=9)])


def test_upkeep_accepts_what_an_abandoned_write_has_stored(influxd, store, monkeypatch):
    monkeypatch.setattr(store_module, "WAIT_S", 0.1)
    store.write(rollups(row(0)))
    (mark,) = marks.read_marks(influxd.client, store.url.rpartition("/")[2])
    assert mark.done
    assert from_ms(mark.newest.first_ms) == T0
    old = marks.Mark("shop", "gone", False, mark.began_ms - 4_000_000, mark.writes)
    marks.set_marks(influxd.client, store.url.rpartition("/")[2], [old], done=False)
    with pytest.raises(UnavailableError, match="'gone'"):
        store.read("shop", ["r1"])
    store.maintain()
    assert content(store) == by_key([row(0)])


def test_the_first_and_last_window_of_a_revision_are_those_of_all_its_series(store):
    store.write(
        rollups(*[row(window, action="a") for window in (5, 6)], *[row(window, action="b") for window in (0, 9)])
    )
    store.write(rollups(*[row(window, action="c") for window in (2, 7)]))
    (seen,) = store.revisions("shop")
    assert (seen.first, seen.last, seen.requests) == (T0, T0 + timedelta(seconds=90), 6)


def test_readers_in_other_processes_see_each_write_complete(address):
    windows = len({store_child.batch(number)[0]["window"] for number in range(40)})

    def start(*arguments):
        command = [sys.executable, store_child.__file__, *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    readers = [start(how, address, windows) for how in ("read", "read_last")]
    assert [reader.stdout.readline() for reader in readers] == ["ready\n", "ready\n"]
    assert start("write", address, 0, 40).communicate()[1] == ""
    assert [reader.communicate(timeout=60)[1] for reader in readers] == ["", ""]


def test_a_long_read_is_completed_while_a_collector_goes_on(store, monkeypatch):
    """Each read of rows is overtaken by a write of another window; only the changed windows are read again."""
    store.write(rollups(*[row(window) for window in range(5)]))
    read, ranges = window_answer.rows, []
    writer = open_store(store.url)

    def overtaken(*answer):
        found = read(*answer)
        if len(ranges) < 3:
            ranges.append(len(found))
            writer.write(rollups(row(10 + len(ranges)), row(4, n=len(ranges) + 1)))
        return found

    monkeypatch.setattr(window_answer, "rows", overtaken)
    rows = store.read("shop", ["r1"]).table
    assert by_key(rows.to_pylist()) == by_key(
        [*[row(window) for window in range(4)], row(4, n=4), row(11), row(12), row(13)]
    )
    assert len(rows) == 8


@pytest.mark.parametrize("writes", [2, marks.WRITES, marks.WRITES + 5])
def test_a_read_that_several_writes_overtake_has_no_part_of_any(store, writer, monkeypatch, writes):
    """The first write changes a window that is being read; the last one changes another window."""
    writer.write(rollups(row(0, action="a"), row(0, action="b"), row(1)))
    read, once = window_answer.rows, []

    def overtaken(*answer):
        found = read(*answer)
        if not once:
            once.append(found)
            writer.write(rollups(row(0, action="a", n=2), row(0, action="b", n=2)))
            for number in range(1, writes):
                writer.write(rollups(row(5, n=number)))
        return found

    monkeypatch.setattr(window_answer, "rows", overtaken)
    expected = [row(0, action="a", n=2), row(0, action="b", n=2), row(1), row(5, n=writes - 1)]
    assert content(store) == by_key(expected)
    assert once


def test_a_read_that_a_restarted_writer_overtakes_has_no_part_of_its_writes(store, writer, monkeypatch):
    writer.write(rollups(row(0, action="a"), row(0, action="b"), row(1)))
    read, once = window_answer.rows, []

    def overtaken(*answer):
        found = read(*answer)
        if not once:
            once.append(found)
            writer.write(rollups(row(0, action="a", n=2), row(0, action="b", n=2)))
            open_store(store.url).write(rollups(row(5)))
        return found

    monkeypatch.setattr(window_answer, "rows", overtaken)
    expected = [row(0, action="a", n=2), row(0, action="b", n=2), row(1), row(5)]
    assert content(store) == by_key(expected)


@pytest.mark.parametrize("numbered", [False, True])
def test_a_service_with_rows_in_no_point_of_a_window_is_read_from_the_points_of_rows(influxd, monkeypatch, numbered):
    """As a writer without the right to read leaves them: it cannot number its writes."""
    bucket = influxd.new_bucket()
    monkeypatch.setenv("W", influxd.client.create_authorization("w", bucket, ["write"]).token)
    blind, seeing = open_store(influxd.settings(bucket, token_env="W")), open_store(influxd.address(bucket))
    if numbered:
        seeing.write(rollups(row(0), row(1)))
    blind.write(rollups(row(1, n=3), row(2)))
    seeing.write(rollups(row(2, n=4), row(3)))
    expected = [row(1, n=3), row(2, n=4), row(3)]
    assert content(seeing) == by_key([row(0), *expected] if numbered else expected)
    assert {mark.number for mark in marks.read_marks(influxd.client, bucket.name, ["shop"])} == {None}


def test_a_token_that_is_refused_for_a_while_costs_no_number(influxd, monkeypatch):
    bucket, make = influxd.new_bucket(), influxd.client.create_authorization
    reading = make("r", bucket, ["read"])
    monkeypatch.setenv("W", make("w", bucket, ["write"]).token)
    monkeypatch.setenv("R", reading.token)
    store = open_store(influxd.settings(bucket, token_env="W", read_token_env="R"))
    store.write(rollups(row(0)))
    influxd.client.set_active(reading, False)
    store.write(rollups(row(1)))
    influxd.client.set_active(reading, True)
    store.write(rollups(row(1, n=2)))
    assert [mark.number for mark in marks.read_marks(influxd.client, bucket.name, ["shop"])] == [2]
    assert content(store) == by_key([row(0), row(1, n=2)])


@pytest.mark.parametrize("secret", [None, "refused"])
def test_who_may_only_write_writes_whatever_the_secret_for_reading_is(influxd, monkeypatch, secret):
    bucket = influxd.new_bucket()
    monkeypatch.setenv("W", influxd.client.create_authorization("w", bucket, ["write"]).token)
    if secret is None:
        monkeypatch.delenv("R", raising=False)
    else:
        monkeypatch.setenv("R", secret)
    store = open_store(influxd.settings(bucket, token_env="W", read_token_env="R"))
    store.write(rollups(row(0), row(0, service="cart")))
    store.write(rollups(row(1)))
    assert content(open_store(influxd.address(bucket))) == by_key([row(0), row(1)])


def test_points_of_windows_are_read_alone_when_they_have_all_rows(influxd, store):
    store.write(rollups(row(0), row(1, "r2")))
    bucket = store.url.rpartition("/")[2]
    influxd.client.delete(bucket, {"service": "shop"}, measurement="pratique")
    assert content(store) == by_key([row(0), row(1, "r2")])
    influxd.client.delete(bucket, {"revision": "r2"}, measurement="pratique_windows")
    assert content(store) == by_key([row(0)])


def test_a_copy_is_compared_by_the_rows_that_are_read_from_it(influxd, store, tmp_path):
    """InfluxDB lists revisions from the points of rows, and reads those of windows."""
    source, bucket = open_store(str(tmp_path / "source")), store.url.rpartition("/")[2]
    source.write(rollups(row(0), row(1, "r2")))
    write = store.write

    def damaged(rows):
        write(rows)
        influxd.client.delete(bucket, {"revision": "r2"}, measurement="pratique_windows")

    store.write = damaged
    with pytest.raises(DataError, match=r"revision 'r2': 1 requests in the store to copy from, 0 in the copy"):
        copy_store(source, store, Selection())
    store.write = write
    copy_store(source, store, Selection())
    assert content(store) == by_key([row(0), row(1, "r2")])


def test_late_rows_replace_theirs_whichever_process_writes_them(store, writer):
    store.write(rollups(row(0, action="a"), row(0, action="b")))
    for number in range(2, 5):
        (writer if number % 2 else store).write(rollups(row(0, action="a", n=number)))
        assert content(open_store(store.url)) == by_key([row(0, action="a", n=number), row(0, action="b")])


def test_more_rows_than_a_field_holds_are_read_back(store):
    rows = [
        row(window, action=f"GET /{number}/{'x' * 40}", n=number + 1) for window in range(2) for number in range(3000)
    ]
    store.write(rollups(*rows))
    assert content(store) == by_key(rows)


def test_settings_alone_open_the_store(influxd):
    bucket = influxd.new_bucket()
    store = open_store(StoreSettings(url=influxd.address(bucket), retention_days=1))
    store.write(rollups(row()))
    assert content(store) == by_key([row()])
