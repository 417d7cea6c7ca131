"""The page of the command line: the help of every command, by section."""

from __future__ import annotations

import click

from pratique.cli import pratique as program

WIDTH = 100


def commands() -> dict[str, list[str]]:
    """The names of all commands, by section."""
    return getattr(program, "sections", None) or {"Commands": sorted(program.commands)}


def help_of(name: str = "") -> str:
    """The help of a command, or of the program, as a terminal of WIDTH columns shows it."""
    settings = {**program.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(program, info_name="pratique", **settings)
    if name:
        command = program.commands[name]
        context = click.Context(command, info_name=name, parent=context, **settings)
    return context.command.get_help(context).rstrip()


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, f"```text\n{help_of()}\n```"]
    for section, names in commands().items():
        parts.append(f"## {section}")
        parts += [f"### pratique {name}\n\n```text\n{help_of(name)}\n```" for name in names]
    return "\n\n".join(parts)


INTRODUCTION = """# Command line

Each command is a thin call into the library, or runs a notebook. The command line has no ability that a notebook lacks.
`pratique run NAME --list` lists the parameters of a notebook.

Errors are one line on standard error. `PRATIQUE_DEBUG=1` shows the traceback of an unexpected error. Colours appear only on a terminal, and not if
`NO_COLOR` is set. [Exit status](exit-status.md) lists the values that scripts can test. See also [Complete commands with Tab](../how-to/shell-completion.md)."""
