"""Pieces of Markdown: text that means nothing but itself, tables, and docstrings that explain names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


def plain(text: str) -> str:
    """Text with nothing in it that Markdown or HTML would read; code in backticks stays."""
    parts = re.split(r"(``?[^`]+``?)", " ".join(text.split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_\[\]|])", r"\\\1", text).replace("<", "&lt;")


def cell(text: str) -> str:
    """Text in a cell of a table; a bar in code would end the cell."""
    return plain(text).replace("|", "\\|") if "`" not in text else re.sub(r"(?<!\\)\|", "\\|", plain(text))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


@dataclass
class Explained:
    """A docstring, taken apart: its text, and the explanation of each name that it explains."""

    text: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    raises: str = ""
    examples: list[str] = field(default_factory=list)


def explained(docstring: str | None, names: Iterable[str]) -> Explained:
    """Take a docstring apart that explains names as "a, b: what they are. c: another."

    names: the names that may be explained, such as a function's parameters.
    """
    known = "|".join(sorted(map(re.escape, {*names, "Raises", "Returns"}), key=len, reverse=True))
    start = re.compile(rf"(?:^|(?<=[.;] )|(?<=\.\n))((?:{known})(?:, (?:{known}))*):\s", re.MULTILINE)
    found = Explained()
    for paragraph in inspect.cleandoc(docstring or "").split("\n\n"):
        if paragraph.startswith(">>> "):
            found.examples.append(paragraph)
            continue
        pieces = start.split(paragraph)
        if pieces[0].strip():
            found.text.append(pieces[0].strip())
        for name, text in zip(pieces[1::2], pieces[2::2], strict=True):
            if name == "Raises":
                found.raises = " ".join(text.split())
                continue
            # a sentence on a new line, not indented, is about all of it
            meaning, *more = re.split(r"(?<=\.)\n(?=[A-Z])", text, maxsplit=1)
            found.names[name] = " ".join(meaning.split()).rstrip(" .;")
            found.text += more
    return found


def anchor(text: str) -> str:
    """An identifier for a heading."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
