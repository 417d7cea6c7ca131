"""The reference of the service file: every key with its default and an explanation, in `reference.toml`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pratique.errors import UsageError

_BANNER = re.compile(r"^# === (\S+) ===\n", re.MULTILINE)
_TABLE = re.compile(r"^#?\[([^\]]+)\]", re.MULTILINE)
_EXAMPLE = re.compile(r"^# {4,}([A-Za-z0-9_]+ = .+)$")
_EMPTY = re.compile(r"= (\"\"|\[\]|\{ *\})$")
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
    names = ", ".join(found.name for found in sections())
    raise UsageError(f"no section {section[:80]!r}: choose one of {names}")


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


def example(keys: Sequence[str | int]) -> str:
    """Return an example of a key as TOML: the one of its explanation, or its default; "" where there is none.

    keys: the way to the key, such as ("services", "shop", "rollout", "stages").
    """
    return _examples().get(_reference_key(keys), "")


def known_keys(table: Sequence[str | int]) -> list[str]:
    """Return the keys of a table of the service file, given by the way to it."""
    prefix = _reference_key(table)
    start = f"{prefix}." if prefix else ""
    rest = [key.removeprefix(start) for key in _summaries() if key.startswith(start)]
    return list(dict.fromkeys(key.partition(".")[0] for key in rest))


def _reference_key(keys: Sequence[str | int]) -> str:
    names = [str(key) for key in keys if isinstance(key, str)]
    if names[:1] == ["services"] and len(names) > 1:
        names[1] = "NAME"
        if names[2:4] == ["judge", "guards"] and len(names) > 4:
            names[4] = "5xx"  # the reference explains the keys of one guard
    if names[:1] == ["jobs"] and len(names) > 1:
        names[1] = "NAME"
    return ".".join(names)


@cache
def _examples() -> dict[str, str]:
    found: dict[str, str] = {}
    for section in sections():
        shown = ""
        for line in section.text.splitlines():
            key = _KEY.match(line)
            if key:
                name = f"{section.table}.{key.group(1)}".lstrip(".")
                default = line.removeprefix("#")
                found.setdefault(name, shown or ("" if _EMPTY.search(default) else default))
            given = _EXAMPLE.match(line)
            shown = given[1] if given else shown if line.startswith("# ") else ""
    return found


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
