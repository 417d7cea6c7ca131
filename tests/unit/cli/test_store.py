"""`pratique store`: what it prints, its exit status, and the name that a command had earlier."""

import json
from datetime import timedelta

import pytest

from contract.store_contract import T0, by_key, content, rollups, row
from pratique.cli import main
from pratique.errors import UnavailableError
from pratique.store import copy_position, open_store
from pratique.store.delta import DeltaStore


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run `pratique store` in an empty folder; return exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def done(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["store", *arguments])
        return ended.value.code, *capsys.readouterr()

    return done


@pytest.mark.slow
def test_copy_says_what_it_copied(run):
    open_store("a").write(rollups(row(0, n=1200), row(1, "r2"), row(0, service="till")))
    status, out, err = run("copy", "a", "b")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "shop  r1  2026-03-01T23:59:30Z to 2026-03-01T23:59:30Z  1,200 requests",
        "shop  r2  2026-03-01T23:59:40Z to 2026-03-01T23:59:40Z  1 requests",
        "till  r1  2026-03-01T23:59:30Z to 2026-03-01T23:59:30Z  1 requests",
        "copied 1,202 requests of 3 revisions and 2 services (3 rows with 1,202 requests written); the counts of both stores agree",
    ]


@pytest.mark.slow
def test_dry_run_writes_nothing(run, tmp_path):
    open_store("a").write(rollups(row(0, n=5)))
    status, out, _ = run("copy", "a", "b", "--dry-run")
    assert (status, out.splitlines()[-1]) == (
        0,
        "would copy 5 requests of 1 revision and 1 service; nothing was written",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]
    open_store("b").write(rollups(row(0, n=2)))
    assert run("copy", "a", "b", "--dry-run")[1].splitlines()[0].endswith("; TO has 2 of this revision")


def test_copy_takes_the_selection(run):
    rows = {number: row(number) for number in range(4)}
    open_store("a").write(rollups(*rows.values(), row(1, service="till")))
    since, until = (f"{T0 + timedelta(seconds=10 * number):%Y-%m-%dT%H:%M:%S}" for number in (1, 3))
    assert run("copy", "a", "b", "--service", "shop", "--since", since, "--until", until)[0] == 0
    assert content(open_store("b"), ("shop", "till")) == by_key([rows[1], rows[2]])


def test_the_store_of_the_service_file_is_opened_with_its_settings(run, tmp_path, monkeypatch):
    (tmp_path / "pratique.toml").write_text('[store]\nurl = "b"\nretention_days = 3\n')
    opened = {}
    init = DeltaStore.__init__

    def noted(self, url, *, retention_days=0):
        opened[url] = retention_days
        init(self, url, retention_days=retention_days)

    monkeypatch.setattr(DeltaStore, "__init__", noted)
    open_store("a").write(rollups(row(0)))
    assert run("copy", "./a", str(tmp_path / "x" / ".." / "b"))[0] == 0
    assert opened == {"a": 0, "./a": 0, str(tmp_path / "b"): 3}


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["a", "./a/"], 64, "FROM and TO are the same store"),
        (["nowhere", "b"], 66, "the store to copy from does not exist"),
        (["a", "b", "--service", "x"], 66, "no service 'x'"),
        (["a", "b", "--since", "2030-01-01"], 66, "no windows in this time range"),
        (["a", "ftp://b"], 64, "unknown scheme"),
        (["a", "s3://me:secret@b/c"], 64, "holds credentials"),
        (["a", "files"], 65, "is not a store"),
        (["a", "b", "--since", "yesterday"], 64, "is not a time"),
    ],
)
def test_a_copy_that_cannot_be_is_one_line(run, tmp_path, words, status, message):
    open_store("a").write(rollups(row(0)))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "notes.txt").touch()
    done, out, err = run("copy", *words)
    assert (done, out, err.count("\n")) == (status, "", 1)
    assert message in err
    assert "secret" not in err


def test_a_difference_is_exit_status_65_and_the_next_run_copies_all(run, monkeypatch):
    open_store("a").write(rollups(row(0), row(1)))
    write = DeltaStore.write
    monkeypatch.setattr(DeltaStore, "write", lambda *_, **__: None)
    status, out, err = run("copy", "a", "b")
    assert (status, out) == (65, "")
    assert "revision 'r1': 2 requests in the store to copy from, 0 in the copy" in err
    monkeypatch.setattr(DeltaStore, "write", write)
    assert run("copy", "a", "b")[0] == 0


def test_a_store_that_went_away_says_how_to_continue(run, monkeypatch):
    def away(*_, **__):
        raise UnavailableError("store 'b' cannot be written: it does not answer")

    open_store("a").write(rollups(row(0)))
    monkeypatch.setattr(DeltaStore, "write", away)
    status, out, err = run("copy", "a", "b")
    assert (status, out) == (69, "")
    assert err.endswith("it does not answer: run the same command again to continue\n")


def test_ctrl_c_says_how_to_continue(run, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    open_store("a").write(rollups(row(0)))
    monkeypatch.setattr(copy_position.CopyPosition, "reached", interrupted)
    status, _, err = run("copy", "a", "b")
    assert (status, err) == (130, "stopped: run the same command again to continue\npratique: interrupted\n")


def test_check_finds_nothing_or_a_problem(run, tmp_path):
    status, out, err = run("check", "--store", "a")
    assert (status, err) == (0, "")
    assert all(line.startswith("ok") for line in out.splitlines())
    (tmp_path / "a").write_text("")
    status, out, _ = run("check", "--store", "a", "--json")
    found = json.loads(out)
    assert (status, found[0]["state"], found[0]["subject"]) == (1, "problem", "store.url")
    assert {each["state"] for each in found[1:]} == {"skipped"}


@pytest.mark.parametrize("words", [["store", "maintain"], ["maintain"]])
def test_maintain_compacts_the_store_under_its_old_name_too(tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    store = open_store("a")
    for window in range(2):
        store.write(rollups(row(window)))
    with pytest.raises(SystemExit) as ended:
        main([*words, "--store", "a"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "merged 2 files, dropped 0 beyond the retention, deleted 0\n"
