import json
import shutil
import sqlite3
import stat
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing import Barrier, Process

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.clock import stamp, utc_now
from pratique.errors import DataError, DeniedError, UsageError
from pratique.ledger import Ledger, current_user
from pratique.ledger import ledger as ledger_module
from pratique.ledger.anchors import heads_path
from pratique.ledger.entry import GENESIS, canonical
from pratique.ledger.ledger import COLUMNS, SCHEMA
from pratique.ledger.text import releases_table


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "state" / "ledger.sqlite")


def filled(ledger, count=5):
    for number in range(count):
        ledger.append("step", "shop", who="ann", why="test", revision="r2", run="one", data={"step": number})
    return ledger


def tamper(ledger, *statements):
    with sqlite3.connect(ledger.path) as connection:
        for name in ("entries_keep", "entries_stay", "entries_follow"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_reading_creates_no_file(ledger):
    assert ledger.entries() == []
    assert ledger.releases("shop") == []
    assert ledger.verify() == 0
    assert not ledger.path.parent.exists()


def test_entries_are_read_as_written(ledger):
    written = ledger.append(
        "verdict", "shop", who="ann", why="é <b>", revision="r2", run="one", data={"e": 1.5, "n": None}
    )
    assert ledger.entries("shop", "verdict", "one") == [written]
    assert ledger.entries("other") == []
    assert written.time.tzinfo is not None
    assert ledger.verify() == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET who = 'eve' WHERE number = 2",
        "DELETE FROM entries WHERE number = 2",
        "INSERT OR REPLACE INTO entries SELECT 2, time, kind, service, 'eve', why, revision, run, version, previous, 'x', data FROM entries WHERE number = 2",
    ],
)
def test_database_refuses_changes(ledger, statement):
    filled(ledger)
    connection = sqlite3.connect(ledger.path)
    with pytest.raises(sqlite3.DatabaseError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert ledger.verify() == 5


@pytest.mark.parametrize(
    "column", ["time", "kind", "service", "who", "why", "revision", "run", "version", "previous", "hash", "data"]
)
def test_changed_column_is_detected_and_its_entry_named(ledger, column):
    filled(ledger)
    value = '{"step": 9}' if column == "data" else "2020-01-01T00:00:00.000000Z" if column == "time" else "eve"
    tamper(ledger, f"UPDATE entries SET {column} = '{value}' WHERE number = 3")
    with pytest.raises(DataError, match="entry 3 was changed"):
        ledger.verify()


def test_removed_entry_is_detected(ledger):
    filled(ledger)
    tamper(ledger, "DELETE FROM entries WHERE number = 3")
    with pytest.raises(DataError, match="entry 3 is missing"):
        ledger.verify()


def test_truncated_end_is_detected(ledger):
    filled(ledger)
    tamper(ledger, "DELETE FROM entries WHERE number > 3")
    with pytest.raises(DataError, match="entry 4 is missing"):
        ledger.verify()


def test_inserted_entry_is_detected(ledger):
    filled(ledger)
    columns = "time, kind, service, 'eve', why, revision, run, version, previous, 'x', data"
    tamper(ledger, f"INSERT INTO entries SELECT 6, {columns} FROM entries WHERE number = 5")
    with pytest.raises(DataError, match="entry 6 was changed"):
        ledger.verify()


def _write(path):
    for _ in range(20):
        Ledger(path).append("step", "shop", who="ann")


@pytest.mark.slow
def test_several_processes_append_to_one_chain(ledger):
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_write, [ledger.path] * 4))
    assert ledger.verify() == 80


def _write_first(path, together):
    together.wait()
    Ledger(path).append("step", "shop", who="ann")


@pytest.mark.slow
def test_several_processes_create_one_ledger(tmp_path):
    for number in range(5):
        path, together = tmp_path / str(number) / "ledger.sqlite", Barrier(4)
        writers = [Process(target=_write_first, args=(path, together)) for _ in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert Ledger(path).verify() == 4


def test_revision_is_bound_to_one_digest(ledger):
    ledger.bind("shop", "r2", "sha256:aa", configuration="sha256:c1")
    ledger.bind("shop", "r2", "sha256:aa", configuration="sha256:c1")
    ledger.bind("other", "r2", "sha256:bb")
    assert ledger.binding("shop", "r2") == {"digest": "sha256:aa", "configuration": "sha256:c1"}
    with pytest.raises(UsageError, match=r"digest .* new revision"):
        ledger.bind("shop", "r2", "sha256:bb", configuration="sha256:c1")
    with pytest.raises(
        UsageError, match=r"configuration .* undo the change of runtime.command or runtime.env .* new revision"
    ):
        ledger.bind("shop", "r2", "sha256:aa", configuration="sha256:c2")
    ledger.bind("shop", "r2", "sha256:aa")
    ledger.bind("other", "r2", "sha256:bb", configuration="sha256:c1")
    assert len(ledger.entries(kind="bind")) == 2


def test_weights_start_with_the_one_in_force(ledger):
    times = []
    for share in (0.0, 0.05, 0.25):
        entry = ledger.append("weight", "shop", who="ann", data={"shares": {"r1": 1 - share, "r2": share}})
        times.append(entry.time)
    lapse = ledger.append("lapse", "shop", who="ann", data={"shares": {"r1": 1.0, "r2": 0.0}})
    found = ledger.weights("shop", times[2], datetime.now(UTC) + timedelta(seconds=1))
    assert [change.time for change in found] == [times[1], times[2], lapse.time]
    assert found[-1][1] == {"r1": 1.0, "r2": 0.0}
    assert len(ledger.weights("shop")) == 4


def test_lapse_detected_later_counts_from_its_time(ledger):
    given = ledger.append("weight", "shop", data={"shares": {"r2": 0.5}})
    since = given.time + timedelta(milliseconds=1)
    again = ledger.append("weight", "shop", data={"shares": {"r2": 0.1}})
    stamp = since.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    ledger.append("lapse", "shop", data={"shares": {"r2": 0.0}, "since": stamp})
    times = [change.time for change in ledger.weights("shop")]
    assert times == sorted([given.time, since, again.time])


def test_releases_have_start_outcome_and_reason(ledger):
    def say(run, revision, **data):
        ledger.append("release", "shop", who="ann", why="because", revision=revision, run=run, data=data)

    say(None, "r1", event="first", digest="sha256:aa")
    say("one", "r2", event="started", baseline="r1", digest="sha256:bb")
    say("one", "r2", event="ended", outcome="promoted", verdict="promote", reason="met\x1b[2J")
    say("two", "r3", event="started", baseline="r2", digest="sha256:cc")
    first, second, third = ledger.releases("shop")
    assert (first.outcome, second.outcome, third.outcome) == ("first", "promoted", "unfinished")
    assert second.end > second.start
    assert second.to_json()["baseline"] == "r1"
    table = releases_table([first, second, third])
    assert len(table.splitlines()) == 4
    assert "\x1b" not in table


def test_data_that_is_not_json_is_refused_and_not_written(ledger):
    with pytest.raises(UsageError, match="plain JSON"):
        ledger.append("step", "shop", data={"x": float("nan")})
    assert ledger.verify() == 0


def test_damaged_file_is_an_error(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_text("this is not a database, and it is long enough to be looked at as one" * 20)
    with pytest.raises(DataError, match="damaged"):
        Ledger(path).entries()


def test_folder_that_cannot_be_created_is_denied(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(DeniedError, match="cannot be opened"):
        Ledger(blocker / "ledger.sqlite").append("step", "shop")


def test_copy_of_a_ledger_verifies(ledger, tmp_path):
    filled(ledger)
    shutil.copy(ledger.path, tmp_path / "copy.sqlite")
    assert Ledger(tmp_path / "copy.sqlite").verify() == 5
    assert stat.S_ISREG((tmp_path / "copy.sqlite").stat().st_mode)


def test_user_comes_from_the_environment_first(monkeypatch):
    monkeypatch.setenv("PRATIQUE_WHO", "release bot")
    assert current_user() == "release bot"
    monkeypatch.delenv("PRATIQUE_WHO")
    assert current_user()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), JSON))
@pytest.mark.slow
def test_canonical_json_does_not_depend_on_the_order_of_keys(value):
    assert canonical(value) == canonical(dict(reversed(value.items())))


def test_chain_verifies_while_others_append(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.append("note", "shop")
    stop = threading.Event()

    def write():
        other = Ledger(ledger.path)
        while not stop.is_set():
            other.append("weight", "other", data={"shares": {"r1": 1.0}})

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(60):
                assert ledger.verify() > 0
        finally:
            stop.set()
        writing.result(30)


def write(ledger, monkeypatch, at, kind, **data):
    """Append an entry at that second of a clock that the test sets."""
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC) + timedelta(seconds=at)
    monkeypatch.setattr(ledger_module, "utc_now", lambda: moment)
    times = {name: stamp(moment + timedelta(seconds=value)) for name, value in data.items() if name != "shares"}
    shares = {"shares": data["shares"]} if "shares" in data else {}
    return ledger.append(kind, "shop", data=shares | times)


def test_a_change_has_the_time_asked_for_and_the_time_confirmed(ledger, monkeypatch):
    old = write(ledger, monkeypatch, 0, "weight", shares={"r2": 0.1})
    new = write(ledger, monkeypatch, 9, "weight", shares={"r2": 0.5}, asked=-3, confirmed=-1)
    lapse = write(ledger, monkeypatch, 30, "lapse", shares={"r2": 0.0}, since=-12, confirmed=-12, until=0)
    first, second, third = ledger.weights("shop")
    assert (first.time, first.in_force) == (old.time, old.time)
    assert (second.time, second.in_force) == (new.time - timedelta(seconds=3), new.time - timedelta(seconds=1))
    assert (third.time, third.kind) == (lapse.time - timedelta(seconds=12), "lapse")
    assert third.note == "the lease expired at 12:00:18 and nobody noticed until 12:00:30"
    assert ledger.latest_shares("shop") == lapse
    assert ledger.latest_shares("cart") is None


def test_after_a_clock_set_back_the_newest_entry_holds_from_its_time_on(ledger, monkeypatch):
    write(ledger, monkeypatch, 0, "weight", shares={"r2": 0.1})
    write(ledger, monkeypatch, 100, "weight", shares={"r2": 0.5})
    write(ledger, monkeypatch, 40, "weight", shares={"r2": 0.2})
    assert [change.shares["r2"] for change in ledger.weights("shop")] == [0.1, 0.2]


def test_shares_are_unknown_after_a_clock_that_was_set(ledger, monkeypatch):
    moment = datetime(2026, 11, 20, 12, tzinfo=UTC)
    monkeypatch.setattr(ledger_module, "utc_now", lambda: moment)
    data = {"shares": {}, "jump_s": -3600.0, "asked": stamp(moment), "confirmed": stamp(moment)}
    ledger.append("clock", "shop", data=data)
    [change] = ledger.weights("shop")
    assert (change.kind, change.shares, change.note) == ("clock", {}, "the clock was set back by 3,600 s at 12:00:00")


@pytest.mark.slow
def test_ledger_of_many_entries_is_read_within_a_second_where_a_part_is_asked_for(ledger):
    ledger.append("weight", "shop", data={"shares": {"r1": 1.0}})
    with ledger._connect() as connection:
        row = connection.execute(f"SELECT {COLUMNS} FROM entries").fetchone()
        rows = [(n, *row[1:10], f"hash {n}", row[11]) for n in range(2, 50_000)]
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO entries ({COLUMNS}) VALUES ({','.join('?' * 12)})", rows)
    start = utc_now()
    ledger.append("weight", "shop", data={"shares": {"r1": 0.9, "r2": 0.1}})
    ledger.append("lapse", "shop", data={"shares": {"r1": 1.0}, "since": stamp(start + timedelta(microseconds=1))})
    ledger.bind("shop", "r2", "sha256:2")
    began = time.process_time()
    changes = ledger.weights("shop", start)
    assert [shares for _, shares, *_ in changes] == [{"r1": 1.0}, {"r1": 1.0}, {"r1": 0.9, "r2": 0.1}]
    assert (ledger.releases("shop"), ledger.revisions("shop")) == ([], ["r2"])
    assert time.process_time() - began < 0.5


def hashed_again(path, change):
    """Rewrite the ledger as somebody who may write the file: change it, then compute every hash again."""
    content = Ledger(path).entries()
    kept = [change(entry) for entry in content]
    schema = SCHEMA.replace("IF NOT EXISTS ", "")
    path.unlink()
    for more in ("-wal", "-shm"):
        path.with_name(path.name + more).unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(schema)
    previous = GENESIS
    for number, changed in enumerate((entry for entry in kept if entry), start=1):
        entry = replace(changed, number=number, previous=previous)
        values = entry.to_json() | {"hash": entry.digest(), "data": canonical(entry.data)}
        names = COLUMNS.split(", ")
        connection.execute(f"INSERT INTO entries ({COLUMNS}) VALUES ({','.join('?' * 12)})", [values[n] for n in names])
        previous = values["hash"]
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entry: replace(entry, who="eve") if entry.number == 3 else entry, "entry 3 is not the one that"),
        (lambda entry: entry if entry.number <= 3 else None, "entry 4 is missing, but .*ledger.heads knows it"),
        (lambda entry: None, "entry 1 is missing, but .*ledger.heads knows it"),
    ],
    ids=["changed", "cut", "emptied"],
)
def test_a_ledger_that_was_hashed_again_is_detected(ledger, change, message):
    filled(ledger)
    hashed_again(ledger.path, change)
    with pytest.raises(DataError, match=message):
        ledger.verify()


def test_an_older_copy_and_a_removed_ledger_are_detected(ledger, tmp_path):
    filled(ledger)
    shutil.copy(ledger.path, tmp_path / "yesterday")
    ledger.append("step", "shop")
    shutil.copy(tmp_path / "yesterday", ledger.path)
    with pytest.raises(DataError, match="entry 6 is missing"):
        ledger.verify()
    ledger.path.unlink()
    with pytest.raises(DataError, match="entry 1 is missing"):
        ledger.verify()


def test_the_result_of_a_run_is_compared_too(ledger):
    filled(ledger)
    last = ledger.entries()[-1]
    run = ledger.path.parent / "runs" / "one"
    run.mkdir(parents=True)
    (run / "result.json").write_text(json.dumps({"ledger": {"entry": last.number, "hash": last.hash}}))
    assert ledger.verify() == 5
    hashed_again(ledger.path, lambda entry: replace(entry, why="another"))
    heads_path(ledger.path).unlink()
    with pytest.raises(DataError, match=r"entry 5 is not the one that .*result\.json"):
        ledger.verify()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DROP TRIGGER entries_keep", "its trigger entries_keep is missing"),
        ("DROP TRIGGER entries_stay", "its trigger entries_stay is missing"),
        (
            "CREATE TRIGGER quiet BEFORE INSERT ON entries BEGIN SELECT RAISE(IGNORE); END",
            "its trigger quiet was added",
        ),
        ("ALTER TABLE entries ADD COLUMN more TEXT", "its table entries was changed"),
    ],
)
def test_a_changed_schema_is_detected(ledger, statement, message):
    filled(ledger)
    connection = sqlite3.connect(ledger.path)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match=message):
        ledger.verify()


def test_half_a_line_of_heads_is_no_anchor(ledger):
    filled(ledger)
    with heads_path(ledger.path).open("a") as file:
        file.write("6 aa")
    assert ledger.verify() == 5


def test_an_entry_after_half_a_line_of_heads_is_an_anchor(ledger):
    filled(ledger)
    with heads_path(ledger.path).open("a") as file:
        file.write("6 aa")
    ledger.append("step", "shop")
    assert ledger.verify() == 6
    hashed_again(ledger.path, lambda entry: replace(entry, who="eve") if entry.number == 6 else entry)
    with pytest.raises(DataError, match="entry 6 is not the one that"):
        ledger.verify()


@pytest.mark.parametrize("torn", ["2", "2 ", "2 aa", f"2 {'a' * 63}", f"2 {'a' * 65}", ""])
def test_half_a_line_of_heads_before_others_is_damage(ledger, torn):
    filled(ledger)
    first, _, *rest = heads_path(ledger.path).read_text().splitlines()
    heads_path(ledger.path).write_text("\n".join([first, torn, *rest]) + "\n")
    with pytest.raises(DataError, match=r"ledger\.heads.*line 2 is damaged"):
        ledger.verify()


def test_half_a_line_of_heads_with_an_end_is_damage(ledger):
    filled(ledger)
    with heads_path(ledger.path).open("a") as file:
        file.write("6 aa\n")
    with pytest.raises(DataError, match="line 6 is damaged"):
        ledger.verify()


def test_an_entry_after_a_last_line_that_is_none_leaves_the_damage_to_be_found(ledger):
    filled(ledger)
    with heads_path(ledger.path).open("a") as file:
        file.write("oops")
    ledger.append("step", "shop")
    with pytest.raises(DataError, match="line 6 is damaged"):
        ledger.verify()


@pytest.mark.parametrize("content", ["nothing\n", "\0" * 400, "1 abc!\n" * 5, "x", ""])
def test_heads_that_cannot_be_read_are_named(ledger, content):
    filled(ledger)
    heads_path(ledger.path).write_text(content)
    with pytest.raises(DataError, match=r"ledger\.heads.*(line 1 is damaged|is empty).*delete it"):
        ledger.verify()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ledger": {"entry": "x"}}'])
def test_damaged_result_of_a_run_is_named(ledger, content):
    filled(ledger)
    run = ledger.path.parent / "runs" / "one"
    run.mkdir(parents=True)
    (run / "result.json").write_text(content)
    with pytest.raises(DataError, match=r"result\.json' is (empty|damaged).*delete it"):
        ledger.verify()
    (run / "result.json").write_text('{"run": "of an older version"}')
    assert ledger.verify() == 5


def test_files_kept_elsewhere_are_compared(ledger, tmp_path):
    filled(ledger)
    head = ledger.head()
    verdict, copy, other = tmp_path / "verdict.json", tmp_path / "copy", tmp_path / "other.json"
    verdict.write_text(json.dumps({"verdict": "promote", "ledger": {"entry": head.entry, "hash": head.hash}}))
    shutil.copy(heads_path(ledger.path), copy)
    other.write_text('{"verdict": "promote", "ledger": null}')
    assert ledger.verify([verdict, copy]) == 5
    with pytest.raises(DataError, match="has no entry of a ledger"):
        ledger.verify([other])
    hashed_again(ledger.path, lambda entry: replace(entry, why="another"))
    heads_path(ledger.path).unlink()
    assert ledger.verify() == 5
    for kept in (verdict, copy):
        with pytest.raises(DataError, match=f"is not the one that {kept} knows"):
            ledger.verify([kept])


def test_ledger_that_lost_its_content_is_named_by_every_reader(ledger):
    assert ledger.head() is None
    filled(ledger)
    ledger.path.write_text("")
    for read in (ledger.verify, ledger.head, ledger.entries, lambda: ledger.append("step", "shop")):
        with pytest.raises(DataError, match="is empty: restore it from a backup"):
            read()


def test_a_full_disk_beside_the_ledger_loses_no_entry(ledger):
    heads_path(ledger.path).mkdir(parents=True)
    filled(ledger)
    assert len(ledger.entries()) == 5
