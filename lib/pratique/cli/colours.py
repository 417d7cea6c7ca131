"""Colours of verdicts and states on a terminal.

Text is always painted; click removes the colours where the output is not a terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import click

COLOURS = {
    **dict.fromkeys(("promote", "promoted", "met", "reverted", "ok"), "green"),
    **dict.fromkeys(
        (
            "rollback",
            "rolled back",
            "worse",
            "failed",
            "problem",
            "dead",
            "dead run",
            "not running",
            "does not answer",
            "a release of ours",
        ),
        "red",
    ),
    **dict.fromkeys(
        (
            "continue",
            "inconclusive",
            "unfinished",
            "drift",
            "a change fits",
            "no change of ours explains it",
            "cannot tell",
        ),
        "yellow",
    ),
}
_START = re.compile(rf"( *)({'|'.join(sorted(COLOURS, key=len, reverse=True))})(?=[: ]|$)", re.IGNORECASE)


def colour_mode(environ: Mapping[str, str] = os.environ) -> bool | None:
    """Return whether output has colours: True always, False never, None on a terminal only.

    NO_COLOR forbids them and wins over FORCE_COLOR, which demands them; a variable that is empty does not count.
    """
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return False if environ.get("TERM") == "dumb" else None


def paint(text: str) -> str:
    """Return a verdict or state in its colour; other text unchanged. Spaces around it do not count."""
    colour = COLOURS.get(text.strip().lower())
    return click.style(text, fg=colour, bold=True) if colour else text


def paint_start(line: str) -> str:
    """Return a line with the verdict or state at its start in colour."""
    found = _START.match(line)
    return line if found is None else f"{found[1]}{paint(found[2])}{line[found.end() :]}"


def paint_phrase(line: str, *phrases: str) -> str:
    """Return a line with the first occurrence of each phrase in its colour."""
    for phrase in phrases:
        line = line.replace(phrase, paint(phrase), 1)
    return line
