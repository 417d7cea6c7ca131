"""The page of the service file, from config/reference.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pratique.config.reference import Section, sections
from tools.reference.markdown import anchor, plain

KEY = re.compile(r"#([A-Za-z0-9_]+) = (.+)")
TABLE = re.compile(r"#?\[+([^\]]+)\]+")
EXAMPLE = "#     "
INTRODUCTION = """# Configuration

The service file is TOML. Pratique looks for it at `--config FILE`, then at the environment variable `PRATIQUE_CONFIG`, then at
`pratique.toml` in the working folder. Without a file, every key has its default.

`pratique init` writes a first file, `pratique check` verifies a file and everything it refers to, and
`pratique config --reference [SECTION]` prints the text of this page.

An unknown key is an error that names file, line and key. Names of keys end with their unit: `_s` is seconds, `_min` is minutes,
`_mb` is megabytes. Relative paths are relative to the folder of the service file. `NAME` stands for the name of your service."""


@dataclass
class Entry:
    """A key with its default and its explanation; or, without a key, the text of a section."""

    key: str = ""
    default: str = ""
    text: list[str] = field(default_factory=list)
    example: list[str] = field(default_factory=list)


def entries(section: Section) -> list[Entry]:
    """The text of the section, then its keys in order; a second table of the section ends them."""
    found, current, tables = [], Entry(), 0
    for line in section.text.splitlines():
        key = KEY.fullmatch(line)
        if TABLE.fullmatch(line):
            tables += 1
            found.append(current)
            current = Entry()
            if tables > 1:
                return found[:-1]
        elif key:
            current.key, current.default = key[1], key[2]
            found.append(current)
            current = Entry()
        elif line.startswith(EXAMPLE):
            current.example.append(line.removeprefix(EXAMPLE))
        elif line.startswith("# "):
            current.text.append(line.removeprefix("# "))
        elif line == "#":
            current.text.append("")
        elif not line and not section.table and not found:
            # without a table, the text of the section ends at its first empty line
            found.append(current)
            current = Entry()
    if current.text or current.example:
        found.append(current)
    return found


def _paragraphs(lines: list[str]) -> list[str]:
    return [plain(paragraph) for paragraph in "\n".join(lines).split("\n\n") if paragraph.strip()]


def _more_tables(section: Section) -> str:
    """The tables of a section after its first one, as they are in the reference: further defaults."""
    starts = [match.start() for match in re.finditer(r"^#\[", section.text, re.MULTILINE)]
    if len(starts) < 2:
        return ""
    text = re.sub(r"^#", "", section.text[starts[1] :], flags=re.MULTILINE).strip()
    return f"The other default guards:\n\n```toml\n{text}\n```"


def _shown(section: Section) -> list[str]:
    head = f"`[{section.table}]`" if section.table else "At the top of the file, before any table."
    parts = [f"## {section.name} {{#{anchor(section.name)}}}", head]
    for entry in entries(section):
        if entry.key:
            parts.append(f"### `{entry.key}` {{#{anchor(section.name)}-{anchor(entry.key)}}}")
            parts.append(f"Default: `{entry.default}`")
        parts += _paragraphs(entry.text)
        if entry.example:
            example = "\n".join(entry.example)
            parts.append(f"```toml\n{example}\n```")
    return [*parts, _more_tables(section)]


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for section in sections():
        parts += _shown(section)
    return "\n\n".join(part for part in parts if part)
