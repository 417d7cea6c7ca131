"""All changes that may have caused an incident: the ledger's, those of a file, those that were reported."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from pratique.config import load
from pratique.errors import DataError, MissingError, UsageError
from pratique.incident import changes as module
from pratique.incident.changes import all_changes, ledger_changes, read_changes
from pratique.incident.foreign_change import foreign_change
from pratique.incident.kept_changes import KeptChanges
from pratique.ledger import ledger as ledger_module
from pratique.ledger import open_ledger

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minutes):
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def ledger(tmp_path):
    return open_ledger(tmp_path)


@pytest.fixture
def write(ledger):
    """Write an entry at so many minutes after noon."""

    def done(minutes, kind, service="shop", **more):
        return ledger.append(kind, service, who="me", time=at(minutes), **more)

    return done


def test_a_release_is_a_change_when_it_begins_with_the_shares_that_follow(ledger, write):
    write(0, "bind", revision="r2", data={"digest": "d", "configuration": ""})
    write(1, "release", revision="r2", why="ticket 7", data={"event": "started", "baseline": "r1", "digest": "d"})
    shares = {"r1": 0.9, "r2": 0.1}
    write(3, "weight", revision="r2", data={"shares": shares, "asked": at(2).isoformat()})
    write(4, "verdict", revision="r2", data={"decision": "promote"})
    write(5, "release", revision="r2", data={"event": "ended", "outcome": "promoted"})
    found = ledger_changes(ledger, at(0), at(60))
    assert [(one.time, one.kind, one.revision, one.shares, one.number) for one in found] == [
        (at(0), "bind", "r2", None, 1),
        (at(1), "release", "r2", None, 2),
        (at(2), "weight", "r2", shares, 3),
    ]
    assert (found[1].who, found[1].why, found[1].source) == ("me", "ticket 7", "ledger")


def test_a_change_names_its_run_until_that_has_ended(ledger, write):
    write(1, "release", revision="r2", run="one", data={"event": "started"})
    write(2, "weight", revision="r2", run="one", data={"shares": {"r1": 0.9, "r2": 0.1}})
    write(3, "weight", revision="r2", data={"shares": {"r1": 0.8, "r2": 0.2}})
    assert [one.active_run for one in ledger_changes(ledger, at(0), at(60))] == ["one", "one", ""]
    write(4, "release", revision="r2", run="one", data={"event": "ended", "outcome": "rolled back"})
    assert [one.active_run for one in ledger_changes(ledger, at(0), at(60))] == ["", "", ""]


def test_a_rollback_and_an_expired_lease_are_changes_too(ledger, write):
    write(
        9, "lapse", revision="r2", data={"shares": {"r1": 1.0}, "since": at(7).isoformat(), "until": at(9).isoformat()}
    )
    write(8, "release", revision="r1", data={"event": "started", "runbook": "rollback", "digest": "d"})
    write(9, "release", revision="r0", data={"event": "first", "digest": "d"})
    found = ledger_changes(ledger, at(0), at(60))
    assert [(one.time, one.kind, one.revision) for one in found] == [
        (at(7), "lapse", "r2"),
        (at(8), "rollback", "r1"),
        (at(9), "release", "r0"),
    ]


def test_changes_of_every_service_from_a_day_before_the_start_count(ledger, write):
    for minutes, service in ((-1441, "a"), (-1440, "b"), (0, "c"), (59, "d"), (60, "e")):
        write(minutes, "weight", service, data={"shares": {"r1": 1.0}})
    assert [one.service for one in ledger_changes(ledger, at(0), at(60))] == ["b", "c", "d"]
    assert [one.service for one in ledger_changes(ledger, None, None)] == ["a", "b", "c", "d", "e"]


def test_shares_of_another_version_are_taken_as_far_as_they_are_shares(ledger, write):
    write(0, "weight", data={"shares": {"r1": 0.5, "r2": "many", "r3": 7}})
    write(1, "weight", data={"shares": ["r1"]})
    assert [one.shares for one in ledger_changes(ledger, None, None)] == [{"r1": 0.5}, None]


def test_a_ledger_that_does_not_exist_has_no_changes(ledger):
    assert ledger_changes(ledger, at(0), at(60)) == []


LINES = (
    '{"time": "2026-11-20T12:05:00Z", "service": "till", "why": "flag on", "kind": "flag", "source": "flags"}\n'
    "\n"
    '{"time": "2026-11-20T12:01:00Z", "services": ["shop", "db"], "who": "dba", "why": "migration 12", "more": 1}\n'
)


def test_a_file_of_json_lines_is_read_oldest_first(tmp_path):
    file = tmp_path / "flags.jsonl"
    file.write_text("\ufeff" + LINES, encoding="utf-8")
    assert [(one.time, one.service, one.kind, one.who, one.why, one.source) for one in read_changes(file)] == [
        (at(1), "shop", "change", "dba", "migration 12", "flags.jsonl"),
        (at(1), "db", "change", "dba", "migration 12", "flags.jsonl"),
        (at(5), "till", "flag", "", "flag on", "flags"),
    ]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (b"{", "not JSON"),
        (b'{"service": "shop"}', "field time is missing"),
        (b'{"time": "2026-11-20T12:00Z"}', "field service is missing"),
        (b"[1]", "JSON object"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 60_000, "nested too deeply: write one object"),
        (b'{"time": ' + b"9" * 5000 + b"}", "too many digits: write it as a text"),
        (b'{"why": "' + b"x" * 70_000, "at most 65536 bytes"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path, line, named):
    file = tmp_path / "flags.jsonl"
    file.write_bytes(LINES.encode() + line + b"\n")
    with pytest.raises(DataError) as raised:
        read_changes(file)
    assert "flags.jsonl" in str(raised.value)
    assert "line 4" in str(raised.value)
    assert named in str(raised.value)


def test_a_file_that_does_not_exist_or_is_none_is_one_error(tmp_path):
    with pytest.raises(MissingError):
        read_changes(tmp_path / "nope")
    with pytest.raises(UsageError, match="is a folder: give the path of a JSON-lines file"):
        read_changes(tmp_path)


@pytest.mark.parametrize("depth", range(100, 1000, 50))
@pytest.mark.parametrize("name", ["service", "time", "why"])
def test_a_nested_field_is_named_in_words_of_this_program(tmp_path, depth, name):
    fields = {"time": '"2026-11-20T12:05:00Z"', "service": '"shop"', name: "[" * depth + "]" * depth}
    (tmp_path / "flags").write_text("{" + ", ".join(f'"{key}": {value}' for key, value in fields.items()) + "}")
    with pytest.raises(DataError) as raised:
        read_changes(tmp_path / "flags")
    assert f"the field {name} is [[" in str(raised.value) or "nested too deeply" in str(raised.value)


def test_a_run_is_named_only_where_abort_finds_it(tmp_path, write):
    (tmp_path / "pratique.toml").write_text('state = "."\n[services.shop]\n')
    config = load(tmp_path / "pratique.toml")
    for run in ("here", "gone", "..", "../runs/here", "x" * 300):
        write(1, "weight", revision="r2", run=run, data={"shares": {"r1": 0.9, "r2": 0.1}})
    (tmp_path / "runs" / "here").mkdir(parents=True)
    assert [one.active_run for one in all_changes(config, at(0), at(60))] == ["here", "", "", "", ""]


def test_a_file_with_too_many_lines_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINES", 2)
    (tmp_path / "flags").write_text(LINES)
    with pytest.raises(DataError, match="line 3: at most 2"):
        read_changes(tmp_path / "flags")


def test_all_changes_are_those_of_the_ledger_of_a_file_and_those_that_were_reported(tmp_path, monkeypatch):
    (tmp_path / "pratique.toml").write_text('state = "."\n[services.shop]\n[services.till]\n')
    monkeypatch.setattr(ledger_module, "utc_now", lambda: at(3))
    open_ledger(tmp_path).append("weight", "shop", who="me", data={"shares": {"r1": 1.0}})
    file = tmp_path / "flags.jsonl"
    file.write_text(LINES)
    reported = [
        {"time": at(2).isoformat(), "service": "*", "why": "router"},
        {"time": at(-2000).isoformat(), "service": "shop", "why": "long ago"},
        {"time": at(60).isoformat(), "service": "shop", "why": "later"},
        # the same one as in the file
        json.loads(LINES.splitlines()[0]),
    ]
    KeptChanges(tmp_path).add([foreign_change(one, source="command line") for one in reported])
    config = load(tmp_path / "pratique.toml")
    assert [(one.time, one.service, one.why or one.kind) for one in all_changes(config, at(0), at(60), file)] == [
        (at(1), "shop", "migration 12"),
        (at(1), "db", "migration 12"),
        (at(2), "shop", "router"),
        (at(2), "till", "router"),
        (at(3), "shop", "weight"),
        (at(5), "till", "flag on"),
    ]
