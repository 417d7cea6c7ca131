"""YAML of unknown origin as plain values with line numbers, in bounded time and memory.

Nothing is constructed: every scalar is text, so `on` is no truth value, and tags such as !reference are only skipped.
Aliases are followed, and every visit counts, so a small file that stands for a huge one is refused.
"""

from __future__ import annotations

import re
from typing import Any

from pratique.errors import DataError

MOST_NODES = 50_000
DEEPEST = 60
LARGEST = 512 << 10
_DASHES = re.compile(r"(?:- ){40}")


class Text(str):
    """A scalar with the line in which it begins, from 1."""

    __slots__ = ("line",)
    line: int

    def __new__(cls, value: str, line: int) -> Text:  # noqa: PYI034, D102 - no subclass is made
        made = super().__new__(cls, value)
        made.line = line
        return made


class Table(dict[str, Any]):
    """A mapping with the line in which it begins."""

    line: int = 1


def read_yaml(content: bytes) -> list[Any]:
    """Return the documents of a file: Table, list and Text, in any depth. Raises: DataError with the problem."""
    import yaml  # noqa: PLC0415 - only where a pipeline is read

    if len(content) > LARGEST:
        raise DataError(f"larger than {LARGEST >> 10} KiB")
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("not UTF-8") from None
    if (
        max(text.count("[") - text.count("]"), text.count("{") - text.count("}")) > DEEPEST
        or _DASHES.search(text)
        or _nested(text)
    ):
        raise DataError("nested too deeply")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    walk = _Walk()
    try:
        return [walk.value(node, 0) for node in yaml.compose_all(text, Loader=loader) if node is not None]
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise DataError(f"not YAML{place}: {getattr(error, 'problem', '') or str(error)[:80]}") from error
    except RecursionError:
        raise DataError("nested too deeply") from None


def _nested(text: str) -> bool:
    """Whether brackets are nested beyond what any pipeline needs; the parser would take its stack for it."""
    depth = deepest = 0
    for character in re.findall(r"[\[\]{}]", text):
        depth = depth + 1 if character in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest > DEEPEST


class _Walk:
    def __init__(self) -> None:
        self._left = MOST_NODES

    def value(self, node: Any, depth: int) -> Any:
        """Return a node as a plain value. Raises: DataError when it stands for too many."""
        self._left -= 1
        if self._left < 0 or depth > DEEPEST:
            raise DataError(f"expands to more than {MOST_NODES:,} values, or is nested too deeply")
        line = node.start_mark.line + 1
        if node.id == "scalar":
            # the text of a block begins in the line after its mark
            return Text(str(node.value), line + (node.style in ("|", ">")))
        if node.id == "sequence":
            return [self.value(part, depth + 1) for part in node.value]
        return self._table(node, depth, line)

    def _table(self, node: Any, depth: int, line: int) -> Table:
        found = Table()
        found.line = line
        merged: list[Any] = []
        for key, part in node.value:
            name = str(key.value) if key.id == "scalar" else ""
            taken = self.value(part, depth + 1)
            if name == "<<":
                merged += taken if isinstance(taken, list) else [taken]
            elif name:
                found[Text(name, key.start_mark.line + 1)] = taken
        for other in merged:
            if isinstance(other, dict):
                for name, taken in other.items():
                    found.setdefault(name, taken)
        return found


def line_of(value: Any, otherwise: int = 1) -> int:
    """Return the line of a value."""
    if isinstance(value, list) and value:
        return line_of(value[0], otherwise)
    return int(getattr(value, "line", otherwise))


def texts(value: Any) -> list[Text]:
    """Return the scalars of a value: one, or a list of any depth."""
    if isinstance(value, Text):
        return [value]
    return [text for part in value for text in texts(part)] if isinstance(value, list) else []


def tables(value: Any) -> list[Table]:
    """Return the mappings of a value: one, or a list of them."""
    if isinstance(value, Table):
        return [value]
    return [part for part in value if isinstance(part, Table)] if isinstance(value, list) else []


def parts(value: Any) -> list[Any]:
    """Return a value that is a list, and an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def table(value: Any) -> Table:
    """Return a value that is a mapping, and an empty one in place of anything else."""
    return value if isinstance(value, Table) else Table()
