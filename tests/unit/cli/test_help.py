"""Help: complete, in sections, and fast to load."""

import re
import subprocess
import sys

import click
import pytest

from pratique.cli import pratique
from pratique.notebook import read_parameters

LISTED = sorted((name, command) for name, command in pratique.commands.items() if not command.hidden)
WITHIN = sorted(
    (f"{name} {inner}", command)
    for name, group in LISTED
    if isinstance(group, click.Group)
    for inner, command in group.commands.items()
)
"""The commands of groups."""
COMMANDS = [(name, command) for name, command in LISTED if not isinstance(command, click.Group)] + WITHIN
SUMMARY = re.compile(r"[A-Z][a-z]+ .*\.")


@pytest.fixture(scope="module")
def listing():
    with click.Context(pratique, info_name="pratique", terminal_width=78, **pratique.context_settings) as ctx:
        return pratique.get_help(ctx)


@pytest.mark.parametrize(("name", "command"), LISTED)
def test_every_command_has_a_summary_that_fits_its_line(name, command, listing):
    summary = command.help.split("\n\n")[0].replace("\n", " ")
    assert SUMMARY.fullmatch(summary)
    # the listing shows the first sentence, which it would cut off with "..." where it is too long
    assert re.search(rf"^  {name} +{re.escape(summary.split('. ')[0].rstrip('.'))}\.$", listing, re.MULTILINE)


@pytest.mark.parametrize(("name", "command"), WITHIN)
def test_every_command_of_a_group_has_a_summary(name, command):
    assert SUMMARY.fullmatch(command.help.split("\n\n")[0].replace("\n", " ")), name


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_option_has_help(name, command):
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert options
    for option in options:
        assert option.help, f"{name} {option.opts}"
        assert option.help[0].isupper(), option.help
        assert option.help.endswith("."), option.help


def test_every_command_stands_in_one_section(listing):
    in_sections = [name for names in pratique.sections.values() for name in names]
    assert sorted(in_sections) == [name for name, _ in LISTED]
    assert list(pratique.sections) == ["Release", "Analyse", "Operate", "Configure", "Data"]
    titles = re.findall(r"^(\w+):$", listing, re.MULTILINE)
    assert titles == ["Options", *pratique.sections]


def test_the_help_of_a_command_says_the_exit_statuses():
    for name in ("release", "compare", "report", "run"):
        with click.Context(pratique.commands[name], info_name=name, **pratique.context_settings) as ctx:
            assert "Exit status: 0 promote (or done), 1 rollback" in pratique.commands[name].get_help(ctx)


@pytest.mark.parametrize("runbook", ["release", "rollback"])
def test_a_runbooks_command_has_an_argument_or_option_for_each_parameter(runbook):
    assert {p.name for p in pratique.commands[runbook].params} - {"out"} == set(read_parameters(runbook))


@pytest.mark.parametrize("runbook", ["release", "rollback"])
def test_choices_are_those_of_the_notebook(runbook):
    helps = {name: parameter.help for name, parameter in read_parameters(runbook).items()}
    for option in pratique.commands[runbook].params:
        for choice in getattr(option.type, "choices", ()):
            assert choice in helps[option.name]


def test_help_loads_no_package_that_it_does_not_need():
    code = "import sys, pratique.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "rich", "psutil", "sqlite3", "importlib.metadata"} & set(done.stdout.split())
