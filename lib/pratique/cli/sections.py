"""A group of commands whose help lists them in sections."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import click
from typing_extensions import override


class Sections(click.Group):
    """A click group that keeps the order and the section of each command for its help."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections: dict[str, list[str]] = {}

    def add_section(self, title: str, commands: Iterable[click.Command]) -> None:
        """Add commands under a title; the help lists them in this order."""
        for command in commands:
            self.add_command(command)
            self.sections.setdefault(title, []).append(str(command.name))

    def add_former_name(self, name: str, command: click.Command) -> None:
        """Keep the name that a command had earlier working, without listing it."""
        former = copy(command)
        former.hidden = True
        self.add_command(former, name)

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in self.sections.values() for name in names]

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        width = max(map(len, names), default=0)
        for title, section in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), self._summary(name, formatter, width)) for name in section])

    def _summary(self, name: str, formatter: click.HelpFormatter, width: int) -> str:
        # click indents a section by two columns and puts two between the name and its text
        return self.commands[name].get_short_help_str(formatter.width - width - 4)
