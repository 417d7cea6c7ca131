"""One pipeline file, as far as it can be read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Trigger = Literal["push", "schedule", "poll", "manual"]
LONGEST_LINE = 2000
_SAID = re.compile(r"^\s*(#|//|echo\b|printf\b|Write-(Host|Output)\b|:\s)")
_COMMENT = re.compile(r"\s#\s.*$")
_PARTS = re.compile(r"\s*(?:&&|\|\||;)\s*")
_INSTALLS = re.compile(
    r"\b(apt(-get)?|apk|dnf|yum|pacman|zypper|brew|choco|pip3?|pipx|uv pip|uv tool|uv|poetry|pdm|conda|mamba|npm|yarn|pnpm|gem|go|cargo|composer|opam|rustup( component)?|dotnet tool)\s+"
    r"(-\S+\s+)*(install|add|get|-S\w*)\b"
)
_ASSIGNED = re.compile(
    r"^(?:(?:export|local|declare|set|env)\s+|[\w.-]+=(?:\"[^\"]*\"|'[^']*'|[^\s\"']\S*)?(?:\s+|$))+"
)


@dataclass(frozen=True)
class Command:
    """One line that a pipeline runs, or the name of an action, task or template that it uses. line: in its file, from 1."""

    text: str
    file: str
    line: int

    @property
    def link(self) -> str:
        """The place as a link of evidence."""
        return f"{self.file}:{self.line}"


@dataclass
class Pipeline:
    """One pipeline file. triggers: what starts it. jobs: those that can run at once. unread: what of it could not be read.

    outside: triggers that the server may have without a word in the file. builds: whether it works on the code at all, and not only
    on issues and labels.
    """

    file: str
    commands: list[Command] = field(default_factory=list)
    triggers: dict[Trigger, int] = field(default_factory=dict)
    jobs: int = 0
    unread: list[str] = field(default_factory=list)
    outside: tuple[Trigger, ...] = ()
    builds: bool = True

    def run(self, script: str, line: int) -> None:
        """Add the lines of a script. Comments and printed texts are no commands; lines that continue are joined."""
        pending, began = "", line
        for number, text in enumerate(script[: 256 << 10].splitlines()):
            if not pending:
                began = line + number
            pending += text.strip()
            if pending.endswith("\\"):
                pending = pending[:-1] + " "
                continue
            self._add(pending, began)
            pending = ""
        self._add(pending, began)

    def _add(self, line: str, number: int) -> None:
        """Add the commands of a line. What only prints, installs or assigns does nothing to the software."""
        for part in _PARTS.split(_COMMENT.sub("", line[:LONGEST_LINE])):
            command = _ASSIGNED.sub("", part).strip()
            if command and not command.startswith("-") and not _SAID.match(part) and not _INSTALLS.search(command):
                self.commands.append(Command(command, self.file, number))

    def use(self, name: str, line: int) -> None:
        """Add an action, task, orb or template that the pipeline uses."""
        self.commands.append(Command(name[:LONGEST_LINE], self.file, line))

    def start(self, trigger: Trigger, line: int) -> None:
        """Add what starts it."""
        self.triggers.setdefault(trigger, line)
