"""Times written by strftime, as in Apache's %{format}t and Envoy's %START_TIME(format)%."""

from __future__ import annotations

import re

from pratique.errors import UsageError

_LONG = {"T": "%H:%M:%S", "F": "%Y-%m-%d", "D": "%m/%d/%y", "R": "%H:%M", "c": "%a %b %e %H:%M:%S %Y"}
_LONG |= {"r": "%I:%M:%S %p", "h": "%b", "x": "%m/%d/%y", "X": "%H:%M:%S"}
_PART = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{2}",
    "d": "[0-9]{2}",
    "e": " ?[0-9]{1,2}",
    "j": "[0-9]{3}",
    "H": "[0-9]{2}",
    "k": " ?[0-9]{1,2}",
    "I": "[0-9]{2}",
    "l": " ?[0-9]{1,2}",
    "M": "[0-9]{2}",
    "S": "[0-9]{2}",
    "s": "[0-9]+",
    "f": "[0-9]+",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]+",
    "a": "[A-Za-z]{3}",
    "A": "[A-Za-z]+",
    "p": "[AaPp][Mm]",
    "z": "(?:Z|[+-][0-9]{2}:?[0-9]{2})",
    "Z": "[A-Za-z]+",
}
_TOKEN = re.compile(r"%(?:[-_0^#]?)(?:E?([0-9])([fS])|E?\*([fS])|:?(.))", re.DOTALL)


def expression(text: str) -> str:
    """Return the expression of the texts that a strftime format writes; each part that tells the time is a group.

    The groups are named after the letter of their part and numbered, as in Y1.
    Raises: UsageError for a part that is unknown.
    """
    return _expression(text, 0)[0]


def _expression(text: str, number: int) -> tuple[str, int]:
    found, at = "", 0
    for match in _TOKEN.finditer(text):
        found += re.escape(text[at : match.start()]).replace(r"\ ", " ")
        at = match.end()
        letter = match[4] or "f"
        if match[2] == "S" or match[3] == "S":
            found += rf"(?P<S{number}>[0-9]{{2}})\.(?P<f{number}>[0-9]+)"
        elif letter == "%":
            found += "%"
        elif letter in {"n", "t"}:
            found += r"\s"
        elif letter in _LONG:
            inner, number = _expression(_LONG[letter], number)
            found += inner
        elif letter in _PART:
            found += f"(?P<{letter}{number}>{_PART[letter]})"
        else:
            raise UsageError(f"the time format {text!r} has %{letter}, which is not known: use %Y-%m-%dT%H:%M:%S%z")
        number += 1
    return found + re.escape(text[at:]).replace(r"\ ", " "), number


def plain(text: str) -> str:
    """Return the expression without groups."""
    return re.sub(r"\?P<[A-Za-z0-9]+>", "?:", expression(text))


def groups(pattern: str) -> dict[str, str]:
    """Return the groups of an expression, with the letter of the part that each one is."""
    return {name: name.rstrip("0123456789") for name in re.findall(r"\?P<([A-Za-z0-9]+)>", pattern)}
