"""The pages of docs/reference match the code; `make docs-reference` writes them again."""

import re
from dataclasses import fields

import click
import pytest
from tools.reference import __main__ as reference
from tools.reference import cli, exit_status, files, json_keys, markdown, verdict

from pratique.cli import pratique as program
from pratique.config.reference import sections
from pratique.incident.model import Incident
from pratique.judge.model import Verdict
from support.pages import DOCS

COMMANDS = sorted(name for names in cli.commands().values() for name in names)


def text_of(page):
    return (DOCS / "reference" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(reference.PAGES))
@pytest.mark.slow
def test_a_page_is_what_the_code_says(page):
    assert text_of(page) == reference.written(page), f"docs/reference/{page} is outdated: run make docs-reference"


def test_every_page_of_the_reference_is_generated():
    assert sorted(path.name for path in (DOCS / "reference").iterdir()) == sorted(reference.PAGES)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_is_in_the_documentation(command):
    assert cli.context_of(command).command.help
    assert f"### pratique {command}\n" in text_of("cli.md")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_has_help(command):
    options = [item for item in cli.context_of(command).command.params if isinstance(item, click.Option)]
    assert [item.name for item in options if not item.help] == []


def test_every_command_is_in_one_section():
    listed = {name for name, command in program.commands.items() if not command.hidden}
    assert {name for name in COMMANDS if " " not in name} == listed
    assert {"store check", "store copy", "store maintain"} <= set(COMMANDS)
    assert len(COMMANDS) == len(set(COMMANDS))


def test_every_key_of_the_service_file_is_a_heading():
    page = text_of("configuration.md")
    for section in sections():
        for key in re.findall(r"^#([a-z0-9_]+) = ", section.text, re.MULTILINE):
            assert f"### `{key}` {{#{markdown.anchor(section.name)}-{markdown.anchor(key)}}}" in page


def test_every_key_of_the_verdict_has_a_meaning():
    page = text_of("verdict-json.md")
    assert [line for line in page.splitlines() if re.fullmatch(r"\| `\w+` \| [^|]+ \| +\|", line)] == []
    assert {f"| `{item.name}` |" for item in fields(Verdict) if item.name != "trace"} <= set(
        re.findall(r"^\| `\w+` \|", page, re.MULTILINE)
    )


@pytest.mark.slow
def test_the_example_of_a_verdict_is_one_that_the_judge_gave():
    assert verdict.example()["verdict"] == "rollback"
    assert verdict.example()["exit_status"] == 1


def test_every_exit_status_of_an_error_is_listed():
    page = text_of("exit-status.md")
    assert all(f"| {item.exit_status} | `{item.__name__}` |" in page for item in exit_status.classes())


def test_every_file_on_disk_is_written_by_the_module_that_the_page_was_made_from():
    assert files.missing() == []


def test_a_docstring_is_taken_apart_by_the_names_that_it_explains():
    doc = """What it is.

    a, b: the first two,
        on two lines. c: the third.
    Raises: UsageError (not a name), DataError.

    More text, with a note: nothing.
    """
    found = markdown.explained(doc, ["a", "b", "c"])
    assert found.text == ["What it is.", "More text, with a note: nothing."]
    assert found.names == {"a, b": "the first two, on two lines", "c": "the third"}
    assert found.raises == "UsageError (not a name), DataError."


def test_text_in_a_page_means_only_itself():
    assert markdown.plain("a_b [c] <d> `e_f` x*y") == r"a\_b \[c\] &lt;d> `e_f` x\*y"


def test_every_key_of_an_incident_has_a_meaning():
    page = text_of("incident-json.md")
    assert [line for line in page.splitlines() if re.fullmatch(r"\| `\w+` \| +\|", line)] == []
    assert {f"| `{item.name}` |" for item in fields(Incident)} <= set(re.findall(r"^\| `\w+` \|", page, re.MULTILINE))


@pytest.mark.parametrize("name", ["history-json.md", "review-json.md", "diff-json.md"])
def test_every_key_of_other_json_has_a_meaning(name):
    page = text_of(name)
    assert [line for line in page.splitlines() if re.fullmatch(r"\| `\w+` \| +\|", line)] == []
    assert page.count("| `") > 40


def test_a_key_that_the_page_does_not_explain_is_refused():
    with pytest.raises(ValueError, match="the page explains"):
        json_keys.keys_of_sample({"a": "x"}, {"a": 1, "b": 2}, "thing")
