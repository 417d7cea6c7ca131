"""Write names as tag values of InfluxDB, and read them back exactly.

Characters that line protocol, a delete or an answer in CSV cannot carry are percent-encoded: %, quotes, backslashes and
everything that is not printable. An empty name, which cannot be a tag value, is written as a lone %.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_LINE_PROTOCOL = re.compile(r"([, =])")
EMPTY = "%"


def encoded(name: str) -> str:
    """Return the tag value of a name. Names that differ have tag values that differ."""
    if not name:
        return EMPTY
    if name.isprintable() and not any(character in name for character in '%"\\'):
        return name
    return "".join(_character(character) for character in name)


def decoded(tag: str) -> str:
    """Return the name of a tag value."""
    return "" if tag == EMPTY else unquote(tag, errors="replace")


def in_line(tag: str) -> str:
    """Return a tag value as it stands in line protocol."""
    return _LINE_PROTOCOL.sub(r"\\\1", tag)


def _character(character: str) -> str:
    return quote(character, safe="") if not character.isprintable() or character in '%"\\' else character
