"""`--out` takes a folder, or a file that ends in .html, in every command and notebook."""

import json

import click
import pytest

from pratique.cli import pratique as program
from pratique.errors import UsageError
from pratique.report.place import check_place
from pratique.report.written_page import page_paths

PAGES = (["report"], ["history"], ["incident"], ["diff", "shop"])
FOLDERS = (["watch", "shop"], ["incident", "draft", "shop"], ["schedule", "report", "shop", "--as", "cron"])


def commands(group, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        if any(option.name == "out" for option in command.params):
            yield " ".join((*path, name)), next(option for option in command.params if option.name == "out")


@pytest.mark.parametrize("name", ["page.html", "deep/er/Page.HTML"])
def test_a_page_is_that_file_with_its_json_beside_it(tmp_path, name):
    paths = page_paths(tmp_path / name, "stem", "verdict")
    assert paths.html == tmp_path / name
    assert paths.json == (tmp_path / name).with_suffix(".json")


@pytest.mark.parametrize("name", ["reports", "reports.d", "v1.2", "new/folder"])
def test_a_folder_gets_the_page_under_its_own_name(tmp_path, name):
    assert page_paths(tmp_path / name, "stem", "verdict").html == tmp_path / name / "stem.html"


@pytest.mark.parametrize("name", ["page.htm", "page.json", "page.PDF", "page.ipynb", "notes.md"])
def test_the_name_of_another_file_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"give a folder, or a file that ends in \.html"):
        check_place(tmp_path / name)
    (tmp_path / name).mkdir()
    check_place(tmp_path / name)  # a folder that is there is a folder


def test_a_file_is_not_a_folder_and_a_folder_is_not_a_page(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "page.html").mkdir()
    for name in ("file", "page.html"):
        with pytest.raises(UsageError, match="give a folder"):
            check_place(tmp_path / name)


@pytest.mark.parametrize("command", PAGES, ids=" ".join)
def test_every_command_refuses_another_file_before_it_reads_anything(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"'page\.json' is the name of a file"):
        program.main([*command, "--out", "page.json"], "pratique", standalone_mode=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", FOLDERS, ids=" ".join)
def test_a_command_that_writes_several_pages_takes_only_a_folder(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"'page\.html' is the name of a file: give a folder$"):
        program.main([*command, "--out", "page.html"], "pratique", standalone_mode=False)


def test_every_command_has_the_same_out():
    known = {"review", "run", "release", "rollback", "doctor", *(" ".join(command[:2]) for command in FOLDERS), "watch"}
    known |= {command[0] for command in PAGES}
    assert {name for name, _ in commands(program)} <= known
    help_texts = {
        option.help.partition("there. ")[2]
        for name, option in commands(program)
        if name in {"history", "incident", "diff"}
    }
    assert help_texts == {"A folder, or a file that ends in .html: the other files go beside it."}


@pytest.mark.slow
@pytest.mark.kernel
@pytest.mark.parametrize("command", [["diff", "old/", "new/"], ["review", "--no-record"]], ids=lambda words: words[0])
def test_a_command_writes_the_page_where_it_was_put(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "app.txt").write_text(name)
    with pytest.raises(SystemExit) if command[0] == "diff" else _nothing():
        program.main([*command, "--out", "out/page.html"], "pratique", standalone_mode=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"page.html", "page.json", "page.ipynb"}
    assert "page.html" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/page.json").read_text())
    assert not (tmp_path / ".pratique/ledger.sqlite").exists()


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False
