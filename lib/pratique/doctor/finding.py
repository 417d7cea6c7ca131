"""What a check says of one object: a finding with its remedy, or that it could not be looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pratique.masked_text import LONGEST_LINE, masked
from pratique.printable_text import printable

Risk = Literal["critical", "high", "medium", "low"]
RISKS: tuple[Risk, ...] = ("critical", "high", "medium", "low")
"""Worst first."""
State = Literal["found", "not looked at", "good"]
Source = Literal["engine", "host", "records"]
Theme = Literal["host", "engine", "container", "image", "records"]
LONGEST = {"object": 120, "what": 300, "remedy": 400, "reason": 300}
"""Characters of a text that are kept."""
Thing = TypeVar("Thing")


class NotLookedAtError(Exception):
    """A fact that a check needs is not known; the message is the reason."""


@dataclass(frozen=True)
class Found:
    """One thing that a check found: where, what, and the command that mends it. All text is printable and without secrets."""

    object: str
    what: str
    remedy: str

    def __post_init__(self) -> None:
        """Texts come from engines and hosts: control characters and secrets are taken out."""
        # masked first: a cut through a secret would leave its beginning, which no pattern knows
        object.__setattr__(self, "object", printable(masked(self.object), LONGEST["object"]))
        object.__setattr__(self, "what", printable(masked(self.what), LONGEST["what"]))
        object.__setattr__(self, "remedy", printable(self.remedy, LONGEST["remedy"]))


@dataclass(frozen=True)
class Looked:
    """What a check saw. of: how many objects it looked at. unseen: a reason for each object that it could not look at."""

    found: tuple[Found, ...] = ()
    of: int = 1
    unseen: tuple[str, ...] = ()


def look_at_each(things: Iterable[Thing], judge: Callable[[Thing], Iterable[Found]]) -> Looked:
    """Judge each thing; one that cannot be looked at does not hide the others."""
    found: list[Found] = []
    unseen: list[str] = []
    number = 0
    for thing in things:
        try:
            found += judge(thing)
            number += 1
        except NotLookedAtError as error:
            unseen.append(str(error))
    return Looked(tuple(found), number, tuple(dict.fromkeys(unseen)))


def ending(text: str, most: int) -> str:
    """The last characters of a text of an engine or host, masked before the cut: it could go through a secret."""
    return masked(text.strip()[-LONGEST_LINE:])[-most:]


def sizes(number: float) -> str:
    """A size in bytes for people: 1.5 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
