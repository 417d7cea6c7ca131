"""The page of the command line: the help of every command, by section."""

from __future__ import annotations

import click

from pratique.cli import pratique as program

WIDTH = 100


def commands() -> dict[str, list[str]]:
    """The names of all commands, by section; those of a group as "group command"."""
    sections: dict[str, list[str]] = getattr(program, "sections", None) or {"Commands": sorted(program.commands)}
    return {title: [inner for name in names for inner in _with_inner(name)] for title, names in sections.items()}


def _with_inner(name: str) -> list[str]:
    command = program.commands[name]
    inner = sorted(command.commands) if isinstance(command, click.Group) else []
    return [name, *(f"{name} {other}" for other in inner)]


def help_of(name: str = "") -> str:
    """The help of a command, or of the program, as a terminal of WIDTH columns shows it."""
    context = context_of(name)
    return context.command.get_help(context).rstrip()


def context_of(name: str = "") -> click.Context:
    """The context of a command, or of the program. name: such as "store copy"."""
    settings = {**program.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(program, info_name="pratique", **settings)
    command: click.Command = program
    for word in name.split():
        command = command.commands[word] if isinstance(command, click.Group) else command
        context = click.Context(command, info_name=word, parent=context, **settings)
    return context


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
