"""The import of incidents: each once, what ended is added, what people said stays, and rejects are named."""

import json
from datetime import UTC, datetime

import pytest

from pratique.config import IncidentFields, IncidentSettings
from pratique.errors import DataError, MissingError, UsageError
from pratique.incident.import_incidents import import_incidents, keep_rejects
from pratique.ledger import open_ledger
from pratique.ledger.incidents import Incidents

PLAIN = {"id": "1", "title": "checkout fails", "began": "2026-11-20T12:00:00Z"}


@pytest.fixture
def ledger(tmp_path):
    return open_ledger(tmp_path)


@pytest.fixture
def take(tmp_path, ledger):
    """Import a text; return the result and the incidents of the ledger."""

    def done(text, name="pager.json", settings=None, **more):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        found = import_incidents(file, ledger, "shop", settings or IncidentSettings(), **more)
        return found, Incidents(ledger).all()

    return done


def counts(found):
    return found.opened, found.changed, found.known, found.others, len(found.rejects)


def noon(minutes=0):
    return datetime(2026, 11, 20, 12, minutes, tzinfo=UTC)


def test_an_import_again_records_only_news(take, ledger):
    found, (record,) = take(json.dumps([PLAIN]))
    assert (counts(found), record.source, record.began) == ((1, 0, 0, 0, 0), "pager", noon())
    assert counts(take(json.dumps([PLAIN]))[0]) == (0, 0, 1, 0, 0)
    ended = PLAIN | {"restored": "2026-11-20T12:30:00Z", "cause": "r2", "title": "another title"}
    found, (record,) = take(json.dumps([ended, ended]))
    assert counts(found) == (0, 1, 1, 0, 0)
    assert (record.restored, record.cause, record.title) == (noon(30), "r2", "checkout fails")
    assert len(ledger.entries()) == 3


def test_what_people_recorded_is_kept(take, ledger):
    _, (record,) = take(json.dumps([PLAIN]))
    incidents = Incidents(ledger)
    incidents.record(incidents.record(record, "cause", cause="r1"), "restored", restored=noon(10))
    found, (record,) = take(json.dumps([PLAIN | {"restored": "2026-11-20T12:30:00Z", "cause": "r2"}]))
    assert (counts(found), record.restored, record.cause) == ((0, 0, 1, 0, 0), noon(10), "r1")


def test_json_lines_and_csv_have_the_same_incidents(take):
    ended = PLAIN | {"id": "2", "restored": "1795177800", "severity": "1"}
    found, records = take("\n".join(map(json.dumps, [PLAIN, ended])), "a.jsonl", source_settings("x"))
    assert (counts(found), records[1].restored) == ((2, 0, 0, 0, 0), noon(30))
    text = "id,title,began,restored,severity\n1,checkout fails,2026-11-20 12:00:00 UTC,,\n2,checkout fails,2026-11-20T13:00+01:00,1795177800,1\n"
    assert counts(take("\ufeff" + text, "a.csv", source_settings("x"))[0]) == (0, 0, 2, 0, 0)


def source_settings(source, **fields):
    return IncidentSettings(source=source, fields=IncidentFields(**fields))


def test_own_names_are_read_by_the_fields_of_the_service_file(take):
    text = 'key,What,"from",Who\nK-1,"a, b",2026-11-20T12:00,Shop\nK-2,c,2026-11-20T12:00,Till\n'
    settings = IncidentSettings(
        name="Shop", fields=IncidentFields(id="key", title="What", began="from", service="Who"), source="sheet"
    )
    found, (record,) = take(text, "sheet.csv", settings)
    assert (counts(found), record.id, record.title, record.source) == ((1, 0, 0, 1, 0), "K-1", "a, b", "sheet")


def test_records_that_cannot_be_read_are_rejected_with_line_and_reason(take, tmp_path):
    lines = [
        json.dumps(PLAIN),
        "{",
        json.dumps(PLAIN | {"id": "2", "began": "noon"}),
        json.dumps(PLAIN | {"id": "3", "restored": "2026-11-20T11:00:00Z"}),
        json.dumps(PLAIN | {"id": "4", "title": None}),
        json.dumps(PLAIN | {"id": {"a": 1}}),
        "[1]",
    ]
    found, _ = take("\n".join(lines), "a.jsonl")
    assert counts(found) == (1, 0, 0, 0, 6)
    assert [(reject.line, reject.reason.partition(":")[0]) for reject in found.rejects] == [
        (2, "it is not an object with fields"),
        (3, "the field began is 'noon'"),
        (4, "the incident began 2026-11-20 12"),
        (5, "it has no field title"),
        (6, "the field id is neither text nor a number"),
        (7, "it is not an object with fields"),
    ]
    keep_rejects(tmp_path / "rejects.jsonl", tmp_path / "a.jsonl", found.rejects)
    kept = [json.loads(line) for line in (tmp_path / "rejects.jsonl").read_text().splitlines()]
    assert [(one["line"], one["text"]) for one in kept] == [(at + 1, lines[at]) for at in range(1, 7)]


def test_a_file_without_an_incident_is_one_error(take, tmp_path, ledger):
    for text in ("a,b\n1,2\n", "{}", "[1, 2]", "[" * 5000, '{"id": 1}'):
        with pytest.raises(DataError, match="--preset"):
            take(text)
    with pytest.raises(MissingError):
        import_incidents(tmp_path / "nope", ledger, "shop", IncidentSettings())
    with pytest.raises(UsageError, match="is a folder"):
        import_incidents(tmp_path, ledger, "shop", IncidentSettings())
    assert ledger.entries() == []


def test_hostile_titles_are_bounded_and_printable(take):
    _, (record,) = take(json.dumps([PLAIN | {"title": "<script>\x1b[2J\n" + "x" * 10_000}]))
    assert record.title.isprintable()
    assert len(record.title) == 300


@pytest.mark.parametrize("unique", ["a\x00b", "a\ud800", "\x1b1", " 1\n", "x" * 300])
def test_a_hostile_id_or_source_is_known_again(take, ledger, unique):
    text = json.dumps([PLAIN | {"id": unique}])
    for settings, name in (
        (source_settings(" s\x07"), "a.json"),
        (None, "pa\x07ger .json"),
        (None, "\x07.json"),
    ):
        assert counts(take(text, name, settings)[0]) == (1, 0, 0, 0, 0)
        assert counts(take(text, name, settings)[0]) == (0, 0, 1, 0, 0)
    assert len(ledger.entries()) == 3


def test_texts_that_nobody_can_read_are_rejected(take):
    records = [PLAIN, *(PLAIN | {"id": "2"} | {name: text} for name, text in (("title", "\0"), ("id", "\ud800 ")))]
    found, _ = take(json.dumps(records))
    assert [(reject.line, reject.reason) for reject in found.rejects] == [
        (2, "the field title has no readable text"),
        (3, "the field id has no readable text"),
    ]


def test_impossible_times_are_rejected_and_nothing_of_the_incident_is_recorded(take, ledger):
    wrong = [
        {"began": "2926-11-20T12:00:00Z"},
        {"detected": "2026-11-20T11:59:00Z"},
        {"restored": "2926-11-20T12:00:00Z"},
        {"restored": "2026-11-20T12:30:00Z", "closed": "2026-11-20T12:29:00Z"},
        {"closed": "2026-11-20T11:59:00Z"},
    ]
    found, _ = take("\n".join(json.dumps(PLAIN | {"id": "2"} | times) for times in [{"id": "1"}, *wrong]), "a.jsonl")
    assert [(reject.line, reject.reason.partition(":")[0]) for reject in found.rejects] == [
        (2, "began 2926-11-20 12"),
        (3, "the incident began 2026-11-20 12"),
        (4, "restored 2926-11-20 12"),
        (5, "the incident was restored 2026-11-20 12"),
        (6, "the incident began 2026-11-20 12"),
    ]
    assert len(ledger.entries()) == 1
    ended = [PLAIN | {"restored": "2026-11-20T11:30:00Z"}, PLAIN | {"restored": "2026-11-20T12:30:00Z"}]
    found, (record,) = take("\n".join(map(json.dumps, ended)), "a.jsonl")
    assert (counts(found), record.restored) == ((0, 1, 0, 0, 1), noon(30))


def test_many_incidents_are_each_recorded_once(take):
    many = [PLAIN | {"id": str(number)} for number in range(20)]
    assert counts(take(json.dumps(many))[0]) == (20, 0, 0, 0, 0)
    assert counts(take(json.dumps(many))[0]) == (0, 0, 20, 0, 0)
