"""The code accepts the snippets of the pages: service files, paths of files, and file names."""

import re
import shlex
from pathlib import Path

import click
import pytest

from pratique.cli import pratique as program
from pratique.config import parse
from pratique.runbook.release.steps import STEPS
from support.pages import DOCS, ROOT, Block, blocks, commands, pages

# the examples of the reference are single keys, which the tests of config/reference.toml read
GUIDES = [page for page in pages() if not page.startswith("reference/")]
TOML = [(page, block) for page in GUIDES for block in blocks(page) if block.language == "toml"]
CODE = re.compile(r"`((?:lib|tests|tools|examples|runbooks|notebooks|docs)/[\w./-]+)`")


@pytest.mark.parametrize(("page", "block"), TOML, ids=[f"{page}:{block.line}" for page, block in TOML])
def test_a_service_file_in_a_page_is_accepted(page, block):
    config = parse(block.text, Path(f"docs/{page}"))
    assert config.services or config.telemetry


def test_a_file_that_a_page_names_exists():
    named = {(page, path) for page in pages() for path in CODE.findall((DOCS / page).read_text(encoding="utf-8"))}
    assert named
    assert [f"docs/{page}: {path}" for page, path in sorted(named) if not (ROOT / path).exists()] == []


def test_a_module_that_the_architecture_page_names_exists():
    text = (DOCS / "explanation/architecture.md").read_text(encoding="utf-8")
    tables = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    named = re.findall(r"`([a-z_]+/(?:[a-z_]+/)*(?:[a-z_]+\.py)?|[a-z_]+\.py)`", tables)
    assert "judge/verdict.py" in named
    elsewhere = {"lib/pratique/", "tests/contract/", "base.py"}
    assert [path for path in named if path not in elsewhere and not (ROOT / "lib/pratique" / path).exists()] == []


def shown_commands(block):
    """The calls of pratique in a block: the words after the program's name, without a comment."""
    lines = [command.text for command in commands(block)] if block.language == "console" else block.text.splitlines()
    for line in lines:
        found = re.search(r"(?:^|[ /=|])pratique ([a-z].*)", line.replace("\\\n", " "), re.DOTALL)
        if found and not line.lstrip().startswith("#"):
            words = shlex.split(found[1], comments=True)
            yield words[
                : next((at for at, word in enumerate(words) if word in {">", "||", "|", "&", "&&"}), len(words))
            ]


SHELL = {"sh", "console", "cron", "ini"}
README = [
    Block(match[1], "", match[2], 0)
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
]
CALLS = [
    (page, tuple(words))
    for page, found in [*((page, blocks(page)) for page in GUIDES), ("README.md", README)]
    for block in found
    if block.language in SHELL
    for words in shown_commands(block)
]


@pytest.mark.parametrize(("page", "words"), CALLS, ids=[f"{page}: {' '.join(words)[:60]}" for page, words in CALLS])
def test_a_command_in_a_page_is_one_that_the_program_takes(page, words):
    name, *arguments = words
    assert name in program.commands
    command = program.commands[name]
    if isinstance(command, click.Group) and (arguments[:1] and arguments[0] in command.commands):
        name, *arguments = arguments
        command = command.commands[name]
    command.make_context(name, arguments, **program.context_settings)


def test_the_guides_show_every_command_that_a_user_types():
    rare = {"config", "balancer"}
    assert {name for name, command in program.commands.items() if not command.hidden} - {
        words[0] for _, words in CALLS
    } <= rare


def test_the_steps_of_a_release_are_those_of_the_architecture_page():
    text = (DOCS / "explanation/architecture.md").read_text(encoding="utf-8")
    table = text.partition("| step | what it does")[2].partition("\n\n")[0]
    assert re.findall(r"^\| ([A-Z][\w ]+) \|", table, re.MULTILINE) == [step.title for step in STEPS]
