"""`pratique incident open`, cause, restored, close, list and import."""

import json
from datetime import timedelta

import click
import pytest

from pratique.cli import pratique as program
from pratique.errors import MissingError, UsageError


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pratique.toml").write_text(
        '[services.shop]\n[services.shop.incidents]\nsource = "pager"\nfields.began = "when"\n'
    )

    def done(*arguments):
        program.main(["incident", *arguments], "pratique", standalone_mode=False)
        return capsys.readouterr()

    return done


def test_an_incident_is_recorded_from_its_beginning_to_its_end(run):
    said = run("open", "shop", "checkout fails", "--began", "2026-11-20T12:00", "--severity", "SEV-1").out
    assert said == "I1  shop  since 2026-11-20T12:00:00Z  open  SEV-1  cause unknown  checkout fails\n"
    assert "cause: r2" in run("cause", "I1", "r2", "--why", "the log").out
    assert "restored 2026-11-20T12:30:00Z" in run("restored", "I1", "--at", "2026-11-20T12:30").out
    assert "restored 2026-11-20T12:30:00Z, closed" in run("close", "I1").out
    assert run("list").out.count("\n") == 1
    (listed,) = json.loads(run("list", "shop", "--json").out)
    assert (listed["id"], listed["cause"], listed["state"]) == ("I1", "r2", "closed")
    assert json.loads(run("list", "till", "--json").out) == []


@pytest.mark.parametrize("time", ["9999-12-31T23:59-12:00", "0001-01-01T00:00+14:00", "0001-01-01", "9999-06-01"])
def test_a_time_of_no_known_year_is_refused_in_one_line(run, time):
    for command in (
        ("open", "shop", "x", "--began", time),
        ("restored", "I1", "--at", time),
        ("shop", "--start", time),
    ):
        with pytest.raises(click.BadParameter, match="is not a time of the years 1970 to 9998"):
            run(*command)


def test_users_were_well_before_the_incident_was_closed(run):
    run("open", "shop", "x", "--began", "2026-11-20T12:00")
    run("close", "I1", "--at", "2026-11-20T13:00")
    with pytest.raises(UsageError, match=r"was closed 2026-11-20T13:00:00Z.*--at"):
        run("restored", "I1")
    assert "restored 2026-11-20T12:30:00Z" in run("restored", "I1", "--at", "2026-11-20T12:30").out


def test_no_incident_of_a_service_is_not_no_incident(run):
    run("open", "shop", "x")
    assert run("list", "till").out.startswith("no incidents of till are recorded")


def test_opening_an_incident_of_another_program_again_changes_nothing(run):
    for _ in range(2):
        said = run("open", "shop", "x", "--id", "P7", "--source", "pager").out
    assert said.startswith("known already: P7  shop")
    assert run("list").out.count("\n") == 1


def test_an_import_says_what_it_did_and_keeps_rejects(run, tmp_path):
    records = [{"id": "7", "title": "a\x1b[2J", "when": "2026-11-20T12:00"}, {"id": "8"}]
    (tmp_path / "pager.json").write_text(json.dumps(records))
    said = run("import", "pager.json", "--service", "shop")
    assert said.out == "incidents: 1 opened, 0 went on, 0 known already, 1 rejected\n"
    assert "record 2: it has no field title" in said.err
    (reject,) = (tmp_path / ".pratique" / "rejects" / "incidents-shop.jsonl").read_text().splitlines()
    assert json.loads(reject)["line"] == 2
    assert run("list").out.rstrip("\n").isprintable()


def test_a_cause_that_was_never_released_is_noted(run, tmp_path):
    from pratique.ledger import open_ledger  # noqa: PLC0415

    open_ledger(tmp_path / ".pratique").bind("shop", "r1", "digest")
    run("open", "shop", "x", "--id", "1")
    assert "never had a revision 'r9'" in run("cause", "1", "r9").err
    assert run("cause", "1", "r1").err == run("cause", "1", "none").err == ""


def test_wrong_use_is_an_error(run):
    with pytest.raises(UsageError, match="no service 'nope'"):
        run("open", "nope", "x")
    with pytest.raises(MissingError, match="no incident 'I7'"):
        run("restored", "I7")
    run("open", "shop", "x", "--began", "2026-11-20T12:00")
    with pytest.raises(UsageError, match="cannot be restored"):
        run("restored", "I1", "--at", "2026-11-20T11:00")


def test_a_draft_of_the_review_is_written_once(run, tmp_path, monkeypatch):
    from pratique.cli import incident_records  # noqa: PLC0415
    from pratique.report import incident as report  # noqa: PLC0415
    from support.incident_values import sample_investigation  # noqa: PLC0415

    asked = []
    monkeypatch.setattr(
        report, "investigate_stored", lambda _, question: asked.append(question) or sample_investigation()
    )
    run("open", "shop", "checkout fails", "--began", "2026-11-20T14:00", "--id", "7")
    run("restored", "7", "--at", "2026-11-20T14:30")
    said = run("draft", "shop", "--id", "7", "--out", "out").out.splitlines()
    assert len(said) == 2
    (question,) = asked
    assert question.end - question.start == incident_records.DRAFT_BEFORE + incident_records.DRAFT_AFTER + timedelta(
        minutes=30
    )
    (text,) = (tmp_path / "out").glob("*-draft.md")
    assert text.read_text().startswith("# shop: checkout fails (draft)")
    with pytest.raises(UsageError, match="exists"):
        run("draft", "shop", "--id", "7", "--out", "out")


def test_a_draft_is_of_an_incident_of_its_service_and_source(run, monkeypatch, tmp_path):
    from pratique.report import incident as report  # noqa: PLC0415
    from support.incident_values import sample_investigation  # noqa: PLC0415

    monkeypatch.setattr(report, "investigate_stored", lambda *_: sample_investigation())
    with (tmp_path / "pratique.toml").open("a") as file:
        file.write("[services.till]\n")
    for service, source in (("shop", "pager"), ("till", "github")):
        run("open", service, f"{service} fails", "--began", "2026-11-20T14:00", "--id", "7", "--source", source)
    with pytest.raises(UsageError, match="of service 'till', not of 'shop'"):
        run("draft", "shop", "--id", "7", "--source", "github")
    with pytest.raises(UsageError, match="say which source"):
        run("draft", "shop", "--id", "7")
    run("draft", "shop", "--id", "7", "--source", "pager", "--out", "out")
    (text,) = (tmp_path / "out").glob("*-draft.md")
    assert text.read_text().startswith("# shop: shop fails (draft)")


def test_impossible_times_are_one_error_and_recorded_nowhere(run):
    for options in (
        ["--began", "2126-11-20T12:00"],
        ["--began", "2026-11-20T12:00", "--detected", "2026-11-20T11:00"],
        ["--began", "2026-11-20T12:00", "--detected", "2126-11-20T11:00"],
    ):
        with pytest.raises(UsageError, match="correct"):
            run("open", "shop", "x", *options)
    assert run("list").out.startswith("no incidents")
    run("open", "shop", "x", "--began", "2026-11-20T12:00")
    run("restored", "I1", "--at", "2026-11-20T12:30")
    for command in (("close", "I1", "--at", "2026-11-20T12:29"), ("restored", "I1", "--at", "2126-11-20T12:29")):
        with pytest.raises(UsageError, match="correct"):
            run(*command)
    assert "restored 2026-11-20T12:30:00Z  cause" in run("list").out
