"""The reference of the service file: every key with its default and an explanation, in `reference.toml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pratique.errors import UsageError

_BANNER = re.compile(r"^# === (\S+) ===\n", re.MULTILINE)
_TABLE = re.compile(r"^#?\[([^\]]+)\]", re.MULTILINE)
_KEY = re.compile(r"^#([A-Za-z0-9_]+) = ")


@dataclass(frozen=True)
class Section:
    """One section of the reference. table: its table in the service file, "" for the top level."""

    name: str
    table: str
    text: str


def reference_text(section: str | None = None) -> str:
    """Return the whole reference, or one section of it, as TOML with every key commented out.

    section: a section's name ("docker"), or its table ("runtime.docker", "services.NAME.runtime.docker").
    Raises: UsageError listing the sections.
    """
    if section is None:
        return _whole()
    for found in sections():
        if section in {found.name, found.table, found.table.removeprefix("services.NAME.")}:
            return found.text
    raise UsageError.unknown("section", section, [found.name for found in sections()])


@cache
def sections() -> tuple[Section, ...]:
    """Return the sections in the order of the reference."""
    _, *parts = _BANNER.split(_whole())
    return tuple(_section(name, text) for name, text in zip(parts[::2], parts[1::2], strict=True))


def summary(key: str) -> str:
    """Return the first line of the explanation of a key, such as "services.NAME.runtime.readiness_path".

    Raises: KeyError when the reference has no such key.
    """
    return _summaries()[key]


@cache
def _whole() -> str:
    return files("pratique.config").joinpath("reference.toml").read_text(encoding="utf-8")


def _section(name: str, text: str) -> Section:
    table = _TABLE.search(text)
    return Section(name, table.group(1) if table else "", text.strip() + "\n")


@cache
def _summaries() -> dict[str, str]:
    found: dict[str, str] = {}
    for section in sections():
        comment: list[str] = []
        for line in section.text.splitlines():
            key = _KEY.match(line)
            if key:
                name = f"{section.table}.{key.group(1)}".lstrip(".")
                found.setdefault(name, comment[0] if comment else "")
            comment = [*comment, line.removeprefix("# ")] if line.startswith("# ") else []
    return found
