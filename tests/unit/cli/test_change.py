"""`pratique change`: a change is kept once, and printed without control characters."""

import json

import pytest

from pratique.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PRATIQUE_WHO", "anna")
    (tmp_path / "pratique.toml").write_text("[services.shop]\n[services.till]\n")

    def done(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["change", *arguments])
        return ended.value.code, *capsys.readouterr()

    return done


def test_a_change_is_kept_once_and_listed(run):
    reported = (
        "add",
        "flag x on",
        "--service",
        "shop",
        "--service",
        "till",
        "--at",
        "2026-11-20T14:00",
        "--kind",
        "flag",
    )
    sentence = "2026-11-20T14:00:00Z  shop, till  flag  flag x on  (by anna)\n"
    assert run(*reported) == (0, f"kept: {sentence}", "")
    assert run(*reported) == (0, f"known already: {sentence}", "")
    assert run("list") == (0, sentence, "")
    (listed,) = json.loads(run("list", "--json")[1])
    assert (listed["services"], listed["who"], listed["source"]) == (["shop", "till"], "anna", "command line")


def test_changes_are_listed_by_service_and_time(run):
    run("add", "b", "--all-services", "--at", "2026-11-20T15:00", "--revision", "r2", "--who", "ci")
    run("add", "a", "--service", "shop", "--at", "2026-11-20T14:00")
    assert [line[11:13] for line in run("list")[1].splitlines()] == ["14", "15"]
    assert len(run("list", "--service", "till")[1].splitlines()) == 1
    assert "15:00:00Z  all services  change  r2  b  (by ci)" in run("list", "--since", "2026-11-20T14:30")[1]


def test_hostile_text_moves_no_cursor(run):
    _, out, _ = run("add", "a\x1b[2J\r\nb", "--service", "shop", "--who", "\x07me", "--kind", "\u202ek")
    assert out.rstrip("\n").isprintable()
    assert run("list")[1].rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["x"], "--service"),
        (["x", "--service", "shop", "--all-services"], "--all-services"),
        (["x", "--service", "../x"], "service"),
        (["x", "--service", "shop", "--at", "noon"], "noon"),
        (["", "--service", "shop"], "TEXT"),
        ([" \x1b\n", "--service", "shop"], "TEXT"),
    ],
)
def test_wrong_use_is_one_line(run, arguments, named):
    status, out, err = run("add", *arguments)
    assert (status, out, err.count("\n")) == (64, "", 1)
    assert named in err


def test_a_service_of_others_is_kept_with_a_note(run):
    status, out, err = run("add", "migration", "--service", "database")
    assert (status, out.startswith("kept: ")) == (0, True)
    assert "no service 'database'" in err


def test_lines_that_cannot_be_read_are_counted(run, tmp_path):
    assert run("list") == (0, "no changes were reported: pratique change add --help\n", "")
    (tmp_path / ".pratique").mkdir(exist_ok=True)
    (tmp_path / ".pratique" / "changes.jsonl").write_text("{\n")
    assert "1 lines" in run("list")[2]
