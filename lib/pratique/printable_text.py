"""Text of unknown origin, made safe for terminals, queries and pages of other programs."""

from __future__ import annotations


def printable(text: str, most: int) -> str:
    """Return at most `most` characters of a text, each control character as a space: none may move a terminal's cursor.

    >>> printable("a" + chr(27) + "[2Jb", 10)
    'a [2Jb'
    """
    return "".join(character if character.isprintable() else " " for character in text[:most])
