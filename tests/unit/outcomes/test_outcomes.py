"""Outcomes: kept once, in order, by several processes, for a time; damage is reported in one line."""

import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique.errors import DataError, DeniedError, PratiqueError, UsageError
from pratique.outcomes import OutcomeRecord, open_outcomes
from pratique.outcomes import outcomes as outcomes_module
from pratique.outcomes.outcomes import KEPT_DAYS, LARGEST_DETAILS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(minute=0, **changes):
    made = OutcomeRecord(NOON + timedelta(minutes=minute), "job", "job@nightly", f"run-{minute}", "ok")
    return replace(made, **changes)


def test_reading_makes_no_file(tmp_path):
    outcomes = open_outcomes(tmp_path / "state")
    assert outcomes.read() == []
    assert outcomes.prune(NOON) == 0
    assert not (tmp_path / "state").exists()


def test_records_are_read_as_written_and_oldest_first(tmp_path):
    outcomes = open_outcomes(tmp_path)
    later = record(5, revision="r2", host="web1", duration_ms=1250, details={"exit": 3, "lines": ["é <b>", None]})
    assert outcomes.add(later)
    assert outcomes.add(record(1))
    assert outcomes.read() == [record(1), later]


def test_records_are_read_by_kind_subject_and_time(tmp_path):
    outcomes = open_outcomes(tmp_path)
    for minute in range(6):
        outcomes.add(record(minute, subject=f"job@{minute % 2}"))
    outcomes.add(record(9, kind="check", subject="host@web1"))
    assert [found.key for found in outcomes.read("job", "job@0")] == ["run-0", "run-2", "run-4"]
    assert [found.key for found in outcomes.read(last=2)] == ["run-5", "run-9"]
    assert outcomes.read(last=0) == []
    between = outcomes.read("job", since=NOON + timedelta(minutes=1), until=NOON + timedelta(minutes=3))
    assert [found.key for found in between] == ["run-1", "run-2"]
    elsewhere = timezone(timedelta(hours=5))
    assert outcomes.read("job", since=(NOON + timedelta(minutes=5)).astimezone(elsewhere)) == [
        record(5, subject="job@1")
    ]


def test_one_thing_is_recorded_once_and_the_first_stays(tmp_path):
    outcomes = open_outcomes(tmp_path)
    assert outcomes.add(record())
    assert not outcomes.add(record(outcome="failed"))
    assert outcomes.read() == [record()]


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.builds(
    OutcomeRecord,
    at=st.datetimes(datetime(2025, 12, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
    kind=TEXTS,
    subject=TEXTS,
    key=TEXTS,
    outcome=TEXTS,
    revision=TEXTS,
    host=TEXTS,
    duration_ms=st.none() | st.integers(0, 2**63 - 1),
    details=st.dictionaries(TEXTS, VALUES, max_size=3),
)


@given(st.lists(RECORDS, max_size=6))
@settings(max_examples=10)
def test_any_records_come_back_sorted_and_once(tmp_path_factory, records):
    outcomes = open_outcomes(tmp_path_factory.mktemp("any"))
    kept = {}
    for one in records:
        assert outcomes.add(one) is ((one.kind, one.subject, one.key) not in kept)
        kept.setdefault((one.kind, one.subject, one.key), one)
    assert outcomes.read() == sorted(kept.values(), key=lambda one: one.at)


@pytest.mark.parametrize(
    "wrong",
    [
        record(at=datetime(2026, 11, 20)),
        record(details={"x": float("nan")}),
        record(details={"x": {1, 2}}),
        record(details={"x": "a" * LARGEST_DETAILS}),
        record(duration_ms=-1),
        record(duration_ms=2**63),
    ],
)
def test_a_record_that_cannot_be_kept_is_refused(tmp_path, wrong):
    with pytest.raises(UsageError):
        open_outcomes(tmp_path).add(wrong)
    assert open_outcomes(tmp_path).read() == []


def test_text_that_is_no_unicode_is_kept_readable(tmp_path):
    outcomes = open_outcomes(tmp_path)
    assert outcomes.add(record(subject="job@\udcff", details={"line": "\udcff\0"}))
    assert not outcomes.add(record(subject="job@\udcff"))
    assert outcomes.read(subject="job@\udcff")[0].details == {"line": "\udcff\0"}


def add_some(folder, worker):
    return sum(open_outcomes(folder).add(record(number, host=str(worker))) for number in range(20))


@pytest.mark.slow
def test_several_processes_record_each_thing_once(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        added = list(pool.map(add_some, [tmp_path] * 4, range(4)))
    assert sum(added) == 20
    assert len(open_outcomes(tmp_path).read()) == 20
    assert sorted(path.name for path in tmp_path.iterdir() if ".new" in path.name) == []


def test_the_file_is_private(tmp_path):
    open_outcomes(tmp_path / "state").add(record())
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").iterdir()} == {0o600}


def test_nobody_changes_or_removes_a_kept_record(tmp_path):
    outcomes = open_outcomes(tmp_path)
    outcomes.add(record())
    with sqlite3.connect(tmp_path / "outcomes.sqlite") as connection:
        for statement in ("UPDATE outcomes SET outcome = 'failed'", "DELETE FROM outcomes"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()
    assert outcomes.read() == [record()]


def test_pruning_removes_what_ended_before(tmp_path):
    outcomes = open_outcomes(tmp_path)
    for minute in range(5):
        outcomes.add(record(minute))
    assert outcomes.prune(NOON + timedelta(minutes=3)) == 3
    assert [found.key for found in outcomes.read()] == ["run-3", "run-4"]
    assert not outcomes.add(record(1)), "a removed record does not come back"


def test_a_new_record_removes_old_ones(tmp_path, monkeypatch):
    outcomes = open_outcomes(tmp_path)
    outcomes.add(record(0))
    monkeypatch.setattr(outcomes_module, "utc_now", lambda: NOON + timedelta(days=KEPT_DAYS + 1))
    outcomes.add(record(60 * 24 * (KEPT_DAYS + 1), key="new"))
    assert [found.key for found in outcomes.read()] == ["new"]


def test_a_clock_far_ahead_removes_nothing(tmp_path):
    outcomes = open_outcomes(tmp_path)
    outcomes.add(record(0))
    outcomes.add(record(at=datetime(2090, 1, 1, tzinfo=UTC), key="wrong clock"))
    assert len(outcomes.read()) == 2


def foreign(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE outcomes (at TEXT)")
    connection.commit()
    connection.close()


def truncated(path):
    for number in range(30):
        open_outcomes(path.parent).add(record(number, details={"x": "y" * 4000}))
    content = path.read_bytes()
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(content[: len(content) // 2])


def newer(path):
    open_outcomes(path.parent).add(record())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=9")
    connection.close()


def damaged_details(path):
    open_outcomes(path.parent).add(record())
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER outcomes_keep")
    connection.execute("UPDATE outcomes SET details = '[1'")
    connection.commit()
    connection.close()


def dropped_table(path):
    open_outcomes(path.parent).add(record())
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE outcomes")
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_text("text\n" * 2000), "damaged: file is not a database"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (foreign, "another program"),
        (truncated, "damaged"),
        (newer, "another version"),
        (damaged_details, "damaged"),
        (dropped_table, "damaged: no such table"),
    ],
    ids=["text", "empty", "foreign", "truncated", "newer", "details", "dropped"],
)
def test_a_damaged_or_foreign_file_is_reported_in_one_line(tmp_path, damage, said):
    path = tmp_path / "outcomes.sqlite"
    damage(path)
    with pytest.raises(DataError, match=said) as raised:
        open_outcomes(tmp_path).read()
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_in_the_place_of_the_file_is_reported(tmp_path):
    (tmp_path / "outcomes.sqlite").mkdir()
    with pytest.raises(PratiqueError, match="outcomes"):
        open_outcomes(tmp_path).add(record())


def test_records_are_kept_again_after_the_clock_was_years_ahead(tmp_path, monkeypatch):
    outcomes, clock = open_outcomes(tmp_path), [NOON + timedelta(days=5000)]
    monkeypatch.setattr(outcomes_module, "utc_now", lambda: clock[0])
    assert outcomes.add(record(60 * 24 * 5000, key="while it was wrong"))
    clock[0] = NOON
    assert outcomes.add(record(key="first"))
    assert outcomes.add(record(key="second"))
    assert [found.key for found in outcomes.read(until=NOON + timedelta(days=1))] == ["first", "second"]


def test_a_folder_that_cannot_be_written_is_reported(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pratique.state_database.open_private", refuse)
    with pytest.raises(DeniedError, match="check the permissions"):
        open_outcomes(tmp_path).add(record())
